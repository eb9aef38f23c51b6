"""Random VGG-Face weights, and writers of each form in which such weights circulate; none of our readers is used."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

CONVOLUTIONS = [f"conv{block}_{i}" for block, count in enumerate((2, 2, 3, 3, 3), 1) for i in range(1, count + 1)]
LAYERS = [*CONVOLUTIONS, "fc6", "fc7", "fc8"]

State = dict[str, Tensor]


def random_state(
    widths: Sequence[int] = (4, 5, 6, 7, 8), hidden: tuple[int, int] = (12, 10), classes: int = 6, seed: int = 0
) -> State:
    """Weights of a (narrow) VGG-Face by Oxford's names, the first layer in the order blue, green, red."""
    draw = torch.Generator().manual_seed(seed)
    outputs = [width for width, count in zip(widths, (2, 2, 3, 3, 3), strict=True) for _ in range(count)]
    outputs += [*hidden, classes]
    state: State = {}
    inputs = 3
    for name, count in zip(LAYERS, outputs, strict=True):
        shape = (count, inputs, 3, 3) if name in CONVOLUTIONS else (count, inputs * (49 if name == "fc6" else 1))
        fan_in = inputs * (9 if name in CONVOLUTIONS else 49 if name == "fc6" else 1)
        scale = 0.02 if name == "conv1_1" else 1  # pixels are in 0 … 255
        state[f"{name}.weight"] = torch.randn(shape, generator=draw) * (scale * (2 / fan_in) ** 0.5)
        state[f"{name}.bias"] = 0.1 * torch.randn(count, generator=draw)
        inputs = count
    return state


def as_rgb(state: Mapping[str, Tensor]) -> State:
    """The same network, whose first layer takes red, green, blue: as MatConvNet's networks do."""
    return {**state, "conv1_1.weight": state["conv1_1.weight"].flip(1)}


def write_pth(path: Path, state: Mapping[str, Tensor], *, legacy: bool = False) -> Path:
    """As vgg_face_dag.pth, which is in the older of PyTorch's two forms."""
    torch.save(dict(state), path, _use_new_zipfile_serialization=not legacy)
    return path


def write_safetensors(path: Path, state: Mapping[str, Tensor]) -> Path:
    """The same names as vgg_face_dag.pth."""
    safetensors.torch.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


class T7:
    """Writes Torch7's binary form, object by object, as its File.lua does."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.index = 0

    def int(self, value: int) -> None:
        self.parts.append(struct.pack("<i", value))

    def longs(self, *values: int) -> None:
        self.parts.append(struct.pack(f"<{len(values)}q", *values))

    def text(self, text: str) -> None:
        self.int(len(text))
        self.parts.append(text.encode())

    def reference(self, tag: int) -> None:
        self.index += 1
        self.int(tag)
        self.int(self.index)

    def klass(self, name: str) -> None:
        self.reference(4)
        self.text("V 1")
        self.text(name)

    def object(self, value: Any) -> None:
        if value is None:
            self.int(0)
        elif isinstance(value, bool):
            self.int(5)
            self.int(value)
        elif isinstance(value, (int, float)):
            self.int(1)
            self.parts.append(struct.pack("<d", value))
        elif isinstance(value, str):
            self.int(2)
            self.text(value)
        elif isinstance(value, Tensor):
            self.tensor(value)
        elif isinstance(value, Layer):
            self.klass(value.kind)
            self.table(value.fields)
        elif isinstance(value, LongStorage):
            self.klass("torch.LongStorage")
            self.longs(len(value.values), *value.values)
        else:
            self.table(dict(enumerate(value, 1)) if isinstance(value, list) else value)

    def table(self, table: Mapping[Any, Any]) -> None:
        self.reference(3)
        self.int(len(table))
        for key, value in table.items():
            self.object(key)
            self.object(value)

    def tensor(self, tensor: Tensor) -> None:
        kind = "Double" if tensor.dtype == torch.float64 else "Float"
        self.klass(f"torch.{kind}Tensor")
        self.int(tensor.ndim)
        self.longs(*tensor.shape)
        self.longs(*tensor.stride())
        self.longs(tensor.storage_offset() + 1)
        if tensor.ndim == 0:
            self.object(None)
            return
        self.klass(f"torch.{kind}Storage")
        numbers = torch.as_strided(tensor, (tensor.untyped_storage().nbytes() // tensor.element_size(),), (1,), 0)
        self.longs(len(numbers))
        self.parts.append(numbers.numpy().tobytes())


class Layer:
    """An object of a class of Torch7's nn."""

    def __init__(self, kind: str, **fields: Any) -> None:
        self.kind, self.fields = kind, fields


class LongStorage:
    """Sizes, as nn.View keeps them."""

    def __init__(self, *values: int) -> None:
        self.values = values


def t7_layers(state: Mapping[str, Tensor], *, flat: bool = True) -> list[Layer]:
    """The layers of VGG_FACE.t7; a convolution's weight is (out, in·9), as nn.SpatialConvolutionMM has it, or (out, in, 3, 3)."""
    layers: list[Layer] = []
    common = {"train": False, "_type": "torch.FloatTensor", "output": torch.zeros(()), "gradInput": torch.zeros(())}
    for name in LAYERS:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        if name in CONVOLUTIONS:
            out, inputs, high, wide = weight.shape
            kind = "nn.SpatialConvolutionMM" if flat else "nn.SpatialConvolution"
            shape = {"nOutputPlane": out, "nInputPlane": inputs, "kH": high, "kW": wide, "dH": 1, "dW": 1, "padding": 1}
            weights = {"weight": weight.reshape(out, -1) if flat else weight, "bias": bias}
            weights["gradWeight"] = torch.zeros_like(weights["weight"])
            layers.append(Layer(kind, **common, **shape, **weights))
        else:
            if name == "fc6":
                layers.append(Layer("nn.View", **common, size=LongStorage(-1), numElements=-1, numInputDims=3))
            layers.append(Layer("nn.Linear", **common, weight=weight, bias=bias))
        if name != "fc8":
            layers.append(Layer("nn.ReLU", **common, inplace=True, threshold=0, val=0))
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            layers.append(Layer("nn.SpatialMaxPooling", **common, kW=2, kH=2, dW=2, dH=2, ceil_mode=True))
        if name in ("fc6", "fc7"):
            layers.append(Layer("nn.Dropout", **common, p=0.5))
    layers.append(Layer("nn.SoftMax", **common))
    return layers


def write_t7(path: Path, root: Any) -> Path:
    """Any object; for weights, `write_t7(path, Layer("nn.Sequential", modules=t7_layers(state)))`."""
    file = T7()
    file.object(root)
    path.write_bytes(b"".join(file.parts))
    return path


def varint(value: int) -> bytes:
    """A whole number of a protocol buffer."""
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def proto(number: int, content: bytes | int) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def blob(tensor: Tensor, *, legacy: bool) -> bytes:
    """A BlobProto: its shape as four fields, (1, 1, out, in) for a dense layer, or as a list."""
    if legacy:
        shape = [1] * (4 - tensor.ndim) + list(tensor.shape)
        head = b"".join(proto(i, size) for i, size in enumerate(shape, 1))
    else:
        head = proto(7, proto(1, b"".join(varint(size) for size in tensor.shape)))
    return head + proto(5, tensor.contiguous().numpy().astype("<f4").tobytes())


def write_caffemodel(path: Path, state: Mapping[str, Tensor], *, version: int = 1) -> Path:
    """Version 1: as VGG_FACE.caffemodel, layers in field 2, four sizes each; version 2: layers in field 100, shapes as lists."""
    parts = [proto(1, b"VGG_FACE_16_layers")]
    for name in LAYERS:
        blobs = [blob(state[f"{name}.{what}"], legacy=version == 1) for what in ("weight", "bias")]
        kind = 4 if name in CONVOLUTIONS else 14
        if version == 1:
            layer = proto(2, b"data") + proto(3, name.encode()) + proto(4, name.encode()) + proto(5, kind)
            parts.append(proto(2, layer + b"".join(proto(6, each) for each in blobs)))
            parts.append(proto(2, proto(4, b"relu") + proto(5, 18)))
        else:
            layer = proto(1, name.encode()) + proto(2, b"Convolution") + proto(3, b"data") + proto(10, 1)
            parts.append(proto(100, layer + b"".join(proto(7, each) for each in blobs)))
    path.write_bytes(b"".join(parts))
    return path


def keras_kernel(name: str, weight: Tensor, *, dense: bool) -> np.ndarray[Any, Any]:
    """A kernel as Keras keeps it: (height, width, in, out), or dense (in, out), behind a grid (height·width·channel, out)."""
    if name in CONVOLUTIONS:
        return weight.permute(2, 3, 1, 0).numpy()
    side = 7 if name == "fc6" else 1
    kernel = weight.reshape(len(weight), -1, side, side).permute(2, 3, 1, 0)  # (height, width, channel, out)
    return (kernel.reshape(-1, len(weight)) if dense else kernel).numpy()


def write_h5(
    path: Path, state: Mapping[str, Tensor], *, dense: bool = True, named: bool = True, whole: bool = False
) -> Path:
    """Weights alone, or a whole model; the classifier dense, or as convolutions; layers named, or counted by Keras."""
    import h5py

    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        names = list(LAYERS) if named else [f"conv2d_{i}" for i in range(1, 14)] + ["fc_a", "fc_b", "fc_c"]
        root.attrs["layer_names"] = [name.encode() for name in ["input_1", *names[:2], "pool1", *names[2:]]]
        root.attrs["backend"] = b"tensorflow"
        if whole:
            file.attrs["model_config"] = '{"class_name": "Model", "config": {"layers": []}}'
        for empty in ("input_1", "pool1"):
            root.create_group(empty).attrs["weight_names"] = []
        for ours, name in zip(LAYERS, names, strict=True):
            group = root.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            group[f"{name}/kernel:0"] = keras_kernel(ours, state[f"{ours}.weight"], dense=dense)
            group[f"{name}/bias:0"] = state[f"{ours}.bias"].numpy()
    return path


def write_keras3(path: Path, state: Mapping[str, Tensor]) -> Path:
    """The form of Keras 3 (.weights.h5), whose groups are in the order of the alphabet: conv2d, conv2d_1, conv2d_10, …, dense."""
    import h5py

    names = ["conv2d", *(f"conv2d_{i}" for i in range(1, 13)), "dense", "dense_1", "dense_2"]
    with h5py.File(path, "w") as file:
        for ours, name in zip(LAYERS, names, strict=True):
            file[f"layers/{name}/vars/0"] = keras_kernel(ours, state[f"{ours}.weight"], dense=True)
            file[f"layers/{name}/vars/1"] = state[f"{ours}.bias"].numpy()
        file.create_group("layers/flatten/vars")
    return path
