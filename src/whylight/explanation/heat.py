"""A raw map to what is shown of it: laid over the picture and scaled to [0, 1], a few rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from whylight.cells import WHOLE, Span
from whylight.errors import WhylightError
from whylight.images.preprocess import Placed, Region, Smooth, seen
from whylight.render.bands import bands

SCALES = ("max", "robust", "minmax", "signed")
Scale = Literal["max", "robust", "minmax", "signed"] | float
NOTHING = {
    "": "",
    "blank": "no positive evidence",
    "constant": "the same everywhere",
}  # of `Explanation.flat`, in words
ROUNDING = 1e-6  # of a map's values, up to which they are the same
_COARSE = 64  # cells a side, up to which straight lines between them are seen as ridges
_ALL = 0.85  # of a map's cells at half of its maximum or above, from which on it tells of no place in particular
_ROBUST = 0.99  # of the positive values, the share that `"robust"` does not cut off


def is_diffuse(raw: Tensor, level: float = 0.0) -> bool:
    """Whether evidence lies all over: 17 cells in 20 are at half of the maximum or above. No place in particular stands out.

    Of Grad-CAM's maps of pictured things it was true of none of some 560, by four networks; of three in four of "no face".
    """
    above = raw - level
    most = float(above.max())
    return most > 0 and float((above >= 0.5 * most).float().mean()) >= _ALL


def flatness(raw: Tensor, level: float = 0.0) -> Literal["", "blank", "constant"]:
    """What is wrong with a map that says nothing about places: no positive evidence anywhere, or the same everywhere."""
    low, high = (float(value) for value in raw.aminmax())
    if not high > level:
        return "blank"
    return "constant" if high - low <= ROUNDING * max(abs(high), abs(low)) else ""


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
        for_eyes: enlarge coarse maps smoothly, and show of a map that is strong all over what places differ by: for pictures to
            look at. What is measured, and what boxes are cut out of, is bilinear.

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
        *,
        for_eyes: bool = False,
    ) -> None:
        if isinstance(scale, str) and scale not in SCALES:
            raise WhylightError(f"scale: expected 'max', 'robust', 'minmax' or a number, or 'signed', got {scale!r}")
        if not isinstance(scale, str) and not scale > level:
            raise WhylightError(f"scale: a number must be above {level:g}, got {scale}")
        self.size, self.limits = size, None
        whole = scale in ("minmax", "signed")
        self._seen = seen(region, picture_size, size) if whole else None
        shown = raw if whole or not level else (raw - level).clamp(min=0)
        is_smooth = for_eyes and max(raw.shape) <= _COARSE
        self._placed = (Smooth if is_smooth else Placed)(shown, region, picture_size, size, span)
        self._zero, self._elsewhere = 0.0, 0.5 if scale == "signed" else 0.0
        # A blank map stays blank: dividing nothing by almost nothing would make it look hot; and one that is the same everywhere
        # would be hot everywhere, which says nothing about places.
        least, most = (float(value) for value in raw.aminmax())
        if most - least <= ROUNDING * max(abs(least), abs(most)) or not (most > level or scale == "signed"):
            return
        if scale == "signed":
            reach = max(most - level, level - least)
            low, high = level - reach, level + reach
        elif scale == "minmax":
            low, high = least, most
        elif scale == "max":
            measured = Placed(shown, region, picture_size, size, span) if is_smooth else self._placed
            low, high = level, level + max(0.0, *(float(measured.rows(rows).max()) for rows in self._rows()))
            if for_eyes and is_diffuse(raw, level):  # what all places have in common is about none of them
                low, high = least, high + least - level
        else:
            low, high = level, float(raw[raw > level].quantile(_ROBUST)) if scale == "robust" else float(scale)
        self._zero = low if whole else low - level
        self.limits = (low, high) if high > low else None

    def bands(self) -> Iterator[tuple[slice, Tensor]]:
        """Some whole rows at a time, (h, W) float32 in [0, 1], with which they are."""
        for rows in self._rows():
            if self.limits is None:
                yield rows, torch.full((rows.stop - rows.start, self.size[1]), self._elsewhere)
                continue
            low, high = self.limits
            # In place: at the size of a large picture each step would take hundreds of megabytes.
            band = self._placed.rows(rows).sub_(self._zero).clamp_(min=0).div_(high - low).clamp_(max=1)
            if self._seen is not None:
                band[~self._seen[0][rows]] = self._elsewhere
                band[:, ~self._seen[1]] = self._elsewhere
            yield rows, band

    def _rows(self) -> Iterator[slice]:
        height, width = self.size
        return bands(width, height)
