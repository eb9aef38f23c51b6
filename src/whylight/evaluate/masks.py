"""Maps against masks: the average precision of pixels.

PxAP is that of Choe et al., CVPR 2020: all pixels of all pictures are put in order of their heat, and precision is averaged over
recall, at the thresholds 0, 0.01, … 1. Only counts are kept, so it does not matter how many pictures there are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import DataError

EDGES: NDArray[np.float64] = np.append(np.arange(101) / 100, 2.0)  # the last bin holds 1 alone
Counts = NDArray[np.int64]  # (2, 101): pixels of the object, and others, by heat


def load(path: Path, size: tuple[int, int], ignore: int | None = None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Read a mask and bring it to a size without mixing its numbers.

    Args:
        path: a picture; above zero in any channel is the object.
        size: (height, width).
        ignore: pixels of this value count neither way, like 255 in Pascal VOC.

    Returns:
        Two times (H, W): whether a pixel is the object's, and whether it counts.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            values: NDArray[Any] = np.asarray(picture).astype(np.int32)
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: this mask cannot be read ({error}); export it again, as PNG") from error
    if values.ndim == 3:  # an opacity channel says nothing about the object
        values = values[..., : 3 if values.shape[2] > 2 else 1].max(2)
    if values.shape != size:
        values = cv2.resize(values, (size[1], size[0]), interpolation=cv2.INTER_NEAREST)
    counted = np.ones(size, bool) if ignore is None else values != ignore
    return (values > 0) & counted, counted


def histogram(heat: NDArray[np.float32], mask: NDArray[np.bool_], counted: NDArray[np.bool_] | None = None) -> Counts:
    """Count a map's pixels (H, W) by heat, (2, 101): those of the mask, and the others."""
    inside = mask if counted is None else mask & counted
    outside = ~mask if counted is None else ~mask & counted
    return np.stack([np.histogram(heat[where], EDGES)[0] for where in (inside, outside)]).astype(np.int64)


def pxap(counts: NDArray[np.int64] | NDArray[np.float64]) -> float:
    """Average precision of pixels from their counts (2, 101): Σ precision × growth of recall, from the hottest bin down.

    NaN where no pixel is an object's.

    >>> counts = np.zeros((2, 101)); counts[0, 90], counts[1, 40], counts[0, 10] = 2, 1, 1
    >>> round(pxap(counts), 4)  # two found at precision 1, the third at 3/4
    0.9167
    """
    precision, recall = curve(counts)
    return float((precision * np.diff(recall, prepend=0.0)).sum())


def curve(counts: NDArray[np.int64] | NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Precision and recall at each threshold, from 1 down to 0: (101,) each; precision is 0 where nothing is that hot."""
    found, false = np.asarray(counts, dtype=np.float64)[:, ::-1].cumsum(1)
    hot = found + false
    precision = np.divide(found, hot, out=np.zeros_like(found), where=hot > 0)
    recall = found / found[-1] if found[-1] > 0 else np.full_like(found, np.nan)
    return precision, recall
