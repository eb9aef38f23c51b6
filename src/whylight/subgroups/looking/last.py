"""The last features before a network's answer, caught on the way: no second forward, and no hook is left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from whylight.models.base import Classifier
from whylight.models.model import Model


class LastFeatures:
    """Catches what goes into the last linear layer.

    Args:
        model: any classifier. Of one that has no such layer, or shows none, the logits stand for its features.
    """

    def __init__(self, model: Classifier) -> None:
        self._layer = _last_linear(model)
        self._caught: list[Tensor] = []

    @property
    def what(self) -> str:
        """What the features are, in words."""
        return "the logits" if self._layer is None else "what goes into the last linear layer"

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Catch during the block; the first forward of it counts."""
        self._caught.clear()
        if self._layer is None:
            yield
            return
        hook = self._layer.register_forward_pre_hook(self._keep)
        try:
            yield
        finally:
            hook.remove()

    def of(self, logits: Tensor) -> Tensor:
        """The features (N, K) float32 of what was run, on the processor; `logits` (N, C) are what came out."""
        caught = next((one for one in self._caught if len(one) == len(logits)), None)
        return (logits if caught is None else caught).detach().float().cpu()

    def _keep(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        if not self._caught and given and isinstance(given[0], Tensor) and given[0].ndim == 2:
            self._caught.append(given[0].detach())


def _last_linear(model: Classifier) -> nn.Linear | None:
    """The linear layer that runs last on one row for each picture; found by running, not by its name."""
    if not isinstance(model, Model):
        return None
    ran: list[nn.Linear] = []

    def note(module: nn.Module, given: tuple[Any, ...], out: Any) -> None:
        if isinstance(module, nn.Linear) and isinstance(out, Tensor) and out.ndim == 2:
            ran.append(module)

    with model.borrow():
        hooks = [one.register_forward_hook(note) for one in model.module.modules() if isinstance(one, nn.Linear)]
        try:
            with torch.no_grad():
                model.module(model.prepare(torch.zeros((1, model.bands, *model.preprocessing.size))))
        finally:
            for hook in hooks:
                hook.remove()
    return ran[-1] if ran else None
