"""Which map boxes are cut out of where none is asked for.

LayerCAM at the last two stages (the last one says what is there, the one before where it ends), spread over what the network
holds for the same stuff, and refined along the picture's edges. By default averaged over the mirrored picture and larger
inputs; `fast` is the one pass. `benchmarks/localization/locate.py` has the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from whylight import methods
from whylight.errors import MethodError, ModelError
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.models.layers import stages
from whylight.models.model import Model

THRESHOLD = 0.4  # of a map's maximum; the best one for plain CAM on photographs of single objects
SPREAD = 0.48  # the same for maps spread and refined, of two networks: benchmarks/localization/locate.py
STAGES = 2
SCALES = (1.0, 1.25, 1.5, 1.75)
WEIGHT, FAST_WEIGHT = 0.25, 1.0  # of the picture's edges: one pass has the coarser map, and needs them more
NAMES = ("locate", "locate-fast")  # by which the default maps can be evaluated and calibrated like any method


@dataclass(frozen=True)
class Locator:
    """A method, what it is called, and the share of its maps' maximum at which boxes are cut out."""

    method: str | Method
    threshold: float = THRESHOLD
    called: str = ""

    def threshold_for(self, model: Classifier) -> float:
        """The threshold that was calibrated for this model and method, else this one.

        `locate` and `locate-fast` differ in the passes they take, and not in what their maps' values mean: either's does for both,
        where it was not calibrated itself.
        """
        known = model.localization
        name = self.called or (methods.get(self.method) if isinstance(self.method, str) else self.method).name
        if known is None or not _like(known["method"], name) or known.get("options") or known.get("around"):
            return self.threshold
        return float(known["threshold"])


@dataclass(frozen=True)
class Supported(Method):
    """A method whose map is blank where Grad-CAM's is: where nothing speaks for the class, there is nothing to locate.

    LayerCAM alone cannot tell: it adds up what speaks for a class, and leaves out what speaks against it.

    Args:
        inner: the method.
        layer: the layer whose evidence is weighed up.
    """

    inner: Method
    layer: str

    @property
    def name(self) -> str:  # type: ignore[override]
        """The inner method's."""
        return self.inner.name

    @property
    def units(self) -> str:  # type: ignore[override]
        """The inner method's."""
        return self.inner.units

    @property
    def needs(self) -> tuple[str, ...]:
        """What the inner method needs, and activations and gradients."""
        return tuple(dict.fromkeys((*self.inner.needs, "activations", "gradients")))

    def run(self, about: Any) -> methods.Maps:
        """Run the inner method, and leave nothing of its maps where nothing speaks for the class."""
        found = self.inner.run(about)
        (at,) = about.at_layers([self.layer], methods.get("gradcam"))  # which the inner method has looked at already
        some = methods.gradcam(at.activations, at.gradients).relu().amax((1, 2)) > 0
        return methods.Maps(found.values * some.reshape(-1, 1, 1), found.details, found.levels)


def _like(calibrated: str, name: str) -> bool:
    return calibrated == name or {calibrated, name} == set(NAMES)


def default_locator(model: Classifier, *, fast: bool = False) -> Locator:
    """What finds objects best with this model, or best in one pass.

    A network that takes one size of input only is shown the picture and its mirror image; one that has a single grid is looked at
    there; one that can only be asked from outside is explained by RISE.
    """
    called = "locate-fast" if fast else "locate"
    if not isinstance(model, Model):
        return Locator("rise", called=called)
    names = stages(model)[-STAGES:]
    method: Method = methods.get("layercam") if len(names) == 1 else methods.layers("layercam", names, fusion="mean")
    method = methods.spread(method, names[0])
    if not fast:
        scales = SCALES if all(_takes(model, scale) for scale in SCALES) else (1.0,)
        method = methods.tta(method, flip=True, scales=scales)
    method = methods.refine(method, weight=FAST_WEIGHT if fast else WEIGHT)
    return Locator(Supported(method, names[-1]), SPREAD, called)


def method_named(model: Classifier, name: str, **options: Any) -> Method:
    """A registered method; or what `locate` takes by default with this model, by the names in `NAMES`.

    Raises:
        MethodError: if there is no such method or option.
    """
    if name not in NAMES:
        return methods.get(name, **options)
    if options:
        raise MethodError(f"method {name!r} has no option {next(iter(options))!r}; it has none")
    chosen = default_locator(model, fast=name == "locate-fast").method
    return methods.get(chosen) if isinstance(chosen, str) else chosen


def _takes(model: Model, scale: float) -> bool:
    """Whether the network runs on an input of another size."""
    height, width = (max(1, round(side * scale)) for side in model.preprocessing.size)
    try:
        model.logits(torch.zeros((1, 3, height, width)))
    except (AssertionError, RuntimeError, ValueError, ModelError):
        return False
    return True
