"""Torch7's binary files, such as Oxford's `VGG_FACE.t7`: numbers, strings, tables, tensors and plain layers; nothing else is read.

The format: each object is an int32 tag and what belongs to it. Tables, tensors and layers carry a number first, so that they can be
named again; a tensor is its sizes, strides, offset and a storage; a layer is the name of its class and a table of its fields.
Functions (byte code of Lua) and classes not listed here are refused at their tag, before anything of them is read.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from whylight.errors import ModelError
from whylight.faces.weightfiles.oxford import Channels, by_name_or_order, oxford

NIL, NUMBER, STRING, TABLE, OBJECT, BOOLEAN, FUNCTION = 0, 1, 2, 3, 4, 5, 6
_FUNCTIONS = (FUNCTION, 7, 8)  # the last two: functions with what they close over, as older and newer Torch7 write them

_NUMBERS = {"Float": "<f4", "Double": "<f8", "Half": "<f2", "Cuda": "<f4", "CudaDouble": "<f8", "CudaHalf": "<f2"}
_NUMBERS |= {"Byte": "u1", "Char": "i1", "Short": "<i2", "Int": "<i4", "Long": "<i8"}

_LAYERS = frozenset(
    f"{package}.{name}"
    for package in ("nn", "cudnn", "inn")
    for name in (
        *("Sequential", "SpatialConvolution", "SpatialConvolutionMM", "SpatialMaxPooling", "SpatialZeroPadding"),
        *("ReLU", "Threshold", "View", "Reshape", "Linear", "Dropout", "SoftMax", "SpatialSoftMax", "LogSoftMax"),
        *("Identity", "Copy"),
    )
)

_DEEPEST = 40  # a network in a network in a table …: real files go to about eight
_LONGEST = 4096  # bytes of a name
_MOST = 100_000  # objects: a network of forty layers has some two thousand, and each takes memory


@dataclass(frozen=True)
class _Storage:
    """Where numbers lie in the file; they are not touched before a layer needs them."""

    kind: str
    start: int
    count: int


@dataclass(frozen=True)
class _View:
    """A tensor: a view of a storage."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int
    storage: _Storage | None


@dataclass
class _Layer:
    """An object of one of `_LAYERS`."""

    kind: str
    fields: dict[object, object] = field(default_factory=dict)


def read(path: Path, channels: Channels | None = None) -> dict[str, Tensor]:
    """Read a network of Torch7; by default its first layer takes blue, green, red.

    Raises:
        ModelError: if it holds a function or a class that is not listed (nothing of that is read), is damaged, or is not VGG-Face.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        reader = _Reader(path, content)
        network = reader.anything()
        if not isinstance(network, _Layer):
            raise ModelError(f"{path}: holds no network (nn.Sequential), but {_what(network)}")
        layers = [(f"{layer.kind} {i}", *reader.weights(layer)) for i, layer in enumerate(reader.weighted(network), 1)]
        return oxford(path, by_name_or_order(path, layers), channels or "bgr")


class _Reader:
    """Reads one file from its start to its end."""

    def __init__(self, path: Path, content: mmap.mmap) -> None:
        self.path = path
        self.content = content
        self.at = 0
        self.known: dict[int, object] = {}
        self.count = 0

    def anything(self, depth: int = 0) -> object:
        """Read the next object: None, float, str, bool, dict, `_Layer`, `_View` or `_Storage`."""
        self.count += 1
        if depth > _DEEPEST or self.count > _MOST:
            raise self.error(
                "its tables lie too deep in each other" if depth > _DEEPEST else f"more than {_MOST} objects"
            )
        tag = self.int32()
        if tag == NIL:
            return None
        if tag == NUMBER:
            return self.unpack("<d")
        if tag == STRING:
            return self.text()
        if tag == BOOLEAN:
            return self.int32() != 0
        if tag in _FUNCTIONS:
            raise ModelError(
                f"{self.path}: refused: at byte {self.at - 4} begins a function, which could run code; it was not read. "
                "Take the weights as .caffemodel or .pth"
            )
        if tag not in (TABLE, OBJECT):
            raise self.error(f"an object has tag {tag}, which does not exist")
        index = self.int32()
        if index in self.known:
            return self.known[index]
        if tag == TABLE:
            table: dict[object, object] = {}
            self.known[index] = table  # before its content, which may name it
            self.fill(table, depth)
            return table
        made = self.instance(index, depth)
        self.known[index] = made
        return made

    def instance(self, index: int, depth: int) -> object:
        """An object of a class: a version, the class's name, and its content."""
        name = self.text()
        if name.startswith("V "):
            name = self.text()  # files before versions were written have the name at once
        package, _, kind = name.partition(".")
        if package == "torch" and kind.endswith("Tensor") and kind.removesuffix("Tensor") in _NUMBERS:
            return self.view(depth)
        if package == "torch" and kind.endswith("Storage") and kind.removesuffix("Storage") in _NUMBERS:
            return self.storage(kind.removesuffix("Storage"))
        if name not in _LAYERS:
            raise ModelError(
                f"{self.path}: refused: at byte {self.at} begins an object of class {name!r}, which VGG-Face does not need; "
                "it was not read"
            )
        layer = _Layer(name)
        self.known[index] = layer
        if self.int32() != TABLE:
            raise self.error(f"the fields of a {name} are no table")
        self.known[self.int32()] = layer.fields
        self.fill(layer.fields, depth + 1)
        return layer

    def fill(self, table: dict[object, object], depth: int) -> None:
        count = self.int32()
        if not 0 <= count <= (len(self.content) - self.at) // 8:  # a key and a value are two tags at least
            raise self.error(f"a table has {count} entries, more than the file can hold")
        for _ in range(count):
            key, value = self.anything(depth + 1), self.anything(depth + 1)
            if not isinstance(key, (str, float, bool)):
                raise self.error(f"the key of a table is {_what(key)}")
            table[key] = value

    def view(self, depth: int) -> _View:
        dimensions = self.int32()
        if not 0 <= dimensions <= 8:
            raise self.error(f"a tensor has {dimensions} dimensions")
        sizes = tuple(self.int64() for _ in range(dimensions))
        strides = tuple(self.int64() for _ in range(dimensions))
        offset = self.int64() - 1
        storage = self.anything(depth + 1)
        if storage is not None and not isinstance(storage, _Storage):
            raise self.error(f"the storage of a tensor is {_what(storage)}")
        return _View(sizes, strides, offset, storage)

    def storage(self, kind: str) -> _Storage:
        count = self.int64()
        width = np.dtype(_NUMBERS[kind]).itemsize
        if not 0 <= count * width <= len(self.content) - self.at:
            raise self.error(
                f"a storage of {count} numbers does not fit into the rest of the file; it is damaged or cut off"
            )
        made = _Storage(kind, self.at, count)
        self.at += count * width
        return made

    def weighted(self, network: _Layer) -> Iterator[_Layer]:
        """The layers that have weights, from the first to the last."""
        todo, seen = [network], set[int]()
        while todo:
            layer = todo.pop()
            if id(layer) in seen:
                raise ModelError(f"{self.path}: a {layer.kind} is part of the network twice, or of itself")
            seen.add(id(layer))
            parts = layer.fields.get("modules")
            if isinstance(parts, dict):
                order = [parts.get(float(i)) for i in range(1, len(parts) + 1)]
                if not all(isinstance(part, _Layer) for part in order):
                    raise ModelError(f"{self.path}: the parts of a {layer.kind} are not all layers, numbered from 1")
                todo += [part for part in reversed(order) if isinstance(part, _Layer)]
            elif isinstance(layer.fields.get("weight"), _View):
                yield layer

    def weights(self, layer: _Layer) -> tuple[Tensor, Tensor]:
        """The weight of a layer, a convolution's as (out, in, height, width), and its bias."""
        weight, bias = self.tensor(layer, "weight"), self.tensor(layer, "bias")
        if "Convolution" in layer.kind:
            shape = [layer.fields.get(name) for name in ("nOutputPlane", "nInputPlane", "kH", "kW")]
            whole = [int(size) for size in shape if isinstance(size, float) and size.is_integer()]
            if len(whole) != 4 or math.prod(whole) != weight.numel():
                raise ModelError(
                    f"{self.path}: a {layer.kind} says that it has {shape} filters, and its weight is {tuple(weight.shape)}"
                )
            weight = weight.reshape(whole)  # SpatialConvolutionMM keeps it as (out, in·height·width)
        return weight, bias

    def tensor(self, layer: _Layer, name: str) -> Tensor:
        view = layer.fields.get(name)
        if not isinstance(view, _View) or view.storage is None or not view.sizes:
            raise ModelError(f"{self.path}: a {layer.kind} has no {name}")
        storage = view.storage
        last = view.offset + sum((size - 1) * stride for size, stride in zip(view.sizes, view.strides, strict=True))
        if (
            min(view.sizes) < 1
            or min(view.strides) < 0
            or view.offset < 0
            or last >= storage.count
            or math.prod(view.sizes) > storage.count
        ):
            raise ModelError(
                f"{self.path}: the {name} of a {layer.kind}, {view.sizes}, reaches past its {storage.count} numbers; "
                "the file is damaged"
            )
        form = np.dtype(_NUMBERS[storage.kind])
        start = storage.start + view.offset * form.itemsize
        numbers = np.frombuffer(self.content, form, last + 1 - view.offset, start)
        # A copy: the file is closed before the tensor is used.
        return torch.from_numpy(numbers.copy()).as_strided(view.sizes, view.strides)

    def int32(self) -> int:
        return int(self.unpack("<i"))

    def int64(self) -> int:
        return int(self.unpack("<q"))

    def text(self) -> str:
        length = self.int32()
        if not 0 <= length <= min(_LONGEST, len(self.content) - self.at):
            raise self.error(f"a string has {length} bytes")
        self.at += length
        return self.content[self.at - length : self.at].decode("latin-1")

    def unpack(self, form: str) -> float:
        end = self.at + struct.calcsize(form)
        if end > len(self.content):
            raise self.error("it ends in the middle of an object: cut off, or damaged")
        (value,) = struct.unpack_from(form, self.content, self.at)
        self.at = end
        return value  # type: ignore[no-any-return]

    def error(self, what: str) -> ModelError:
        return ModelError(f"{self.path}: not a Torch7 file that can be read: {what} (byte {self.at})")


def _what(made: object) -> str:
    return f"a {made.kind}" if isinstance(made, (_Layer, _Storage)) else f"a {type(made).__name__}"
