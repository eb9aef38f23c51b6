"""A copy of a network whose weights are random from the top down: what an explanation of it shows was not learned.

Each tensor of weights keeps its numbers and gets them in another order. That fits any architecture, where drawing anew would
need each layer's own recipe. A network whose weights were only shuffled can fade or overflow within some ten layers, so each
convolution and linear layer is scaled to give the spread it gave before, and each batch norm takes the statistics of what
reaches it; both on a few fixed inputs of coloured noise, so that no picture has a part in it.

Source: Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, Sanity Checks for Saliency Maps, NeurIPS 2018 (cascading
randomisation; there, weights are drawn anew).
"""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from whylight.errors import ModelError
from whylight.models.model import Model

# What copy.deepcopy raises on networks that hold what cannot be copied.
_UNCOPYABLE = (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError, copy.Error)
_SCALED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
_INPUTS = 4  # pictures of noise on which layers are scaled
_CELLS = 14  # coarse cells along each side of that noise


def layers_with_weights(model: Model) -> list[str]:
    """Names of the parts that hold weights of their own, the last to run first; "" is the network itself.

    A part that never runs as one, as attention's output projection in PyTorch's own attention, stands with the part around it.
    """
    started: dict[str, int] = {}

    def note(name: str, part: nn.Module, inputs: Any) -> None:
        started.setdefault(name, len(started))

    parts = dict(model.module.named_modules())
    with model.borrow(), torch.no_grad(), ExitStack() as hooks:
        for name, part in parts.items():
            hooks.enter_context(part.register_forward_pre_hook(partial(note, name)))
        model.module(_noise(model)[:1])
    holders = [
        name for name, part in parts.items() if any(p is not None and p.numel() > 1 for p in part._parameters.values())
    ]
    # Stable, so those that share a place keep the order of their names; all of it turned round.
    return sorted(holders, key=lambda name: _place(name, started))[::-1]


def stages(model: Model, count: int = 6) -> list[list[str]]:
    """What to randomise, stage by stage: the last layer alone, then ever more from the top down, in the end everything.

    Each stage holds the names of all layers that are random in it. There are fewer stages than `count` where there are fewer
    layers.
    """
    names = layers_with_weights(model)
    if not names:
        raise ModelError(f"{type(model.module).__name__} has no weights to randomise")
    rest = len(names) - 1
    ends = {1, *(1 + math.ceil(rest * i / (count - 1)) for i in range(1, count))} if count > 1 else {len(names)}
    return [names[:end] for end in sorted(ends)]


def randomised(model: Model, layers: Sequence[str] | None = None, seed: int = 0) -> Model:
    """A model of its own with random weights in some layers; the given one is left as it is.

    Args:
        model: the model.
        layers: names of the parts to randomise, see `stages`; default: all.
        seed: decides the order that weights get; of one seed, a layer's is the same however many others are random.

    Raises:
        ModelError: if the network cannot be copied, or has no weights.
    """
    names = layers_with_weights(model) if layers is None else list(layers)
    if not names:
        raise ModelError(f"{type(model.module).__name__} has no weights to randomise")
    x = _noise(model)
    with model.borrow():
        try:
            module = copy.deepcopy(model.module)
        except _UNCOPYABLE as error:
            raise ModelError(
                f"{type(model.module).__name__} cannot be copied ({str(error).splitlines()[0]}), and yours stays as it is: "
                "its weights cannot be randomised"
            ) from error
    for part in module.modules():  # not .eval(), which people override to do more
        part.training = False
    with torch.no_grad():
        spreads = _spreads(module, names, x)
        for name in names:
            _shuffle(module.get_submodule(name), zlib.crc32(f"{seed}/{name}".encode()))
        _scale(module, names, spreads, x)
    layer = model.layer if model.layer in dict(module.named_modules()) else None  # else it is found as it was before
    return Model(
        module, classes=model.classes, preprocessing=model.preprocessing, layer=layer, multilabel=model.multilabel
    )


def _place(name: str, started: dict[str, int]) -> int:
    while name not in started and name:
        name = name.rpartition(".")[0]
    return started.get(name, 0)


def _noise(model: Model) -> Tensor:
    """Inputs with the coarse structure that pictures have: (_INPUTS, 3, H, W), prepared."""
    dice = torch.Generator().manual_seed(0)
    coarse = torch.randn((_INPUTS, model.bands, _CELLS, _CELLS), generator=dice)
    fine = torch.randn((_INPUTS, model.bands, *model.preprocessing.size), generator=dice)
    wide = nn.functional.interpolate(coarse, size=model.preprocessing.size, mode="bilinear", align_corners=False)
    return model.prepare(wide + 0.3 * fine)


def _shuffle(part: nn.Module, seed: int) -> None:
    """Put the numbers of each tensor of weights of one part, without its children, into another order."""
    dice = torch.Generator().manual_seed(seed)
    for parameter in part._parameters.values():
        if parameter is not None:
            order = torch.randperm(parameter.numel(), generator=dice).to(parameter.device)
            parameter.copy_(parameter.detach().flatten()[order].reshape(parameter.shape))


def _spreads(module: nn.Module, names: Sequence[str], x: Tensor) -> dict[str, float]:
    """The standard deviation of what each layer gives."""
    found: dict[str, float] = {}

    def note(name: str, part: nn.Module, inputs: Any, output: Tensor) -> None:
        found[name] = float(output.float().std())

    with ExitStack() as hooks:
        for name, part in _of(module, names, _SCALED):
            hooks.enter_context(part.register_forward_hook(partial(note, name)))
        module(x)
    return found


def _scale(module: nn.Module, names: Sequence[str], spreads: dict[str, float], x: Tensor) -> None:
    """Give layers the spread they had, and batch norms the statistics of what reaches them, all in one forward."""

    def scale(name: str, part: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        now = float(output.float().std())
        factor = spreads.get(name, now) / now if now > 0 and math.isfinite(now) else 1.0
        for parameter in part._parameters.values():
            if parameter is not None:
                parameter.mul_(factor)
        return output * factor

    def centre(part: nn.Module, inputs: Any) -> None:
        assert isinstance(part, _BatchNorm)
        if part.running_mean is not None and part.running_var is not None:
            given = inputs[0].float().transpose(0, 1).flatten(1)  # (K, …)
            part.running_mean.copy_(given.mean(1))
            part.running_var.copy_(given.var(1).clamp(min=1e-6))

    with ExitStack() as hooks:
        for name, part in _of(module, names, _SCALED):
            hooks.enter_context(part.register_forward_hook(partial(scale, name)))
        for _, part in _of(module, names, (_BatchNorm,)):
            hooks.enter_context(part.register_forward_pre_hook(centre))
        module(x)


def _of(module: nn.Module, names: Sequence[str], kinds: tuple[type[nn.Module], ...]) -> list[tuple[str, nn.Module]]:
    parts = [(name, module.get_submodule(name)) for name in names]
    return [(name, part) for name, part in parts if isinstance(part, kinds)]
