"""Keras' form: no link is followed, no shape believed, and what breaks the library ends with an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vggfiles import (
    LAYERS,
    State,
    write_h5,
)
from whylight.errors import ModelError
from whylight.faces.weightfiles import keras_h5, read_weights


def test_h5_links_and_arrays_outside_are_not_followed(tmp_path: Path, state: State) -> None:
    import h5py

    other = write_h5(tmp_path / "other.h5", state)
    for what in ("link", "soft", "external", "virtual"):
        path = write_h5(tmp_path / f"{what}.h5", state)
        with h5py.File(path, "a") as file:
            kernel = file["fc7/fc7/kernel:0"]
            shape = kernel.shape
            del file["fc7/fc7/kernel:0"]
            if what == "link":
                file["fc7/fc7/kernel:0"] = h5py.ExternalLink(str(other), "fc7/fc7/kernel:0")
            elif what == "soft":
                file["fc7/fc7/kernel:0"] = h5py.SoftLink("/fc8/fc8/kernel:0")
            elif what == "external":
                file["fc7/fc7"].create_dataset(
                    "kernel:0", shape, "f4", external=[(str(tmp_path / "raw"), 0, h5py.h5f.UNLIMITED)]
                )
            else:
                layout = h5py.VirtualLayout(shape, "f4")
                layout[:] = h5py.VirtualSource(str(other), "fc7/fc7/kernel:0", shape)
                file["fc7/fc7"].create_virtual_dataset("kernel:0", layout)
        said = "it was not followed" if what in ("link", "soft") else "lie in another file"
        with pytest.raises(ModelError, match=rf"{what}\.h5: .*{said}"):
            read_weights(path)


def test_h5_shapes_are_not_believed(tmp_path: Path, state: State) -> None:
    import h5py

    path = write_h5(tmp_path / "a.h5", state)
    with h5py.File(path, "a") as file:
        del file["fc7/fc7/kernel:0"]
        file["fc7/fc7"].create_dataset("kernel:0", (2**20, 2**20), "f4", chunks=(64, 64), compression="gzip")
    with pytest.raises(ModelError, match=r"a\.h5: /fc7/fc7/kernel:0 is compressed"):
        read_weights(path)
    path = write_h5(tmp_path / "b.h5", state)
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = ["x" * 1000] * 60
        file.attrs["layer_names0"] = ["conv1_1"]
    with pytest.raises(ModelError, match=r"b\.h5: xxx.* is a link .* or missing"):
        read_weights(path)
    path = write_h5(tmp_path / "c.h5", state)
    with h5py.File(path, "a", libver="latest") as file:
        file.attrs["model_config"] = "[" * 100_000
    with pytest.raises(ModelError, match=r"c\.h5: damaged"):
        read_weights(path)


def test_h5_that_breaks_the_library_or_never_ends(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_h5(tmp_path / "a.h5", state)
    broken = tmp_path / "index.py"
    for program, said in (
        ("import os; os.abort()", r"a\.h5: damaged: the HDF5 library broke down over it \(exit code -?\d+\)"),
        ("raise SystemExit('Killed')", r"a\.h5: damaged: the HDF5 library broke down over it \(Killed\)"),
        ("while True: pass", r"a\.h5: damaged: the HDF5 library did not come to an end"),
    ):
        broken.write_text(program)
        monkeypatch.setattr(keras_h5, "_INDEX", broken)
        monkeypatch.setattr(keras_h5, "_SECONDS", 1 if "while" in program else 60)
        with pytest.raises(ModelError, match=said):
            read_weights(path)


def test_h5_of_the_first_keras(tmp_path: Path, state: State) -> None:
    """Kernels (out, in, height, width): Theano turns them by 180°, TensorFlow does not, and a file may not say which it was."""
    import h5py

    for backend in (None, "theano", "tensorflow"):
        path = tmp_path / "a.h5"
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [name.encode() for name in LAYERS]
            if backend:
                file.attrs["backend"] = backend
            for name in LAYERS:
                weight = state[f"{name}.weight"]
                if name.startswith("fc"):
                    weight = weight.T
                elif backend == "theano":
                    weight = weight.flip(2, 3)
                file[f"{name}/{name}_W"], file[f"{name}/{name}_b"] = weight.numpy(), state[f"{name}.bias"].numpy()
                file[name].attrs["weight_names"] = [f"{name}_W".encode(), f"{name}_b".encode()]
        if backend is None:
            with pytest.raises(ModelError, match=r"a\.h5: .*does not say whether for Theano"):
                read_weights(path)
        else:
            found = read_weights(path).tensors
            assert all(torch.equal(found[name], state[name]) for name in state)
