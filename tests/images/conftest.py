"""Pictures that the tests of reading share."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def corners() -> Image.Image:
    """32 × 16 in four flat quarters: red, green / blue, white."""
    array = np.zeros((16, 32, 3), np.uint8)
    array[:8, :16], array[:8, 16:] = (255, 0, 0), (0, 255, 0)
    array[8:, :16], array[8:, 16:] = (0, 0, 255), (255, 255, 255)
    return Image.fromarray(array)
