"""The weights of VGG-Face as they circulate: read as arrays of numbers, never unpickled, never run.

Each reader is one file and one function, `read(path, channels=None)` → Oxford's layer names with tensors in PyTorch's layout, the
first layer in the order blue, green, red. Which reader a file needs is told by its content: people rename files.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from whylight.faces.weightfiles.oxford import Channels
from whylight.faces.weightfiles.signature import sniff

__all__ = ["Channels", "WeightFile", "read_weights"]


@dataclass(frozen=True, eq=False)
class WeightFile:
    """What was in a file of weights.

    Attributes:
        tensors: float32, by Oxford's names: `conv1_1.weight` (64, 3, 3, 3) … `fc8.bias` (2622,); the first layer takes blue,
            green, red.
        kind: `"pth"`, `"t7"`, `"caffemodel"`, `"keras_h5"` or `"plain"` (safetensors).
    """

    tensors: dict[str, Tensor]
    kind: str


def read_weights(path: str | os.PathLike[str], *, channels: Channels | None = None) -> WeightFile:
    """Read a file of VGG-Face weights, whichever of the five kinds it is.

    Args:
        path: the file; what its name ends in does not matter.
        channels: the order in which its first layer takes the colours. Default `"bgr"`, as Oxford's Caffe and Torch7 networks do,
            whatever the form. MatConvNet's networks take red first: give `"rgb"` for a file that was made from one without
            turning its first layer round, as some `vgg_face_dag.pth` may be.

    Raises:
        ModelError: if it is missing, damaged, holds more than numbers, or other layers than VGG-Face's.
    """
    path = Path(path)
    kind = sniff(path)
    reader = importlib.import_module(f"{__name__}.{kind}")
    return WeightFile(reader.read(path, channels), kind)
