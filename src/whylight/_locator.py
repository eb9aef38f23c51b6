"""Which map boxes are cut out of where none is asked for.

LayerCAM at the last two stages: the last one says what is there, the one before where it ends. By default averaged over the
mirrored picture and larger inputs; `fast` is the one pass. `benchmarks/locate.py` has the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from whylight import methods
from whylight.errors import ModelError
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.models.layers import stages
from whylight.models.model import Model

THRESHOLD = 0.4  # of a single map's maximum; the best one for plain CAM on photographs of single objects
STAGES = 2
SCALES = (1.0, 1.25, 1.5)


@dataclass(frozen=True)
class Locator:
    """A method, and the share of its maps' maximum at which boxes are cut out."""

    method: str | Method
    threshold: float = THRESHOLD

    def threshold_for(self, model: Classifier) -> float:
        """The threshold that was calibrated for this model and method, else this one."""
        known = model.localization
        name = self.method if isinstance(self.method, str) else self.method.name
        return float(known["threshold"]) if known is not None and known["method"] == name else self.threshold


def default_locator(model: Classifier, *, fast: bool = False) -> Locator:
    """What finds objects best with this model, or best in one pass.

    A network that takes one size of input only is shown the picture and its mirror image; one that has a single grid is looked at
    there; one that can only be asked from outside is explained by RISE.
    """
    if not isinstance(model, Model):
        return Locator("rise")
    names = stages(model)[-STAGES:]
    method: Method = methods.get("layercam") if len(names) == 1 else methods.layers("layercam", names, fusion="mean")
    if fast:
        return Locator(method)
    scales = SCALES if all(_takes(model, scale) for scale in SCALES) else (1.0,)
    return Locator(methods.tta(method, flip=True, scales=scales))


def _takes(model: Model, scale: float) -> bool:
    """Whether the network runs on an input of another size."""
    height, width = (max(1, round(side * scale)) for side in model.preprocessing.size)
    try:
        model.logits(torch.zeros((1, 3, height, width)))
    except (AssertionError, RuntimeError, ValueError, ModelError):
        return False
    return True
