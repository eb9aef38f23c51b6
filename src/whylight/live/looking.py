"""From frames to explanations: one forward for all that are there."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from whylight.engine import as_method
from whylight.errors import MethodError, WhylightError
from whylight.explanation import Explanation
from whylight.live.frame import Frame
from whylight.methods import Method
from whylight.models.base import Classifier, checked
from whylight.pipeline.ahead import Opened
from whylight.pipeline.explain import default_method, explain_opened
from whylight.targets import Target, resolve


class Looker:
    """Asks a model about frames.

    Args:
        model: from `whylight.load` or `whylight.wrap`.
        method: name or method; None: the model's default, Grad-CAM where it can.
        target: what is explained, as for `whylight.explain`; None: the most probable class of each frame.
        most: pictures in one forward.

    Raises:
        MethodError, TargetError: where the model cannot be asked that.
    """

    def __init__(self, model: Classifier, method: str | Method | None, target: Target, most: int = 16) -> None:
        self.model = checked(model)
        model.check_pictures()
        self.method = as_method(default_method(model) if method is None else method)
        reason = model.why_not(self.method)
        if reason is not None:
            raise MethodError(f"{self.method.name}: {reason}")
        self._target = resolve(target, model.classes)
        self._most = most

    def __call__(self, frames: Sequence[Frame]) -> list[Explanation | WhylightError]:
        """An explanation of each, or what is wrong with it."""
        found: list[Explanation | WhylightError] = []
        for start in range(0, len(frames), self._most):
            opened = [self._opened(place, one) for place, one in enumerate(frames[start : start + self._most])]
            found += explain_opened(self.model, opened, method=self.method, target=self._target)
        return found

    def next_class(self) -> str:
        """Explain the next class from now on: after the last one, whatever is most probable again; its name."""
        target = self._target.index
        following = 0 if target is None else target + 1
        if following >= len(self.model.classes):
            self._target = resolve(None, self.model.classes)
            return "the most probable"
        self._target = resolve(following, self.model.classes)
        return self.model.classes[following]

    def next_method(self, names: Sequence[str]) -> str:
        """Use the next of some methods from now on, of those that the model can do; its name."""
        able = [name for name in names if self.model.why_not(name) is None] or [self.method.name]
        place = able.index(self.method.name) + 1 if self.method.name in able else 0
        self.method = as_method(able[place % len(able)])
        return self.method.name

    def _opened(self, place: int, frame: Frame) -> Opened:
        picture = Image.fromarray(frame.pixels)
        preprocessing = self.model.preprocessing
        region, x = preprocessing.region(picture.size), preprocessing(picture)
        return Opened(place, picture, 0, frame.source, picture, region, x)
