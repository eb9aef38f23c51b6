"""One batch of inputs before a model: what it gives, whatever is asked about it, computed when first needed and once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from whylight.cells import WHOLE, Span
from whylight.errors import MethodError
from whylight.models.adapters.exported import Exported
from whylight.models.base import Classifier
from whylight.models.device import is_out_of_memory
from whylight.models.layers import look_at_layers
from whylight.models.model import Model
from whylight.models.split.cut import Context
from whylight.models.split.linear import LinearHead

Precision = Literal["auto", "fp32", "bf16"]
Tick = Callable[[int, int], None]  # (done, total)

_DIFFERENTIATED = frozenset({"gradients", "gradients_of", "curvature", "look_at"})
_AT_SPLIT = _DIFFERENTIATED | {"activations", "ablated_scores", "class_weights"}


class Scene:
    """N inputs, the activations at the split and the logits.

    Args:
        model: the model that looks; its network is borrowed by the caller.
        x: (N, 3, H, W), prepared.
        needs: names of the evidence that will be asked for.
        precision: of the forwards on perturbed inputs.
        tick: progress of what takes long.
        most: inputs of any forward; None: what suits the device.
    """

    def __init__(
        self,
        model: Classifier,
        x: Tensor,
        needs: frozenset[str],
        precision: Precision,
        tick: Tick | None,
        most: int | None = None,
    ) -> None:
        self.model, self.x, self.needs, self.precision, self.tick = model, x, needs, precision, tick
        self.most = most
        self.size = (x.shape[2], x.shape[3])

    @property
    def split_model(self) -> Model:
        """The model, which has a split: `why_not` has seen to it."""
        assert isinstance(self.model, Model)
        return self.model

    @property
    def linear(self) -> LinearHead | None:
        """The head, where it is average pooling and one linear layer."""
        return self.model.linear if isinstance(self.model, Exported) else self.split_model.linear

    def span(self, grid: tuple[int, int]) -> Span:
        """Over which part of the inputs the cells of a grid are spread."""
        return self.model.span(self.size, grid) if isinstance(self.model, Model | Exported) else WHOLE

    @cached_property
    def looked(self) -> tuple[Tensor, Tensor, Context]:
        """The leaf, the logits and the context, see below."""
        if isinstance(self.model, Exported):
            return *self.model.look(self.x), ()
        model = self.split_model
        # On a linear head every gradient is a row of its weight: no graph, no backward.
        if model.linear is None and self.needs & _DIFFERENTIATED:
            # Fused attention cannot be differentiated twice.
            twice = sdpa_kernel(SDPBackend.MATH) if "curvature" in self.needs else nullcontext()
            with torch.no_grad(), twice:
                return model.split.look(self.x)
        with torch.no_grad():
            return model.split.run(self.x)

    @property
    def leaf(self) -> Tensor:
        """Raw activations at the split, in the network's own layout; a gradient leaf where gradients will be asked for."""
        return self.looked[0]

    @property
    def context(self) -> Context:
        """What the head needs besides the activations."""
        return self.looked[2]

    @cached_property
    def logits(self) -> Tensor:
        """(N, C), on the leaf's graph where there is one."""
        if isinstance(self.model, Model) or (isinstance(self.model, Exported) and self.needs & _AT_SPLIT):
            return self.looked[1]
        return self.model.logits(self.x)

    @cached_property
    def grid(self) -> Tensor:
        """(N, K, h, w); of an exported graph the maps of its classes, (N, C, h, w)."""
        if isinstance(self.model, Exported):
            return self.leaf
        return self.split_model.layout.to_grid(self.leaf.detach(), self.size)

    @cached_property
    def flaws(self) -> list[str]:
        """For each picture what is not finite in it, or ""; computed where something else is found not to be."""
        if not isinstance(self.model, Model) or not self.needs & _AT_SPLIT:
            return ["" if fine else "its logits are" for fine in self.logits.isfinite().all(1).tolist()]
        fine = self.grid.isfinite().flatten(1).all(1).tolist()
        return ["" if one else f"the activations at {self.model.layer!r} are" for one in fine]


def share_forward(scenes: Sequence[Scene]) -> None:
    """Let scenes of one batch at different layers of one network take their activations from one forward, if that can be."""
    layers = [scene.split_model.split.layer for scene in scenes]
    module = scenes[0].split_model.module
    if not all(
        layer in dict(module.named_modules()) for layer in layers
    ):  # one was moved behind a rectifier that has no name
        return
    found = look_at_layers(module, layers, scenes[0].x)
    if found is None:
        return
    caught, logits = found
    for scene, layer in zip(scenes, layers, strict=True):
        scene.looked = (caught[layer], logits, ())


def try_size(scene: Scene) -> None:
    """Run the network on inputs of another size than it was made for.

    Raises:
        MethodError: if it does not take them.
    """
    try:
        _ = scene.logits
    except (AssertionError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise MethodError(
            f"this network does not take an input of {scene.size[0]} × {scene.size[1]}: leave scales other than 1 out ({error})"
        ) from error
