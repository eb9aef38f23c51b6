"""Which map boxes are cut out of where none is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from whylight.methods import Method
from whylight.models.base import Classifier

PLAIN = 0.4


@dataclass(frozen=True)
class Locator:
    method: str | Method
    threshold: float | None

    def threshold_for(self, model: Classifier) -> float:
        return PLAIN if self.threshold is None else self.threshold


def default_locator(model: Classifier, *, fast: bool = False) -> Locator:
    return Locator("gradcam", 0.4)
