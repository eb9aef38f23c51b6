"""Caffe's weights, such as Oxford's `VGG_FACE.caffemodel`: the few fields of its protocol buffer that hold names and numbers.

    NetParameter:     2 = layers (V1), 100 = layer (V2)
    V1LayerParameter: 4 = name, 6 = blobs        LayerParameter: 1 = name, 7 = blobs
    BlobProto:        1, 2, 3, 4 = num, channels, height, width (older); 7 = shape; 5 = data (float32), 8 = double_data
    BlobShape:        1 = dim

A protocol buffer is a row of fields: a number with the kind of value, then the value, of which only whole numbers and byte strings
of a given length matter here. All lengths are checked against the bytes that are there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whylight.errors import ModelError
from whylight.faces.weightfiles.oxford import Channels, by_name_or_order, layer_name, oxford

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

_MOST = 1000  # layers with weights: VGG-Face has 16, and each takes memory
_LAYERS = {2: (4, 6), 100: (1, 7)}  # field of the network: the layer's fields for its name and blobs


@dataclass
class _Blob:
    """A tensor of Caffe's."""

    legacy: dict[int, int] = field(default_factory=dict)
    shape: list[int] = field(default_factory=list)
    floats: list[memoryview] = field(default_factory=list)
    doubles: list[memoryview] = field(default_factory=list)


def read(path: Path, channels: Channels | None = None) -> dict[str, Tensor]:
    """Read a network of Caffe; by default its first layer takes blue, green, red.

    Raises:
        ModelError: if it is damaged, or not VGG-Face.
    """
    content = memoryview(np.memmap(path, np.uint8, "r"))  # type: ignore[arg-type]
    layers: list[tuple[str, Tensor, Tensor]] = []
    for number, kind, value in _fields(path, content):
        if number not in _LAYERS or kind != BYTES or not isinstance(value, memoryview):
            continue
        name, blobs = _layer(path, value, *_LAYERS[number])
        if len(blobs) >= 2:
            layers.append((name, _tensor(path, name, blobs[0]), _tensor(path, name, blobs[1])))
            if len(layers) > _MOST:
                raise ModelError(f"{path}: more than {_MOST} layers have weights, where VGG-Face has 16")
        elif blobs and layer_name(name):
            raise ModelError(f"{path}: layer {name!r} has weights but no bias")
    if not layers:
        raise ModelError(f"{path}: not a .caffemodel with weights: no layer in it has any")
    return oxford(path, by_name_or_order(path, layers), channels or "bgr")


def _layer(path: Path, layer: memoryview, name_field: int, blobs_field: int) -> tuple[str, list[_Blob]]:
    name, blobs = "", []
    for number, kind, value in _fields(path, layer):
        if kind == BYTES and isinstance(value, memoryview):
            if number == name_field:
                name = bytes(value[:256]).decode("utf-8", "replace")
            elif number == blobs_field:
                blobs.append(_blob(path, value))
    return name, blobs


def _blob(path: Path, content: memoryview) -> _Blob:
    blob = _Blob()
    for number, kind, value in _fields(path, content):
        if number in (5, 8) and kind in (FIXED32, FIXED64):
            raise ModelError(f"{path}: its numbers are written one by one (not packed), which Caffe does not do")
        if kind == VARINT and isinstance(value, int) and number <= 4:
            blob.legacy[number] = value
        elif isinstance(value, memoryview):
            if number == 5:
                blob.floats.append(value)
            elif number == 8:
                blob.doubles.append(value)
            elif number == 7:
                blob.shape += _dimensions(path, value)
    return blob


def _dimensions(path: Path, shape: memoryview) -> Iterator[int]:
    for number, _, value in _fields(path, shape):
        if number != 1:
            continue
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            dimension, at = _varint(path, value, at)
            yield dimension


def _tensor(path: Path, name: str, blob: _Blob) -> Tensor:
    chunks, form = (blob.floats, "<f4") if blob.floats else (blob.doubles, "<f8")
    width = np.dtype(form).itemsize
    if any(len(chunk) % width for chunk in chunks):
        raise ModelError(f"{path}: layer {name!r} has a part of a number; the file is damaged")
    shape = blob.shape or [blob.legacy.get(i, 0) for i in (1, 2, 3, 4)]
    count = sum(len(chunk) for chunk in chunks) // width
    if not 1 <= len(shape) <= 8 or min(shape) < 1 or math.prod(shape) != count:
        raise ModelError(f"{path}: layer {name!r} has {count} numbers for a shape of {shape}; the file is damaged")
    while len(shape) > 1 and shape[0] == 1:  # the older form pads dense layers with ones: (1, 1, out, in)
        shape = shape[1:]
    arrays = [np.frombuffer(chunk, form) for chunk in chunks]
    whole = arrays[0].copy() if len(arrays) == 1 else np.concatenate(arrays)  # PyTorch wants memory that may be written
    return torch.from_numpy(whole).reshape(shape)


def _fields(path: Path, content: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """The fields of a message: (number, kind, value), the value of fixed sizes as bytes."""
    at = 0
    while at < len(content):
        key, at = _varint(path, content, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _varint(path, content, at)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, at = _varint(path, content, at)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise _damaged(path, f"field {number} is of kind {kind}")
        if number == 0 or length > len(content) - at:
            raise _damaged(path, f"field {number} has {length} bytes, of which {len(content) - at} are there")
        yield number, kind, content[at : at + length]
        at += length


def _varint(path: Path, content: memoryview, at: int) -> tuple[int, int]:
    """A whole number, seven bits in each byte, the lowest first; and where it ends."""
    value = 0
    for i in range(10):
        if at + i >= len(content):
            raise _damaged(path, "it ends in the middle of a number")
        value |= (content[at + i] & 0x7F) << (7 * i)
        if content[at + i] < 0x80:
            return value, at + i + 1
    raise _damaged(path, "a whole number has more than ten bytes")


def _damaged(path: Path, what: str) -> ModelError:
    return ModelError(f"{path}: not a .caffemodel that can be read: {what}; it is damaged or cut off")
