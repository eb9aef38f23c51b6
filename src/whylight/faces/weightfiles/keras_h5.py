"""Keras' weights in HDF5, whole models and weights alone: the arrays, and none of the code that a model file may bring.

Keras keeps convolutions as (height, width, in, out) and dense layers as (in, out). A dense layer behind a Flatten of channels-last
activations reads them as (height, width, channel), where PyTorch has (channel, height, width). In circulation the classifier of
VGG-Face is written as dense layers or as convolutions of 7 × 7 and 1 × 1; both are read. Links to other files and arrays stored
outside are refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from whylight.errors import ModelError
from whylight.faces.weightfiles.oxford import CONVOLUTIONS, GRID, Channels, by_name_or_order, oxford

_MOST = 2**28  # numbers in one array; the largest of VGG-16 has 103 million. HDF5 may claim any shape for a few bytes
_DENSEST = 64  # bytes that one byte of the file may unpack to; trained weights hardly shrink at all


def read(path: Path, channels: Channels | None = None) -> dict[str, Tensor]:
    """Read Keras' weights; by default the first layer takes blue, green, red.

    Raises:
        ModelError: if h5py is not installed, the file is damaged, refers to other files, or is not VGG-Face's.
    """
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise ModelError(f"{path}: Keras' files need h5py: pip install 'whylight[face]'") from error
    try:
        with h5py.File(path, "r") as file:
            found = list(_layers(path, file))
            config, theano = _attribute(file, "model_config"), _is_theano(file)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{path}: damaged, or not Keras' weights: {error}") from error
    layers = by_name_or_order(path, found)
    outputs_first = _outputs_first(path, layers["conv1_1"][0])
    if outputs_first and theano is None:
        raise ModelError(
            f"{path}: its kernels are (out, in, height, width), as the first Keras wrote them, and it does not say whether for "
            "Theano, which turns them by 180°. Load it in Keras and save it again, or take the weights in another form"
        )
    channels_last = _channels_last(path, config) if config else not outputs_first
    width = layers["conv5_3"][1].numel()
    converted = {}
    for name, (weight, bias) in layers.items():
        if weight.ndim == 4:
            # (height, width, in, out) → (out, in, height, width)
            kernel = weight if outputs_first else weight.permute(3, 2, 0, 1)
            converted[name] = kernel.flip(2, 3) if outputs_first and theano else kernel, bias
        elif weight.ndim == 2 and name not in CONVOLUTIONS:
            converted[name] = _dense(weight, width if name == "fc6" and channels_last else None), bias
        else:
            raise ModelError(f"{path}: {name} has a kernel of shape {tuple(weight.shape)}, which VGG-Face has not")
    return oxford(path, converted, channels or "bgr")


def _dense(weight: Tensor, width: int | None) -> Tensor:
    """A dense layer's (in, out) as (out, in); behind a channels-last grid of `width` channels, its inputs channel by channel."""
    weight = weight.T
    if width is None or weight.shape[1] != GRID * GRID * width:
        return weight
    return weight.reshape(-1, GRID, GRID, width).permute(0, 3, 1, 2).reshape(len(weight), -1)


def _outputs_first(path: Path, kernel: Tensor) -> bool:
    shape = tuple(kernel.shape)
    if len(shape) == 4 and shape[:3] == (3, 3, 3):
        return False
    if len(shape) == 4 and shape[1:] == (3, 3, 3):
        return True
    raise ModelError(f"{path}: the first convolution has a kernel of shape {shape}, where VGG-Face has (3, 3, 3, 64)")


def _is_theano(file: Any) -> bool | None:
    """Whether Theano trained it, whose convolutions turn their kernels; None where the file does not say."""
    backend = _attribute(file, "backend") or _attribute(file.get("model_weights", {}), "backend")
    return None if backend is None else backend == "theano"


def _channels_last(path: Path, config: str) -> bool:
    """Whether the model's activations are channels-last, by what its description says; Keras' default where it says nothing."""
    try:
        described = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: its description of the model is damaged: {error}") from error
    todo = [described]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            if part.get("data_format") == "channels_first" or part.get("dim_ordering") == "th":
                return False
            todo += part.values()
        elif isinstance(part, list):
            todo += part
    return True


def _layers(path: Path, file: Any) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, kernel, bias) of each layer that has both, in the model's order."""
    import h5py

    root = _member(path, file, "model_weights") if "model_weights" in file else file
    if not isinstance(root, h5py.Group):
        raise ModelError(f"{path}: its model_weights are no group")
    if "layer_names" not in root.attrs and "layer_names0" not in root.attrs and "layers" in root:
        yield from _newer(path, _member(path, root, "layers"))
        return
    for name in _names(root, "layer_names") or sorted(root, key=_natural):
        group = _member(path, root, name)
        if not isinstance(group, h5py.Group):
            continue
        inside = _names(group, "weight_names")
        arrays = [_array(path, _member(path, group, inner)) for inner in inside]
        if len(arrays) == 2:
            # The kernel first: so Keras writes them. By number of dimensions where a file is older than that.
            kernel, bias = sorted(arrays, key=lambda array: -array.ndim)
            yield name, kernel, bias


def _newer(path: Path, layers: Any) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The form of Keras 3 (.weights.h5): layers/conv2d_1/vars/0, where convolutions and dense layers are counted each."""
    for name in sorted(layers, key=lambda name: (name.startswith("dense"), *_natural(name))):
        group = _member(path, layers, name)
        if "vars" in group and {"0", "1"} <= set(group["vars"]):
            yield (name, *(_array(path, _member(path, group, f"vars/{i}")) for i in "01"))


def _natural(name: str) -> tuple[object, ...]:
    return tuple(int(part) if part.isdigit() else -1 for part in re.findall(r"\d+", name)) or (-1,)


def _names(group: Any, attribute: str) -> list[str]:
    """A list of names among a group's attributes; long ones are cut into attribute0, attribute1, …."""
    parts = [group.attrs[attribute]] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{attribute}{len(parts)}"])
    return [_text(name) for part in parts for name in part]


def _member(path: Path, group: Any, name: str) -> Any:
    """What lies under a name, refusing links that lead elsewhere on the way."""
    import h5py

    at = group
    for step in name.split("/"):
        if step in ("", ".", ".."):
            raise ModelError(f"{path}: holds a weight called {name!r}")
        link = at.get(step, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise ModelError(f"{path}: {name} is a link (to another file, perhaps) or missing; it was not followed")
        at = at[step]
    return at


def _array(path: Path, data: Any) -> Tensor:
    import h5py

    if not isinstance(data, h5py.Dataset) or data.dtype.kind != "f" or data.dtype.itemsize > 8:
        raise ModelError(f"{path}: {data.name} holds no floating-point numbers")
    if data.external or data.is_virtual:
        raise ModelError(f"{path}: the numbers of {data.name} lie in another file; it was not opened")
    if not 1 <= data.ndim <= 4 or math.prod(data.shape) > _MOST:
        raise ModelError(f"{path}: {data.name} has shape {data.shape}, which VGG-Face has not")
    stored = data.id.get_storage_size()
    if data.nbytes > _DENSEST * stored + 2**20:
        raise ModelError(f"{path}: {data.name} unpacks to {data.nbytes} bytes from {stored}; the file is damaged")
    numbers: np.ndarray[Any, Any] = data[()]
    return torch.from_numpy(np.ascontiguousarray(numbers, dtype=np.float32))


def _attribute(group: Any, name: str) -> str | None:
    return _text(group.attrs[name]) if hasattr(group, "attrs") and name in group.attrs else None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
