"""What galleries are tested with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from whylight.faces.types import Point, Template

TEMPLATE = Template((32, 32), Point(0.3, 0.4), Point(0.7, 0.4))


def some(count: int, dimension: int = 4, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
