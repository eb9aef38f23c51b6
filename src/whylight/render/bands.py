"""Large pictures are worked on a few rows at a time: what is needed in between stays small, and in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Band = tuple[slice, NDArray[np.uint8]]  # some whole rows of a picture or map, and which they are
_PIXELS = 2**20


def bands(width: int, height: int) -> Iterator[slice]:
    """Whole rows, about a million pixels at a time, from the first to the last.

    >>> list(bands(2**19, 5))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    rows = max(1, _PIXELS // max(width, 1))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
