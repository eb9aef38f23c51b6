"""Maps that do not flicker: smoothed over time, and drawn on a scale that remembers how much evidence there was."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError

FADES = 2.0  # seconds in which the scale falls to 1/e of itself where there is less evidence than there was
HOTTEST = 0.2  # the share of a map's places whose overlap from frame to frame is its stability


class Steadied(NamedTuple):
    """A map as it is shown.

    Attributes:
        map: (h, w) float32, smoothed.
        high: the value that is drawn as the most; 0 where there has been no evidence so far.
        stability: overlap (intersection over union) of the hottest fifth with that of the frame before; None at the first frame,
            and where either shows nothing.
    """

    map: NDArray[np.float32]
    high: float
    stability: float | None


class Steady:
    """Carries maps of one source from frame to frame.

    The scale rises with the evidence at once and falls slowly, so that a map with a tenth of the evidence that was there a moment
    ago is drawn at a tenth, and not blown up to full: nothing there stays dark.

    Args:
        smooth: seconds of the exponential mean of the maps: a frame dt seconds later counts 1 − exp(−dt / smooth), however many
            frames lie between; 0: none.
        fades: seconds in which the scale falls to 1/e.

    Raises:
        WhylightError: where these are no times.

    >>> steady = Steady()
    >>> steady(np.eye(4, dtype=np.float32), 0.0).high
    1.0
    >>> round(steady(0.1 * np.eye(4, dtype=np.float32), 0.04).high, 2)  # one frame later: still drawn at about a tenth
    0.98
    """

    def __init__(self, smooth: float = 0.0, fades: float = FADES) -> None:
        if not (math.isfinite(smooth) and smooth >= 0):
            raise WhylightError(f"smooth: expected seconds, 0 or more, got {smooth}")
        if not (math.isfinite(fades) and fades > 0):
            raise WhylightError(f"fades: expected seconds, more than 0, got {fades}")
        self._smooth, self._fades = smooth, fades
        self.begin()

    def begin(self) -> None:
        """Forget what was: another thing is shown from now on."""
        self._map: NDArray[np.float32] | None = None
        self._hot: NDArray[np.bool_] | None = None
        self._high, self._time = 0.0, 0.0

    def __call__(self, raw: NDArray[np.floating], time: float) -> Steadied:
        """The next map, (h, w), 0 where there is no evidence, of a frame at a time in seconds.

        A map of another size, or one that is earlier than the last, begins anew.

        Raises:
            WhylightError: the map holds what is no number.
        """
        if raw.ndim != 2 or not np.isfinite(raw).all():
            raise WhylightError(
                f"map: expected finite numbers of the shape (height, width), got {raw.shape} with others"
            )
        if self._map is not None and (self._map.shape != raw.shape or time < self._time):
            self.begin()
        shown = np.array(raw, np.float32)
        passed = time - self._time
        if self._map is not None and self._smooth > 0:
            shown = (self._map + (1 - math.exp(-passed / self._smooth)) * (shown - self._map)).astype(np.float32)
        most = max(0.0, float(shown.max()))
        self._high = max(most, self._high * math.exp(-passed / self._fades) if self._map is not None else 0.0)
        hot = _hottest(shown)
        stability = None
        if hot is not None and self._hot is not None:
            stability = float((hot & self._hot).sum() / (hot | self._hot).sum())
        self._map, self._hot, self._time = shown, hot, time
        return Steadied(shown, self._high, stability)


def _hottest(map_: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """The hottest fifth of a map's places, at least one, all that tie for the last one included; None: no evidence anywhere."""
    count = max(1, round(HOTTEST * map_.size))
    limit = np.partition(map_.ravel(), map_.size - count)[map_.size - count]
    hot = map_ >= max(float(limit), 0.0)
    return hot & (map_ > 0) if (map_ > 0).any() else None
