"""Maps that stay steady from frame to frame: smoothed by the seconds that passed, on a scale that remembers what there was."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.errors import WhylightError

FADES = (
    2.0  # seconds in which the scale falls to 1/e: longer than a blink, shorter than it takes to forget what was there
)
HOTTEST = 0.2  # share of a map's places


class Steadied(NamedTuple):
    """A map as it is to be shown.

    Attributes:
        map: (h, w) float32, smoothed, in its own units.
        low: the value that means no evidence, and is drawn as nothing.
        high: the value that is drawn as the most; `low` where there has been no evidence.
        stability: overlap (intersection over union) of the hottest fifth of this map's places with that of the frame before. Of
            two frames that both show nothing, and of a first one, it is None; where evidence comes or goes it is 0.
    """

    map: NDArray[np.float32]
    low: float
    high: float
    stability: float | None

    @property
    def brightness(self) -> NDArray[np.float32]:
        """How strongly each place is drawn: (h, w) float32 in [0, 1]."""
        reach = self.high - self.low
        if not reach > 0:
            return np.zeros_like(self.map)
        shares = (self.map.astype(float) - self.low) / reach
        return shares.clip(0, 1).astype(np.float32)


class Steady:
    """Carries the maps of one moving picture from frame to frame.

    The scale rises with the evidence at once, and falls slowly. So a frame with a tenth of the evidence of the frame before is
    drawn at a tenth: what is hardly there stays dark, rather than being stretched to full.

    All that is counted in seconds depends on time stamps alone, not on how many frames there are. Of maps with one time stamp, the
    last counts. An earlier time stamp, a map of another size or about another thing starts anew.

    Args:
        smooth: time constant τ of the exponential mean in seconds: a map dt seconds after the last weighs 1 − exp(−dt/τ); 0: none.
        fades: seconds in which the scale falls to 1/e of itself where there is less evidence than there was.
        least: the scale never gets shorter than this, in the map's units, so that weaker evidence is never drawn at full; 0: no
            limit.

    Raises:
        WhylightError: if one of them is out of range.

    >>> steady, map_ = Steady(), np.eye(4)
    >>> steady(map_, 0.0).high
    1.0
    >>> round(float(steady(map_ / 10, 0.04).brightness.max()), 3)  # not 1
    0.102
    """

    def __init__(self, smooth: float = 0.0, fades: float = FADES, least: float = 0.0) -> None:
        if not (math.isfinite(smooth) and smooth >= 0):
            raise WhylightError(f"smooth: expected seconds, 0 or more, got {smooth}")
        if not (math.isfinite(fades) and fades > 0):
            raise WhylightError(f"fades: expected seconds, more than 0, got {fades}")
        if not (math.isfinite(least) and least >= 0):
            raise WhylightError(f"least: expected a length in the map's units, 0 or more, got {least}")
        self._smooth, self._fades, self._least = smooth, fades, least
        self._about: Hashable = None
        self.begin()

    def begin(self) -> None:
        """Forget all maps so far: what follows is about another thing."""
        self._time: float | None = None
        self._before: _Mean | None = None  # the mean of all maps before `_time`, and when that was
        self._mean: _Mean | None = None
        self._hot: NDArray[np.bool_] | None = None
        self._reach = 0.0

    def __call__(
        self, map_: NDArray[np.floating[Any]], time: float, level: float = 0.0, about: Hashable = None
    ) -> Steadied:
        """The next map as it is to be shown.

        Args:
            map_: (h, w); it is not changed.
            time: of its frame, in seconds since whenever.
            level: the map's value that means no evidence.
            about: what the map is about, as the class; where it is another than last time, the map stands for itself.

        Raises:
            WhylightError: if the map is not one of finite numbers, or the time or the level is no number; what came before is kept.
        """
        new = _Mean(_checked(map_), _finite("level", level), _finite("time", time))
        if self._mean is not None and self._time is not None:
            if about != self._about or new.map.shape != self._mean.map.shape or time < self._time:
                self.begin()
            elif time > self._time:
                self._before = self._mean
        passed = 0.0 if self._time is None else time - self._time
        self._about, self._time = about, time
        self._mean = self._mixed(new)

        low = self._mean.level
        above = self._mean.map - np.float32(low)
        self._reach = max(float(above.max()), self._reach * math.exp(-passed / self._fades), 0.0)
        hot, was = _hottest(above), self._hot
        self._hot = hot
        return Steadied(
            self._mean.map.copy(),
            low,
            low + (max(self._reach, self._least) if self._reach > 0 else 0.0),
            None if was is None or not (hot | was).any() else float((hot & was).sum() / (hot | was).sum()),
        )

    def _mixed(self, new: _Mean) -> _Mean:
        """A new map and what came before it; the level is smoothed as the map is, so that no evidence stays no evidence."""
        old = self._before
        if old is None or self._smooth == 0:
            return new
        weight = -math.expm1(-(new.time - old.time) / self._smooth)
        return _Mean(
            ((1 - weight) * old.map + weight * new.map).astype(np.float32, copy=False),
            (1 - weight) * old.level + weight * new.level,
            new.time,
        )


class _Mean(NamedTuple):
    map: NDArray[np.float32]
    level: float
    time: float


def _checked(map_: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and refused
        found = np.array(map_, np.float32)
    if found.ndim != 2 or not found.size:
        raise WhylightError(f"map: expected numbers of the shape (height, width), got {found.shape}")
    if not np.isfinite(found).all():
        count = int((~np.isfinite(found)).sum())
        raise WhylightError(f"map: {count} of {found.size} places hold no finite number; leave this frame out")
    return found


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise WhylightError(f"{name}: expected a finite number, got {value}")
    return float(value)


def _hottest(above: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The hottest fifth of the places and all that are as hot as its last, of those with evidence; none if all places are alike."""
    if above.min() == above.max():
        return np.zeros_like(above, dtype=bool)
    count = max(1, round(HOTTEST * above.size))
    last = np.partition(above, above.size - count, axis=None)[above.size - count]
    hot: NDArray[np.bool_] = (above >= last) & (above > 0)
    return hot
