"""The sixteen layers of VGG-Face, by Oxford's names, and what their tensors must look like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from whylight.errors import ModelError

Channels = Literal["bgr", "rgb"]

BLOCKS = (2, 2, 3, 3, 3)  # convolutions between one pooling and the next
CONVOLUTIONS = tuple(f"conv{block}_{i}" for block, count in enumerate(BLOCKS, 1) for i in range(1, count + 1))
DENSE = ("fc6", "fc7", "fc8")
LAYERS = CONVOLUTIONS + DENSE
GRID = 7  # cells along a side of what the first dense layer sees, from a picture of 224 pixels

_NAME = re.compile(r"(?:^|[./])(?:(conv)_?([1-5]_[1-3])|(fc)_?([678]))(?:$|[./_])")


def layer_name(name: str) -> str | None:
    """Oxford's name of a layer from somebody's: `features.conv_1_1` → `conv1_1`; None where it is another one.

    >>> layer_name("features.conv_1_1"), layer_name("fc_6"), layer_name("conv2d_1")
    ('conv1_1', 'fc6', None)
    """
    found = _NAME.search(name)
    known = "".join(part for part in found.groups() if part) if found else None
    return known if known in LAYERS else None


def by_name_or_order(path: Path, layers: Sequence[tuple[str, Tensor, Tensor]]) -> dict[str, tuple[Tensor, Tensor]]:
    """Give the layers of a file Oxford's names: by theirs, or where these say nothing, by their order.

    Args:
        path: the file, for messages.
        layers: (name, weight, bias) of each layer that has weights, from the first to the last.

    Raises:
        ModelError: if they are not VGG-Face's sixteen.
    """
    named = {known: (weight, bias) for name, weight, bias in layers if (known := layer_name(name))}
    if not named and len(layers) == len(LAYERS):
        return {known: (weight, bias) for known, (_, weight, bias) in zip(LAYERS, layers, strict=True)}
    missing = [name for name in LAYERS if name not in named]
    if missing == list(DENSE):
        raise ModelError(
            f"{path}: it lacks {', '.join(DENSE)}: weights without the classifier (“notop”) cannot tell identities. "
            "Take the file that has it"
        )
    if missing:
        have = ", ".join(name for name, *_ in layers[:6]) or "none"
        raise ModelError(
            f"{path}: not the layers of VGG-Face: {len(layers)} have weights ({have}{', …' if len(layers) > 6 else ''}), "
            f"and of the {len(LAYERS)} wanted are missing {', '.join(missing[:4])}{', …' if len(missing) > 4 else ''}"
        )
    return named


def oxford(path: Path, layers: Mapping[str, tuple[Tensor, Tensor]], channels: Channels) -> dict[str, Tensor]:
    """Bring the layers to one form, and check that each takes what the one before gives.

    Args:
        path: the file, for messages.
        layers: by Oxford's names, (weight, bias) in PyTorch's order: convolutions (out, in, 3, 3), or flat; dense layers
            (out, in), or as convolutions over the whole grid.
        channels: the order in which the first layer of the file takes the colours.

    Returns:
        float32 tensors, the first layer in the order blue, green, red.

    Raises:
        ModelError: if a shape is another than VGG-Face's would be, or a number is not finite.
    """
    tensors: dict[str, Tensor] = {}
    inputs = 3
    for name in LAYERS:
        weight, bias = layers[name]
        side = 3 if name in CONVOLUTIONS else GRID if name == "fc6" else 1
        outputs = weight.shape[0] if weight.ndim else 0
        wanted = (outputs, inputs, 3, 3) if name in CONVOLUTIONS else (outputs, inputs * side**2)
        flat = (outputs, inputs * side**2)
        if outputs < 1 or tuple(weight.shape) not in (flat, (outputs, inputs, side, side)):
            grid = f" × {side} × {side}" if side > 1 else ""
            raise ModelError(
                f"{path}: {name}.weight has shape {tuple(weight.shape)}; VGG-Face needs (outputs, {inputs}{grid}) there. "
                "Are these the weights of another network, or is the file damaged?"
            )
        if bias.numel() != outputs:
            raise ModelError(
                f"{path}: {name}.bias has {bias.numel()} numbers, and {name}.weight {outputs} outputs; the file is damaged"
            )
        tensors[f"{name}.weight"] = _plain(path, f"{name}.weight", weight).reshape(wanted).contiguous()
        tensors[f"{name}.bias"] = _plain(path, f"{name}.bias", bias).reshape(-1).contiguous()
        inputs = outputs
    if channels == "rgb":
        tensors[f"{LAYERS[0]}.weight"] = tensors[f"{LAYERS[0]}.weight"].flip(1)
    return tensors


def _plain(path: Path, key: str, value: Tensor) -> Tensor:
    """The numbers as float32, if they are all there: a tensor may also be a few numbers that are shown many times."""
    if value.layout != torch.strided or value.device.type != "cpu" or not value.is_floating_point():
        raise ModelError(f"{path}: {key} is {value.dtype} on {value.device.type}, not plain floating-point numbers")
    if value.untyped_storage().nbytes() < value.numel() * value.element_size():
        raise ModelError(f"{path}: {key} has shape {tuple(value.shape)} and fewer numbers; the file is damaged")
    value = value.detach().to(torch.float32)
    if not torch.isfinite(value).all():
        raise ModelError(f"{path}: {key} holds NaN or infinity; the file is damaged")
    return value
