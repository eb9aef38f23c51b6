"""Arrays in lines of text: raw numbers in base64."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def packed(values: ArrayLike, kind: str, *, squeezed: bool = False) -> str:
    """An array as text, in little-endian numbers such as `f2` or `u1`; its shape is not told.

    >>> unpacked(packed([[1.5, 2.0]], "f2"), "f2", (1, 2)).tolist()
    [[1.5, 2.0]]
    """
    data = np.ascontiguousarray(values, dtype=f"<{kind}").tobytes()
    return base64.b64encode(zlib.compress(data) if squeezed else data).decode()


def unpacked(text: str, kind: str, shape: Sequence[int] = (-1,), *, squeezed: bool = False) -> NDArray[Any]:
    """The array again.

    Raises:
        ValueError: if the text is none, or of another size.
    """
    data = base64.b64decode(text, validate=True)
    try:
        raw = zlib.decompress(data) if squeezed else data
    except zlib.error as error:
        raise ValueError(f"cannot be unpacked: {error}") from None
    return np.frombuffer(raw, f"<{kind}").reshape(shape)
