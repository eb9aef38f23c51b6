"""How fast it was: frames, drops, ages, and how long each stage took."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import Any

import numpy as np

_KEPT = 100_000  # numbers of each kind; of more, every other one is left out


class _Numbers:
    """Many numbers, of which evenly spread ones are kept."""

    def __init__(self) -> None:
        self._values: list[float] = []
        self._each, self._count = 1, 0

    def add(self, value: float) -> None:
        if self._count % self._each == 0:
            self._values.append(value)
            if len(self._values) >= _KEPT:
                self._values = self._values[::2]
                self._each *= 2
        self._count += 1

    def told(self, times: float) -> dict[str, float]:
        at = np.quantile(self._values, (0.5, 0.95, 0.99)) * times
        return {name: round(float(value), 3) for name, value in zip(("p50", "p95", "p99"), at, strict=True)}


class Stats:
    """Counts while frames are looked at; safe to tell from several threads.

    Attributes:
        frames: explained so far.
        dropped: of each source, those that were not looked at.
        failed: sentences: what went wrong with a frame, or with one source of several.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.dropped: list[int] = []
        self.failed: list[str] = []
        self._stages: dict[str, _Numbers] = defaultdict(_Numbers)
        self._ages = _Numbers()
        self._stable = [0.0, 0]
        self._first: float | None = None
        self._last = 0.0
        self._lock = threading.Lock()

    def took(self, stage: str, seconds: float) -> None:
        """A stage took so long for one frame."""
        with self._lock:
            self._stages[stage].add(seconds)

    def saw(self, stability: float | None) -> None:
        """A frame was explained."""
        with self._lock:
            now = time.perf_counter()
            self._first = now if self._first is None else self._first
            self._last = now
            self.frames += 1
            if stability is not None:
                self._stable[0] += stability
                self._stable[1] += 1

    def shown(self, age: float) -> None:
        """A frame was shown, or written, so many seconds after it came."""
        with self._lock:
            self._ages.add(age)

    @property
    def rate(self) -> float:
        """Frames a second, from the first to the last; 0 before there are two."""
        with self._lock:
            passed = self._last - (self._first or 0.0)
            return (self.frames - 1) / passed if self.frames > 1 and passed > 0 else 0.0

    def told(self) -> dict[str, Any]:
        """All of it, as JSON has it: times in milliseconds."""
        rate = self.rate
        with self._lock:
            return {
                "frames": self.frames,
                "seconds": round(self._last - (self._first or 0.0), 3),
                "fps": round(rate, 2),
                "dropped": sum(self.dropped),
                "failed": len(self.failed),
                "stability": round(self._stable[0] / self._stable[1], 4) if self._stable[1] else None,
                "age_ms": self._ages.told(1000) if self.frames and self._ages._values else None,
                "stages_ms": {name: numbers.told(1000) for name, numbers in self._stages.items()},
            }
