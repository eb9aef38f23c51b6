"""Whether gradients are cut off on their way back, which would read as "no evidence"."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.errors import ModelError
from whylight.models.adapters.logits import name_of
from whylight.models.model import Model

_INSTEAD = "eigencam, scorecam, rise and occlusion need none"


def reaching(gradient: Tensor, model: Model, layer: str | None) -> Tensor:
    """The gradient itself; where it is zero everywhere, only if gradients can come back at all (`check_gradients`)."""
    if not bool(gradient.any()):
        check_gradients(model, layer)
    return gradient


def check_gradients(model: Model, layer: str | None) -> None:
    """Complain where the logits depend on a layer, or on the input, and yet no gradient comes back to it.

    Asked where a gradient is zero everywhere: on a picture that shows nothing that is an answer, on any input it is not.

    Args:
        model: the classifier, looked at after the layer.
        layer: what to call that layer; None: the input is meant.

    Raises:
        ModelError: if gradients are cut off.
    """
    x = torch.randn((1, model.bands, *model.preprocessing.size), generator=torch.Generator().manual_seed(1))
    x = model.prepare(x)
    with model.borrow():
        if layer is None:
            with torch.enable_grad():
                start = x.clone().requires_grad_()
                logits = model.module(start)
            after = _without_gradient(model.module, -3 * x)
        else:
            start, logits, context = model.split.look(x)
            with torch.no_grad():
                after = model.split.decode(10 * start.detach(), context)
        passes = logits.requires_grad
        if passes:
            weights = torch.linspace(1, 2, logits.shape[1], device=logits.device, dtype=logits.dtype)
            (gradient,) = torch.autograd.grad((logits @ weights).sum(), start, allow_unused=True)
            passes = gradient is not None and bool(gradient.any())
    if passes or torch.equal(logits.detach(), after):
        return
    where = "the input" if layer is None else f"layer {layer!r}"
    raise ModelError(
        f"no gradient reaches {where} of {name_of(model.module)}, although its logits depend on it: something behind it "
        f"cuts gradients off (detach, no_grad, rounding, NumPy, quantised layers). Methods without gradients work: {_INSTEAD}"
    )


def _without_gradient(module: torch.nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        found: Tensor = module(x)
    return found
