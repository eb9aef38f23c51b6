"""A raw map to what is shown of it: laid over the picture and scaled to [0, 1], a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from whylight.cells import WHOLE, Span
from whylight.errors import WhylightError
from whylight.images.preprocess import Placed, Region, seen
from whylight.render.bands import bands

Scale = Literal["max", "minmax", "robust"] | float
NOTHING = {
    "": "",
    "blank": "no positive evidence",
    "constant": "the same everywhere",
}  # of `Explanation.flat`, in words
ROUNDING = 1e-6  # of a map's values, up to which they are the same
_ROBUST = 0.99  # of the positive values, the share that `"robust"` does not cut off


class Heat:
    """How a map is shown over its picture, at one size and on one scale.

    Args:
        raw: the map, (h, w).
        level: its value that means no evidence.
        region: the part of the picture that it covers.
        picture_size: (width, height).
        size: (height, width) of what is shown.
        scale: as for `Explanation.heatmap`.
        span: over which part of the region the map's cells are spread.

    Attributes:
        size: as given.
        limits: the raw values that are shown as 0 and as 1; None where nothing is to be seen.

    Raises:
        WhylightError: if the scale cannot be used.
    """

    def __init__(
        self,
        raw: Tensor,
        level: float,
        region: Region,
        picture_size: tuple[int, int],
        size: tuple[int, int],
        scale: Scale,
        span: Span = WHOLE,
    ) -> None:
        if isinstance(scale, str) and scale not in ("max", "minmax", "robust"):
            raise WhylightError(f"scale: expected 'max', 'robust', 'minmax' or a number, got {scale!r}")
        if not isinstance(scale, str) and not scale > level:
            raise WhylightError(f"scale: a number must be above {level:g}, got {scale}")
        self.size, self.limits = size, None
        signed = scale == "minmax"
        self._seen = seen(region, picture_size, size) if signed else None
        shown = raw if signed or not level else (raw - level).clamp(min=0)
        self._placed, self._zero = Placed(shown, region, picture_size, size, span), float(raw.min()) if signed else 0.0
        # A blank map stays blank: dividing nothing by almost nothing would make it look hot; and one that is the same everywhere
        # would be hot everywhere, which says nothing about places.
        least, most = (float(value) for value in raw.aminmax())
        if not most > level or most - least <= ROUNDING * max(abs(least), abs(most)):
            return
        if signed:
            low, high = self._zero, float(raw.max())
        elif scale == "max":
            low, high = level, level + max(0.0, *(float(self._placed.rows(rows).max()) for rows in self._rows()))
        else:
            low, high = level, float(raw[raw > level].quantile(_ROBUST)) if scale == "robust" else float(scale)
        self.limits = (low, high) if high > low else None

    def bands(self) -> Iterator[tuple[slice, Tensor]]:
        """Some whole rows at a time, (h, W) float32 in [0, 1], with which they are."""
        for rows in self._rows():
            if self.limits is None:
                yield rows, torch.zeros(rows.stop - rows.start, self.size[1])
                continue
            low, high = self.limits
            # In place: at the size of a large picture each step would take hundreds of megabytes.
            band = self._placed.rows(rows).sub_(self._zero).clamp_(min=0).div_(high - low).clamp_(max=1)
            if self._seen is not None:
                band[~self._seen[0][rows]] = 0
                band[:, ~self._seen[1]] = 0
            yield rows, band

    def _rows(self) -> Iterator[slice]:
        height, width = self.size
        return bands(width, height)
