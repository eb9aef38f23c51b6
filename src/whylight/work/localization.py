"""Evaluate localization: do maps find annotated objects?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from whylight.jobs.job import Job
from whylight.jobs.session import Session
from whylight.schema import Text
from whylight.work.asked import read_part
from whylight.work.evaluation import Evaluation, MethodQuestions
from whylight.work.wrapping import Wrapping

if TYPE_CHECKING:
    from whylight.evaluate.results import Result
    from whylight.models.base import Classifier


@dataclass(frozen=True)
class Questions(MethodQuestions):
    """Whose map (`target`): of the picture's class, of the most probable one, or both."""

    target: Literal["true", "predicted", "both"] = "true"


@dataclass(frozen=True)
class Settings(Wrapping):
    """What maps are held against, and how.

    Attributes:
        boxes, masks: the annotations; `label`: the class that everything annotated is.
        threshold: also count boxes at this share of the maximum; default: what `calibrate` stored, or `locate` has.
        tolerance, inclusive, mask_ignore, seed: see `whylight.evaluate.maps.Rules`.
    """

    boxes: Text | None = None
    masks: Text | None = None
    label: Text | None = None
    threshold: float | None = None
    tolerance: float = 15.0
    inclusive: bool = False
    mask_ignore: int | None = None
    seed: int = 0


class Localization(Evaluation):
    """The kind `localization`."""

    def __init__(self, job: Job) -> None:
        self.asked = read_part(job, "questions", Questions)
        self.how = read_part(job, "settings", Settings)
        super().__init__(job, self.asked, self.how)
        if self.how.threshold is not None:
            from whylight.evaluate.localization import check_threshold

            check_threshold(self.how.threshold, "--threshold")

    def run(self, session: Session) -> Result:
        """Measure what is missing, and write the report."""
        from whylight.evaluate.examples import examples
        from whylight.evaluate.localization import RECORD, Setup, localization
        from whylight.evaluate.maps import Rules
        from whylight.jobs.store import Store

        how = self.how
        rules = Rules(how.tolerance, how.inclusive, how.mask_ignore, how.seed)
        model, pictures = self.loaded(how.label, how.boxes, how.masks)
        thresholds = {"": how.threshold} if how.threshold is not None else self._calibrated(model)
        assert session.folder is not None
        settings = self.settings(rules._asdict())
        setup = Setup(self.made(model), self.asked.target, rules, thresholds)
        with Store(session.folder, "localization", settings, overwrite=session.overwrite, schema=RECORD) as store:
            store.before_first = session.begin
            result = localization(
                model,
                pictures,
                setup,
                store,
                model_name=self.choice.name,
                data_name=" + ".join(str(one) for one in (self.data, how.boxes, how.masks) if one is not None),
                protocol={
                    **self.protocol(model),
                    "overlaps": "corners count as pixels inside, as in wsolevaluation"
                    if rules.inclusive
                    else "half-open",
                    "seed": rules.seed,
                },
                **self.asking(session),
            )
            shown = examples(model, pictures, setup, store, result, on_error=lambda *_: None)  # told of already
        result.save(session.folder, shown)
        return result

    def _calibrated(self, model: Classifier) -> dict[str, float]:
        """The threshold that `calibrate` stored with the model, for the method it was chosen for, under the same options; and of
        locate's own maps, the one that `locate` takes.
        """
        from whylight.localize.locator import NAMES, default_locator

        around, found = self.wrapping.wrapped(), {}
        if not around:
            fast = {name: name == "locate-fast" for name in NAMES if name in self.chosen}
            found = {name: default_locator(model, fast=quick).threshold_for(model) for name, quick in fast.items()}
        stored = model.localization
        if stored is not None and stored.get("around", {}) == around and self.chosen.get(str(stored["method"])) == {}:
            found[str(stored["method"])] = float(stored["threshold"])
        return found
