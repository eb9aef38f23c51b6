"""Torch's own old form: nothing in it is run, and no length in it is believed."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from vggfiles import (
    T7,
    Layer,
    State,
    t7_layers,
    write_t7,
)
from whylight.errors import ModelError
from whylight.faces.weightfiles import read_weights


@pytest.mark.parametrize("tag", [6, 7, 8])
def test_a_function_in_a_t7_is_refused_unread(tmp_path: Path, tag: int) -> None:
    file = T7()
    file.klass("nn.Sequential")
    file.reference(3)
    file.int(1)
    file.object("hook")
    file.int(tag)  # and nothing behind it: what would be its byte code is not asked for
    path = tmp_path / "VGG_FACE.t7"
    path.write_bytes(b"".join(file.parts))
    with pytest.raises(ModelError, match=r"VGG_FACE\.t7: refused: at byte \d+ begins a function"):
        read_weights(path)


def test_an_unknown_class_in_a_t7_is_refused_unread(tmp_path: Path) -> None:
    file = T7()
    file.klass("os.Executor")
    path = tmp_path / "a.t7"
    path.write_bytes(b"".join(file.parts))
    with pytest.raises(ModelError, match=r"a\.t7: refused: .* class 'os\.Executor'"):
        read_weights(path)


def test_t7_tensors_that_share_one_storage(tmp_path: Path, state: State) -> None:
    flat = torch.cat([tensor.reshape(-1) for tensor in state.values()]).double()  # as getParameters() leaves a network
    views, at = {}, 0
    for name, tensor in state.items():
        views[name] = flat[at : at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    found = read_weights(write_t7(tmp_path / "a.t7", Layer("nn.Sequential", modules=t7_layers(views)))).tensors
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_t7_networks_in_networks_and_fields_of_other_kinds(tmp_path: Path, state: State) -> None:
    layers = t7_layers(state)
    inner = Layer("nn.Sequential", modules=layers[:20], note={"a": [1, 2, {"b": True}], 3.5: None})
    path = write_t7(
        tmp_path / "a.t7", Layer("nn.Sequential", modules=[inner, Layer("nn.Sequential", modules=layers[20:])])
    )
    found = read_weights(path).tensors
    assert all(torch.equal(found[name], state[name]) for name in state)


def _t7_storage(count: int) -> bytes:
    file = T7()
    file.klass("torch.FloatTensor")
    file.int(1)
    file.longs(4, 1, 1)
    file.klass("torch.FloatStorage")
    file.longs(count)
    file.parts.append(bytes(16))
    return b"".join(file.parts)


def _t7_of(*parts: int) -> bytes:
    return struct.pack(f"<{len(parts)}i", *parts)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_t7_storage(2**40), "a storage of 1099511627776 numbers does not fit"),
        (_t7_storage(2**62), "does not fit"),
        (_t7_storage(-1), "a storage of -1 numbers"),
        (_t7_of(3, 1, 2**31 - 1), "a table has 2147483647 entries, more than the file can hold"),
        (_t7_of(3, 1, -5), "a table has -5 entries"),
        (_t7_of(4, 1, 2**31 - 1), "a string has 2147483647 bytes"),
        (_t7_of(3, 1, 1, 99, 0, 0), "tag 99, which does not exist"),
        (b"".join(_t7_of(3, i, 1, 1) + bytes(8) for i in range(1000)) + bytes(9000), "too deep in each other"),
        (_t7_of(3, 1, 1, 0, 0) + bytes(8), "the key of a table is a NoneType"),
        (_t7_of(3, 1, 0), "holds no network"),
        (_t7_of(3, 1, 200_000) + (_t7_of(1) + bytes(8) + _t7_of(0)) * 200_000, "more than 100000 objects"),
    ],
)
def test_lengths_in_a_t7_are_not_believed(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.t7"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=said):
        read_weights(path)


@pytest.mark.parametrize(
    ("sizes", "strides", "offset"),
    [
        ((2**40, 27), (0, 1), 1),
        ((4, 27), (27, 2), 1),
        ((4, 27), (27, 1), 2),
        ((4, 27), (27, 1), -3),
        ((4, 27), (27, -1), 1),
    ],
)
def test_t7_views_past_their_storage(
    tmp_path: Path, state: State, sizes: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    file = T7()
    file.klass("nn.Sequential")
    file.reference(3)
    file.int(1)
    file.object("modules")
    file.reference(3)
    file.int(1)
    file.object(1)
    file.klass("nn.Linear")
    file.reference(3)
    file.int(2)
    file.object("bias")
    file.object(torch.zeros(4))
    file.object("weight")
    file.klass("torch.FloatTensor")
    file.int(2)
    file.longs(*sizes, *strides, offset)
    file.klass("torch.FloatStorage")
    file.longs(108)
    file.parts.append(bytes(4 * 108))
    path = tmp_path / "a.t7"
    path.write_bytes(b"".join(file.parts))
    with pytest.raises(ModelError, match=r"the weight of a nn\.Linear.*reaches past its 108 numbers"):
        read_weights(path)
