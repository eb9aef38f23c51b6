"""The state of a run on disk: whole or not at all, and enough to go on bit for bit."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import torch

from whylight.errors import TrainError

LAST, BEST = "last.pt", "best.pt"


def write(path: Path, data: bytes) -> None:
    """Replace a file in one step, so that a kill at any moment leaves the old one or the new one."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a state (tensors, numbers, strings, lists, dicts)."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, suffix=".part", delete=False) as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def load(path: Path) -> dict[str, Any]:
    """Read a state back, on the processor.

    Raises:
        TrainError: if it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainError(f"{path}: this checkpoint cannot be read ({error})") from error
    return state
