"""The forms in which VGG-Face circulates: the same numbers from each, and nothing run, followed or believed that should not be."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from vggfiles import (
    LAYERS,
    Layer,
    State,
    as_rgb,
    proto,
    random_state,
    t7_layers,
    varint,
    write_caffemodel,
    write_h5,
    write_keras3,
    write_pth,
    write_safetensors,
    write_t7,
)
from whylight.errors import ModelError
from whylight.faces.weightfiles import read_weights

WRITERS: dict[str, tuple[str, Callable[[Path, State], Path]]] = {
    "pth": ("pth", write_pth),
    "pth, older form": ("pth", lambda path, state: write_pth(path, state, legacy=True)),
    "t7": ("t7", lambda path, state: write_t7(path, Layer("nn.Sequential", modules=t7_layers(state)))),
    "t7, four dimensions": (
        "t7",
        lambda path, state: write_t7(path, Layer("nn.Sequential", modules=t7_layers(state, flat=False))),
    ),
    "caffemodel, V1": ("caffemodel", write_caffemodel),
    "caffemodel, V2": ("caffemodel", lambda path, state: write_caffemodel(path, state, version=2)),
    "h5, dense": ("keras_h5", write_h5),
    "h5, convolutions": ("keras_h5", lambda path, state: write_h5(path, state, dense=False)),
    "h5, whole model": ("keras_h5", lambda path, state: write_h5(path, state, whole=True)),
    "h5, layers without names": ("keras_h5", lambda path, state: write_h5(path, state, dense=False, named=False)),
    "h5, Keras 3": ("keras_h5", write_keras3),
    "safetensors": ("plain", write_safetensors),
}


@pytest.mark.parametrize("form", WRITERS)
def test_every_form_holds_the_same_numbers(tmp_path: Path, state: State, form: str) -> None:
    kind, write = WRITERS[form]
    found = read_weights(write(tmp_path / "weights.bin", state))  # the name says nothing
    assert found.kind == kind
    assert list(found.tensors) == [f"{name}.{what}" for name in LAYERS for what in ("weight", "bias")]
    for name, tensor in found.tensors.items():
        assert tensor.dtype == torch.float32
        assert tensor.is_contiguous()
        assert torch.equal(tensor, state[name]), name


@pytest.mark.parametrize("form", ["pth", "pth, older form", "t7", "caffemodel, V1", "caffemodel, V2", "h5, dense"])
def test_a_file_that_is_cut_off_anywhere(tmp_path: Path, form: str) -> None:
    whole = WRITERS[form][1](tmp_path / "whole", random_state((1, 1, 1, 1, 1), (2, 2), 2)).read_bytes()
    part = tmp_path / "part.weights"
    few = 60 if form.startswith("h5") else 1  # each of these starts a process
    for keep in (*range(0, 300, 7 * few), *range(300, len(whole) - 8, max(1, len(whole) // 60) * min(few, 9))):
        part.write_bytes(whole[:keep])
        with pytest.raises(ModelError, match=r"part\.weights: "):
            read_weights(part)


@pytest.mark.parametrize("form", ["pth, older form", "t7", "caffemodel, V1", "caffemodel, V2", "safetensors"])
def test_damage_is_an_error_or_other_numbers_but_no_crash(tmp_path: Path, form: str) -> None:
    whole = WRITERS[form][1](tmp_path / "whole", random_state((1, 1, 1, 1, 1), (2, 2), 2)).read_bytes()
    part = tmp_path / "damaged.weights"
    draw = torch.Generator().manual_seed(0)
    for _ in range(120):
        damaged = bytearray(whole)
        at = int(torch.randint(len(whole), (1,), generator=draw))
        damaged[at : at + 8] = bytes(torch.randint(256, (8,), generator=draw).tolist())[: len(whole) - at]
        part.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, on what it reads in a damaged pickle
            with contextlib.suppress(ModelError):
                read_weights(part)


class Evil:
    """What a pickle may do to whoever opens it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("/tmp/whylight-was-run"),)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, state: State, legacy: bool) -> None:
    path = tmp_path / "evil.pth"
    torch.save({**state, "extra": Evil()}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(ModelError, match=r"evil\.pth: refused: it holds more than tensors"):
        read_weights(path)
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(
        ModelError, match=r"evil\.pth: this is a Python pickle, which could run code, so it was not read"
    ):
        read_weights(path)
    assert not Path("/tmp/whylight-was-run").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (varint(100 << 3 | 2) + varint(2**40), "field 100 has 1099511627776 bytes, of which 0 are there"),
        (proto(1, b"net") + b"\xff" * 12, "more than ten bytes"),
        (proto(1, b"net") + varint(7 << 3 | 3), "field 7 is of kind 3"),
        (proto(1, b"net"), "no layer in it has any"),
        (
            proto(100, proto(1, b"conv1_1") + 2 * proto(7, proto(7, proto(1, varint(2**50))) + proto(5, bytes(8)))),
            "layer 'conv1_1' has 2 numbers for a shape of",
        ),
        (proto(100, proto(1, b"conv1_1") + 2 * proto(7, proto(5, bytes(7)))), "has a part of a number"),
        (proto(100, proto(1, b"conv1_1") + proto(7, b"")), "has weights but no bias"),
        (proto(100, proto(7, varint(5 << 3 | 5) + bytes(4))), "one by one"),
        (proto(100, 2 * proto(7, proto(7, proto(1, 1)) + proto(5, bytes(4)))) * 1001, "more than 1000 layers"),
    ],
)
def test_lengths_in_a_caffemodel_are_not_believed(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.caffemodel"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"a\.caffemodel.*{said}"):
        read_weights(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_lengths_in_a_pth_are_not_believed(tmp_path: Path, legacy: bool) -> None:
    path = write_pth(tmp_path / "a.pth", random_state(), legacy=legacy)
    content = path.read_bytes()
    small, large = b"K\x04", b"J\xff\xff\xff\x7f"  # BININT1 4 → BININT 2147483647, before what ends a storage's tuple
    small, large = (part + (b"Nt" if legacy else b"t") for part in (small, large))
    assert small in content
    if legacy:
        content = content.replace(small, large, 1)
        path.write_bytes(content)
    else:
        import zipfile

        with zipfile.ZipFile(path) as archive:
            entries = {entry: archive.read(entry) for entry in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in entries.items():
                archive.writestr(name, data.replace(small, large, 1) if name.endswith("data.pkl") else data)
    with pytest.raises(ModelError, match=r"a\.pth: damaged.*speaks of 2147483647 numbers"):
        read_weights(path)


def test_a_pth_that_unpacks_to_more_is_refused(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(50_000_000))
    with pytest.raises(ModelError, match=r"bomb\.pth: damaged.*unpacks to 50000000 bytes"):
        read_weights(path)


def test_a_few_numbers_shown_many_times_are_refused(tmp_path: Path, state: State) -> None:
    path = tmp_path / "a.pth"
    torch.save({**state, "fc6.weight": torch.zeros(1).expand(1000, 8 * 49), "fc6.bias": torch.zeros(1000)}, path)
    with pytest.raises(ModelError, match=r"fc6\.weight has shape \(1000, 392\) and fewer numbers"):
        read_weights(path)


def test_names_of_other_ports(tmp_path: Path, state: State) -> None:
    path = tmp_path / "a.pth"
    ported = {  # of the .t7: blue, green, red
        f"module.features.conv_{name[4:]}" if name.startswith("conv") else f"module.fc.{name}": tensor
        for name, tensor in state.items()
    }
    torch.save({"state_dict": ported}, path)
    assert torch.equal(read_weights(path).tensors["conv1_1.weight"], state["conv1_1.weight"])
    numbers = [f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)] + [
        f"classifier.{i}" for i in (0, 3, 6)
    ]
    torch.save(
        {
            f"{number}.{what}": state[f"{name}.{what}"]
            for number, name in zip(numbers, LAYERS, strict=True)
            for what in ("weight", "bias")
        },
        path,
    )
    found = read_weights(path).tensors
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_the_order_of_the_colours_can_be_told(tmp_path: Path, state: State) -> None:
    path = write_caffemodel(tmp_path / "a.caffemodel", as_rgb(state))
    assert torch.equal(read_weights(path, channels="rgb").tensors["conv1_1.weight"], state["conv1_1.weight"])
    path = write_pth(tmp_path / "a.pth", state)
    assert torch.equal(read_weights(path).tensors["conv1_1.weight"], state["conv1_1.weight"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fc6.weight": torch.zeros(12, 8 * 36)}, r"fc6\.weight has shape \(12, 288\); .*\(outputs, 8 × 7 × 7\)"),
        ({"conv2_1.weight": torch.zeros(5, 3, 3, 3)}, r"conv2_1\.weight has shape .*needs \(outputs, 4 × 3 × 3\)"),
        ({"conv5_1.weight": torch.zeros(8, 7, 5, 5)}, r"conv5_1\.weight has shape"),
        ({"conv3_1.bias": torch.zeros(3)}, r"conv3_1\.bias has 3 numbers, and conv3_1\.weight 6 outputs"),
        ({"fc8.weight": torch.full((6, 10), float("nan"))}, r"fc8\.weight holds NaN"),
        ({"fc8.weight": torch.zeros(6, 10, dtype=torch.int64)}, r"fc8\.weight is torch\.int64"),
    ],
)
def test_weights_of_the_wrong_shape(tmp_path: Path, state: State, change: State, said: str) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({**state, **change}, path)
    with pytest.raises(ModelError, match=rf"a\.safetensors: {said}"):
        read_weights(path)


def test_weights_of_another_network(tmp_path: Path, state: State) -> None:
    path = tmp_path / "a.pth"
    torch.save({name: tensor for name, tensor in state.items() if name.startswith("conv")}, path)
    with pytest.raises(ModelError, match="weights without the classifier"):
        read_weights(path)
    torch.save({"layer1.weight": torch.zeros(3, 3), "layer1.bias": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match=r"not the layers of VGG-Face: 1 have weights \(layer1\)"):
        read_weights(path)
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="holds no state dict"):
        read_weights(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty.*VGG Face Descriptor"),
        (b"<!DOCTYPE html><html>", "a web page, so the download went wrong"),
        (b"\x1f\x8b\x08\x00aaaa", "packed with gzip: unpack it first"),
        (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
        (b'name: "VGG_FACE"\ninput: "data"', "not its weights"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"4\n1\n3\nV 1\n13\nnn.Sequential", "only the binary form"),
        (bytes(257) + b"ustar\x0000", "a tar archive"),
        (b"hello there", "not a file of weights that is known here"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "weights.h5"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"weights\.h5: .*{said}"):
        read_weights(path)
    with pytest.raises(ModelError, match=r"no such file of weights.*VGG Face Descriptor"):
        read_weights(tmp_path / "none.t7")
