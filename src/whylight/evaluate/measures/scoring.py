"""Scores of very many changed inputs, whatever pictures they were made from: the one way in which measures ask a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor

from whylight.engine.probe import Prober
from whylight.models.base import Classifier
from whylight.targets import Resolved

Make = Callable[[range], Tensor]
Precision = Literal["auto", "fp32", "bf16"]


class Score(Protocol):
    """What a measure knows of a model: numbered inputs → scores of the target of the picture each was made from."""

    def __call__(self, of: Tensor, make: Make) -> Tensor:
        """Score inputs by number, in chunks.

        Args:
            of: (M,) int64, the picture that each input was made from.
            make: range(i, j) → the inputs with these numbers, (j - i, 3, H, W).

        Returns:
            (M,) float32 on the processor.
        """


class Scorer:
    """Scores by a model's fast copy: chunks run on over steps, methods and pictures, so that none is part empty.

    A score is the probability of the target's class (softmax, or sigmoid where `multilabel`), or, where the target is a
    function of the logits, its value.

    Args:
        model: any classifier.
        x: the pictures' inputs, (N, 3, H, W).
        targets: the class index of each picture, (N,) int64, or a target that is a function of the logits.
        precision: as in `whylight.explain`.
        most: inputs of one forward at most; None: what suits the device.
        tick: called with (done, total) after every chunk.
        odds: score by the class's log-odds, log(p / (1 - p)), whose sigmoid is the probability: told from the logits, they tell
            inputs apart whose probabilities are all 1 to the last bit.
    """

    def __init__(
        self,
        model: Classifier,
        x: Tensor,
        targets: Tensor | Resolved,
        *,
        precision: Precision = "auto",
        most: int | None = None,
        tick: Callable[[int, int], None] | None = None,
        odds: bool = False,
    ) -> None:
        self._model, self._targets, self._odds = model, targets, odds
        self.forward = model.fast(precision)
        self._probe = Prober(
            x.to(model.device), self.forward, lambda logits, picture, after: logits, chunk=most, tick=tick
        )

    def __call__(self, of: Tensor, make: Make) -> Tensor:
        """See `Score`."""
        found = torch.empty(len(of))
        for chunk, logits in self._probe(0, len(of), make):
            found[chunk.start : chunk.stop] = self._scores(logits, of[chunk.start : chunk.stop]).float().cpu()
        return found

    def _scores(self, logits: Tensor, of: Tensor) -> Tensor:
        """(m, C), (m,) → (m,)."""
        if isinstance(self._targets, Resolved):
            return self._targets.scores(logits)
        classes = self._targets[of].to(logits.device)
        if self._odds:
            return log_odds(logits, classes, multilabel=self._model.multilabel)
        return self._model.probabilities(logits).gather(1, classes.unsqueeze(1)).squeeze(1)


def log_odds(logits: Tensor, classes: Tensor, *, multilabel: bool = False) -> Tensor:
    """The log-odds of a class for each row of logits (m, C): classes (m,) → (m,) float32.

    >>> log_odds(torch.tensor([[40.0, 0.0, 0.0]]), torch.tensor([0]))  # the probability is 1 in float32
    tensor([39.3069])
    """
    at, logits = classes.unsqueeze(1), logits.float()
    own = logits.gather(1, at).squeeze(1)
    return own if multilabel else own - logits.scatter(1, at, float("-inf")).logsumexp(1)


def each(count: int, times: int = 1) -> Tensor:
    """Which picture each of `times` inputs a picture was made from, picture by picture: (count · times,)."""
    return torch.arange(count).repeat_interleave(times)
