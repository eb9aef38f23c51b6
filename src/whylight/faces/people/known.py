"""What a similarity means for the networks whose embeddings were measured: how often strangers reach it, and the same person.

`python -m benchmarks.faces.strangers --write` measures it and keeps the quantiles in `known.json`, by the networks' fingerprints.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("known.json")
# Of all similarities, the shares whose least one is kept, from all to the few highest.
SHARES = (0.999, 0.99, 0.95, 0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
NAMED = 0.05  # share of strangers that a gallery may give a name to, whatever its own pictures say


@dataclass(frozen=True)
class Known:
    """Similarities of a network, measured on people it was not trained on.

    Attributes:
        network: what it is called.
        same: of pairs of pictures of one person, the similarity that each of `SHARES` reaches.
        different: the same of pairs of different people.
        strangers: the same of pictures against somebody enrolled whom they do not show.
        pairs: how many pairs there were of one person, and of different ones.
        asked: how many pictures against people.
    """

    network: str
    same: Sequence[float]
    different: Sequence[float]
    strangers: Sequence[float]
    pairs: Sequence[int]
    asked: int

    def floor(self, people: int) -> float:
        """The similarity to the nearest of so many people that one stranger in twenty (`NAMED`) reaches.

        Who is like one person is taken to be none the liker to another. Beyond what was measured, the highest is taken.

        >>> Known("", (), (), [one / 20 for one in range(len(SHARES))], (), 0).floor(5)  # 0.05 / 5 of strangers reach it
        0.5
        """
        return _similarity(self.strangers, NAMED / max(people, 1))

    def reached(self, similarity: float, people: int = 1) -> float:
        """The share of strangers who are so alike to the nearest of so many people."""
        return float(1 - (1 - _share(self.strangers, similarity)) ** max(people, 1))

    def pair(self, similarity: float) -> tuple[float, float]:
        """The share of pairs that are so alike: of the same person, and of different people."""
        return _share(self.same, similarity), _share(self.different, similarity)


def known(fingerprint: str) -> Known | None:
    """What was measured of a network, by its embedder's fingerprint; None where nothing was."""
    return _read().get(fingerprint)


@lru_cache(maxsize=1)
def _read() -> dict[str, Known]:
    told: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    return {fingerprint: Known(**fields) for fingerprint, fields in told.items()}


def _similarity(quantiles: Sequence[float], share: float) -> float:
    """The similarity that a share reaches; between two that are kept, straight on a logarithmic scale of shares."""
    return float(np.interp(-np.log(share), -np.log(SHARES), quantiles))


def _share(quantiles: Sequence[float], similarity: float) -> float:
    """The share that reaches a similarity; what lies beyond all that is kept has the last share."""
    return float(np.exp(-np.interp(similarity, quantiles, -np.log(SHARES))))
