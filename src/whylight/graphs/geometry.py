"""`Preprocess` in the whole numbers of a graph, whose pictures have sizes that nobody knows before."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess

_Of2 = Callable[[Any, Any], Any]


class Geometry:
    """To what size a picture is scaled, and where the input is cut out of it; as nodes, or as numbers.

    Args:
        preprocess: what is to be said so.
        number, times, plus, over, left, larger: how to make a whole number, and a · b, a + b, ⌊a / b⌋, a mod b, max(a, b) of
            numbers that are nowhere negative.

    >>> import operator as o
    >>> same = dict(number=int, times=o.mul, plus=o.add, over=o.floordiv, left=o.mod, larger=max)
    >>> geometry = Geometry(Preprocess(mode="crop", crop_pct=0.875), **same)
    >>> geometry.scaled(512, 300), geometry.corner(436, 256)
    ((436, 256), (106, 16))
    """

    def __init__(
        self,
        preprocess: Preprocess,
        *,
        number: Callable[[int], Any],
        times: _Of2,
        plus: _Of2,
        over: _Of2,
        left: _Of2,
        larger: _Of2,
    ) -> None:
        if preprocess.interpolation == "lanczos":
            raise ModelError(
                "export: pictures are prepared with the lanczos filter, which no graph can be told: export with resize=False, "
                "and whoever has a picture resizes it"
            )
        self._preprocess, self._number = preprocess, number
        self._times, self._plus, self._over, self._left, self._larger = times, plus, over, left, larger

    def scaled(self, height: Any, width: Any) -> tuple[Any, Any]:
        """(height, width) to scale a picture to."""
        rows, columns = self._preprocess.size
        if self._preprocess.mode == "squash":
            return self._number(rows), self._number(columns)
        down, across = (self._number(math.floor(side / self._preprocess.crop_pct + 1e-6)) for side in (rows, columns))
        # One side is what the crop is cut out of, the other longer in the picture's proportion.
        return (
            self._larger(down, self._over(self._times(across, height), width)),
            self._larger(across, self._over(self._times(down, width), height)),
        )

    def corner(self, height: Any, width: Any) -> tuple[Any, Any]:
        """(top, left) of the input in the scaled picture: half of what is left over, halves to the even number."""
        rows, columns = self._preprocess.size
        return self._half(height, rows), self._half(width, columns)

    def _half(self, scaled: Any, kept: int) -> Any:
        two = self._number(2)
        over = self._plus(scaled, self._number(-kept))
        half = self._over(over, two)
        return self._plus(half, self._times(self._left(over, two), self._left(half, two)))


def normalisation(preprocess: Preprocess) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What pixels from 0 to 255 are multiplied by, and what is subtracted then: (1, 3, 1, 1) each, as `Preprocess` has them."""
    std = np.asarray(preprocess.std, np.float32)
    scale: NDArray[np.float32] = (1 / (255 * std)).astype(np.float32)
    shift: NDArray[np.float32] = (np.asarray(preprocess.mean, np.float32) / std).astype(np.float32)
    return scale.reshape(1, 3, 1, 1), shift.reshape(1, 3, 1, 1)
