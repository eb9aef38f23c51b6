"""The state of a run on disk: whole or not at all, and enough to go on as if it had not stopped."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from whylight.atomic import replacing
from whylight.errors import TrainError, WriteError
from whylight.models.zoo.pickled import check_sizes

LAST, BEST = "last.pt", "best.pt"


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Say which file of a run could not be written, and how to go on.

    Raises:
        WriteError: in place of an OSError, and of torch's own RuntimeError for a file that was cut short.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise WriteError(
            f"{path}: cannot be written ({error}). What was saved before is kept: once there is room, go on from the "
            f"last good checkpoint with: whylight train --resume {path.parent}"
        ) from error


def write(path: Path, data: bytes) -> None:
    """Write a file of bytes; a kill at any moment leaves the old file or the new one."""
    with named_errors(path), replacing(path, durable=True) as file:
        file.write(data)


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a state (tensors, numbers, strings, lists, dicts), in the same way."""
    with named_errors(path), replacing(path, durable=True) as file:
        torch.save(state, file)


def load(path: Path, *names: str) -> dict[str, Any]:
    """Read a state back, on the processor.

    Raises:
        TrainError: if it cannot be read, or one of these names is missing in it.
    """
    try:
        check_sizes(path)
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise TrainError(f"{path}: this checkpoint cannot be read ({error})") from error
    if not isinstance(state, dict):
        raise TrainError(
            f"{path}: this checkpoint cannot be read (it holds a {type(state).__name__}, not the state of a run)"
        )
    if missing := [name for name in names if name not in state]:
        raise TrainError(f"{path}: this checkpoint cannot be read (it has no {missing[0]!r})")
    return state
