"""Keras' weights in HDF5, whole models and weights alone: the arrays, and none of the code that a model file may bring.

Keras keeps convolutions as (height, width, in, out) and dense layers as (in, out). A dense layer behind a Flatten of channels-last
activations reads them as (height, width, channel), where PyTorch has (channel, height, width). In circulation the classifier of
VGG-Face is written as dense layers or as convolutions of 7 × 7 and 1 × 1; both are read. Links to other files and arrays stored
outside are refused. The HDF5 library runs in a process of its own: see `h5index`.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from whylight.errors import ModelError
from whylight.faces.weightfiles.oxford import CONVOLUTIONS, GRID, Channels, by_name_or_order, oxford

_INDEX = Path(__file__).with_name("h5index.py")
_SECONDS = 120  # of waiting; a file of VGG-16 takes less than one
_TYPES = ("<f2", "<f4", "<f8", ">f2", ">f4", ">f8")


def read(path: Path, channels: Channels | None = None) -> dict[str, Tensor]:
    """Read Keras' weights; by default the first layer takes blue, green, red.

    Raises:
        ModelError: if h5py is not installed, the file is damaged, refers to other files, or is not VGG-Face's.
    """
    index = _index(path)
    content = np.memmap(path, np.uint8, "r")
    found = [
        (name, _array(path, content, kernel), _array(path, content, bias)) for name, kernel, bias in index["layers"]
    ]
    layers = by_name_or_order(path, found)
    outputs_first = _outputs_first(path, layers["conv1_1"][0])
    if outputs_first and index["backend"] is None:
        raise ModelError(
            f"{path}: its kernels are (out, in, height, width), as the first Keras wrote them, and it does not say whether for "
            "Theano, which turns them by 180°. Load it in Keras and save it again, or take the weights in another form"
        )
    turned = outputs_first and index["backend"] == "theano"
    channels_last = not outputs_first if index["channels_last"] is None else bool(index["channels_last"])
    width = layers["conv5_3"][1].numel()
    converted = {}
    for name, (weight, bias) in layers.items():
        if weight.ndim == 4:
            # (height, width, in, out) → (out, in, height, width)
            kernel = weight if outputs_first else weight.permute(3, 2, 0, 1)
            converted[name] = kernel.flip(2, 3) if turned else kernel, bias
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


def _index(path: Path) -> dict[str, Any]:
    """What the file holds and where, as `h5index` says."""
    if importlib.util.find_spec("h5py") is None:
        raise ModelError(f"{path}: Keras' files need h5py: pip install 'whylight[face]'")
    command = [sys.executable, "-I", str(_INDEX), str(path.resolve())]
    # One thread: each that numpy starts would take of the address space.
    settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "HDF5_USE_FILE_LOCKING": "FALSE"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, env=settings, check=False)  # noqa: S603
        index = json.loads(done.stdout)
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{path}: damaged: the HDF5 library did not come to an end with it") from error
    except ValueError as error:
        cause = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ModelError(f"{path}: damaged: the HDF5 library broke down over it ({cause[0]})") from error
    if "error" in index:
        raise ModelError(f"{path}: {index['error']}")
    return dict(index)


def _array(path: Path, content: np.memmap[Any, Any], place: Mapping[str, Any]) -> Tensor:
    """Numbers of the file, where the index says they are."""
    shape, start = place["shape"], place["start"]
    if place["type"] not in _TYPES or not 1 <= len(shape) <= 4 or min(shape) < 1:
        raise ModelError(f"{path}: {place['name']} has shape {shape} and type {place['type']}, which VGG-Face has not")
    stop = start + math.prod(shape) * np.dtype(place["type"]).itemsize
    if stop > len(content):
        raise ModelError(
            f"{path}: {place['name']}, {shape}, reaches past the end of the file: it is cut off or damaged"
        )
    return torch.from_numpy(content[start:stop].view(place["type"]).reshape(shape).astype("<f4"))


def _outputs_first(path: Path, kernel: Tensor) -> bool:
    """Whether convolutions are kept as (out, in, height, width), by the first one."""
    shape = tuple(kernel.shape)
    if len(shape) == 4 and shape[:3] == (3, 3, 3):
        return False
    if len(shape) == 4 and shape[1:] == (3, 3, 3):
        return True
    raise ModelError(f"{path}: the first convolution has a kernel of shape {shape}, where VGG-Face has (3, 3, 3, 64)")
