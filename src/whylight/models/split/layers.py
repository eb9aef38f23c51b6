"""Which layers a network can be looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from whylight.models.borrow import borrowed
from whylight.models.split.find import is_stream, layout_in

if TYPE_CHECKING:
    from whylight.models.model import Model


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

    def note(name: str) -> Any:
        def hook(part: nn.Module, given: Any, output: Any) -> None:
            if not isinstance(output, Tensor) or output.ndim not in (3, 4):
                return
            layout = layout_in(output, model.module, size)
            if layout is not None and (output.ndim == 4 or is_stream(part)):
                _, channels, h, w = layout.to_grid(output, size).shape
                found[name] = (channels, h, w)

        return hook

    x = torch.zeros((1, 3, *size), device=model.device, dtype=model.dtype)
    handles = []
    with borrowed(model.module), torch.no_grad():
        try:
            for name, part in model.module.named_modules():
                if name and name.count(".") < deepest:
                    handles.append(part.register_forward_hook(note(name)))
            model.module(x)
        finally:
            for handle in handles:
                handle.remove()
    return found


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
