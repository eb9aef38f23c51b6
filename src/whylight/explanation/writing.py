"""A picture to a file, by Pillow, or arrays by NumPy, with an error that names the file."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from whylight import render
from whylight.atomic import named_errors, replacing
from whylight.errors import WriteError
from whylight.shown import shown


def put(data: bytes, path: Path) -> Path:
    """Write bytes, whole or not at all.

    Raises:
        WriteError: if the file cannot be written.
    """
    with named_errors(shown(path)), replacing(path) as file:
        file.write(data)
    return path


def write_arrays(path: Path, **arrays: Any) -> Path:
    """Write a NumPy archive, whole or not at all.

    Raises:
        WriteError: if the file cannot be written.
    """
    with (
        io.BytesIO() as made
    ):  # NumPy would seek in the file, and complain of one that fails once more when it is forgotten
        np.savez_compressed(made, **arrays)
        return put(made.getvalue(), path)


def write(picture: Image.Image, path: Path, kind: str, **options: Any) -> None:
    """Write a picture with Pillow, whole or not at all.

    Args:
        picture: what is written.
        path: where to; its folder must exist.
        kind: the format, as Pillow calls it.
        options: of the format.

    Raises:
        WriteError: if the format has no room for the picture, or the file cannot be written.
    """
    with named_errors(shown(path)), replacing(path) as file:
        try:
            render.check_sides(picture.size, kind)
            picture.save(file, kind, **options)
        except MemoryError:
            raise WriteError(
                f"{shown(path)}: cannot be written: there is not enough memory; make the picture smaller"
            ) from None
        except (WriteError, ValueError, OverflowError, struct.error) as error:  # more than the format can hold
            raise WriteError(f"{shown(path)}: cannot be written: {error}") from error
