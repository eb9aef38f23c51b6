"""PyTorch state dicts, such as Oxford's `vgg_face_dag.pth`: read with `weights_only=True`, so that nothing in them runs.

The order of the colours differs by where such a file comes from. `vgg_face_dag.pth` was made from the MatConvNet network, which
takes red, green, blue (the metadata published with it give the mean as 129.19, 104.76, 93.59); ports of the Torch7 file keep that
file's blue, green, red.
"""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from whylight.errors import ModelError, cause_of
from whylight.faces.weightfiles.oxford import CONVOLUTIONS, DENSE, LAYERS, Channels, by_name_or_order, oxford
from whylight.models.zoo.pickled import check_sizes

# What the restricted unpickler raises on bytes that it does not take.
_DAMAGED = (
    *(OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, MemoryError, OverflowError),
    *(struct.error, zipfile.BadZipFile),
)

# torchvision's numbers of the same layers: conv1_1 is features.0, and so on past rectifiers and poolings.
_TORCHVISION = dict(
    zip((f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)), CONVOLUTIONS, strict=True)
) | dict(zip(("classifier.0", "classifier.3", "classifier.6"), DENSE, strict=True))


def read(path: Path, channels: Channels | None = None) -> dict[str, Tensor]:
    """Read a state dict; the order of the colours by its layers' names, unless given.

    Raises:
        ModelError: if it holds more than tensors (it is refused then, and nothing in it was run), or is damaged.
    """
    try:
        check_sizes(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: refused: it holds more than tensors, and such a file could run code ({cause_of(error)}). "
            "Take a plain state dict, such as Oxford's vgg_face_dag.pth"
        ) from error
    except _DAMAGED as error:
        raise ModelError(f"{path}: damaged, or not a PyTorch state dict ({cause_of(error)})") from error
    while isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise ModelError(f"{path}: holds no state dict (names with tensors)")
    layers = layers_of(path, state)
    return oxford(path, layers, channels or "bgr")


def layers_of(path: Path, state: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Find the sixteen layers in a state dict: by Oxford's names or torchvision's.

    Raises:
        ModelError: if they are not there.
    """
    pairs = [
        (key.removesuffix(".weight"), value, state[f"{key.removesuffix('.weight')}.bias"])
        for key, value in state.items()
        if key.endswith(".weight") and f"{key.removesuffix('.weight')}.bias" in state
    ]
    numbered = {_TORCHVISION.get(name.removeprefix("module.")): (weight, bias) for name, weight, bias in pairs}
    if len(pairs) == len(LAYERS) and set(numbered) == set(LAYERS):
        return {name: numbered[name] for name in LAYERS}
    return by_name_or_order(path, pairs)
