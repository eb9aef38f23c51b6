"""A model that is imitated: the student learns its probabilities beside the labels."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from whylight.errors import TargetError, TrainError
from whylight.images.preprocess import Preprocess
from whylight.models.model import Model
from whylight.models.zoo.load import load
from whylight.targets.names import index_of


class Teacher:
    """A trained model that is asked about the student's own inputs.

    Args:
        name: what `whylight.load` takes.
        classes: the student's classes, which must be the teacher's, in any order.
        preprocess: how the student's inputs were made: the teacher's are made from them.
        device: where both run.

    Raises:
        TrainError: if the classes differ.
    """

    def __init__(self, name: str, classes: tuple[str, ...], preprocess: Preprocess, device: torch.device) -> None:
        model = load(name, device=str(device))
        if not isinstance(model, Model):
            raise TrainError(f"teacher: {name} is no network of PyTorch's")
        try:  # by any of their names: a folder may be called n02123045, and the teacher's class tabby
            self._order = [index_of(one, model.classes) for one in classes]
        except TargetError:
            self._order = []
        if sorted(self._order) != list(range(len(model.classes))):
            theirs = ", ".join(model.classes[:6])
            raise TrainError(f"teacher: {name} knows {theirs}; these pictures are of {', '.join(classes[:6])}")
        self._module, self._size = model.module, model.preprocessing.size
        mine, theirs_ = preprocess, model.preprocessing

        def each(values: tuple[float, ...]) -> Tensor:
            return torch.tensor(values, device=device).view(1, 3, 1, 1)

        # (x·s + m - m') / s' = x·scale + shift
        self._scale = each(mine.std) / each(theirs_.std)
        self._shift = (each(mine.mean) - each(theirs_.mean)) / each(theirs_.std)

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """The teacher's logits (N, C), in the student's order of classes, for the student's inputs (N, 3, H, W)."""
        x = x * self._scale + self._shift
        if x.shape[2:] != self._size:
            x = F.interpolate(x, self._size, mode="bilinear", antialias=True, align_corners=False)
        logits: Tensor = self._module(x)
        return logits[:, self._order].float()


def imitation_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² · KL(softmax(teacher / T) ‖ softmax(student / T)), the mean over pictures.

    Args:
        student, teacher: logits (N, C).
        temperature: T; the factor T² keeps the size of the gradient.

    Source: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015, section 2.
    """
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, 1),
        F.log_softmax(teacher / temperature, 1),
        reduction="batchmean",
        log_target=True,
    )
