"""Which layers a network can be looked at, and several of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from whylight.models.eval_mode import borrowed
from whylight.models.model import Model
from whylight.models.split.cut import leaf_of, logits_of
from whylight.models.split.find import layout_in
from whylight.models.split.stream import is_stream


def spatial_layers(model: Model, deepest: int = 2) -> dict[str, tuple[int, int, int]]:
    """The layers with a grid of places, in the order in which they run: dotted name → (K, h, w), however it is laid out.

    Args:
        model: the classifier.
        deepest: how many parts a name may have; 2 shows blocks, and not what is inside them.

    >>> import whylight
    >>> spatial_layers(whylight.load("test_vit", pretrained=False))["blocks.0"]
    (64, 10, 10)
    """
    size = model.preprocessing.size
    found: dict[str, tuple[int, int, int]] = {}

    tokens: dict[str, tuple[nn.Module, Any, Any]] = {}  # layers of tokens, with what they are called with

    def note(name: str, part: nn.Module, given: Any, named: Any, output: Any) -> None:
        if not isinstance(output, Tensor) or output.ndim not in (3, 4):
            return
        layout = layout_in(output, model.module, size)
        if layout is not None:
            _, channels, h, w = layout.to_grid(output, size).shape
            found[name] = (channels, h, w)
            if output.ndim == 3:
                tokens[name] = part, given, named

    x = torch.zeros((1, model.bands, *size), device=model.device, dtype=model.dtype)
    with borrowed(model.module), torch.no_grad(), ExitStack() as hooks:
        for name, part in model.module.named_modules():
            if name and name.count(".") < deepest:
                hooks.enter_context(part.register_forward_hook(partial(note, name), with_kwargs=True))
        model.module(x)
        hooks.close()
        within = {name for name, called in tokens.items() if not is_stream(*called)}
    return {name: shape for name, shape in found.items() if name not in within}


def stages(model: Model) -> tuple[str, ...]:
    """The widest layer of each size of grid, from the finest to that of the split; of equally wide ones the last.

    Activations behind a rectifier are widest in most networks (in MobileNets, whose blocks end in a narrow layer without one,
    by six times): they say what is there, and not what is missing.

    Args:
        model: the classifier. Where all its grids are of one size, as in most transformers, there is one stage.

    >>> import whylight
    >>> stages(whylight.load("resnet18", pretrained=False))[-3:]
    ('layer2', 'layer3', 'layer4')
    """
    widest: dict[tuple[int, int], tuple[int, str]] = {}
    last = ""
    for name, (channels, h, w) in spatial_layers(model, deepest=4).items():
        if h * w > model.grid[0] * model.grid[1] and channels >= widest.get((h, w), (0, ""))[0]:
            widest[h, w] = channels, name
        elif (h, w) == model.grid and name.count(".") < 2:
            last = name
    # A split between two methods of the network has no layer's name.
    end = model.layer if model.layer in dict(model.module.named_modules()) else last
    return (*(name for _, (_, name) in sorted(widest.items(), key=lambda one: -one[0][0] * one[0][1])), end)


def look_at_layers(module: nn.Module, layers: Sequence[str], x: Tensor) -> tuple[dict[str, Tensor], Tensor] | None:
    """Run a network once and catch what several of its layers give, on the logits' graph.

    Autograd records from the first of the layers on, and not before.

    Args:
        module: the network, in evaluation mode.
        layers: dotted names of submodules.
        x: (N, 3, H, W).

    Returns:
        The raw activations by layer, and the logits (N, C) that hang on them; None where a layer gives no single tensor, runs
        not just once, or lies behind no other's graph, so that the layers have to be looked at one by one.
    """
    caught: dict[str, Tensor] = {}
    plain = True

    def catch(name: str, part: nn.Module, inputs: Any, output: Any) -> Tensor | None:
        nonlocal plain
        plain = plain and isinstance(output, Tensor) and name not in caught
        if not plain:
            return None
        torch.set_grad_enabled(True)
        caught[name] = output if output.requires_grad else leaf_of(output.clone())
        return caught[name].clone()  # an in-place operation behind the layer has its way with a copy

    with torch.no_grad(), ExitStack() as hooks:
        for name in layers:
            hooks.enter_context(module.get_submodule(name).register_forward_hook(partial(catch, name)))
        logits = logits_of(module(x))
    return (caught, logits) if plain and len(caught) == len(layers) else None
