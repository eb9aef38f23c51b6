"""Where a model looks, for an audit: answers, features and maps of many pictures in one frame, with regions covered, judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from whylight.errors import WhylightError
from whylight.jobs.job import Job
from whylight.jobs.results import stamp
from whylight.jobs.session import Session
from whylight.schema import Text
from whylight.work.asked import methods_of, read_part, target_of
from whylight.work.evaluation import spread
from whylight.work.wrapping import Wrapping

if TYPE_CHECKING:
    from whylight.jobs.store import Store
    from whylight.models.base import Classifier
    from whylight.subgroups.chances.contrast import Floats
    from whylight.subgroups.looking.look import Setup
    from whylight.subgroups.looking.looked import Looked

JUDGED = "faithfulness"  # the folder in the results folder where it is told how faithful maps are


@dataclass(frozen=True)
class Questions:
    """What is asked of each picture.

    Attributes:
        method: makes the maps; default: the model's own. `options`: of it.
        target: as it is typed; None: each picture's top class.
        cover: parts of the face that are covered in everybody's picture, see `subgroups.frame.PARTS`.
        judged: of how many pictures it is measured how faithful their maps are, evenly spread.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    method: Text | None = None
    options: dict[str, Any] = field(default_factory=dict)
    target: Text | None = None
    cover: tuple[Text, ...] = ()
    judged: int = 0


@dataclass(frozen=True)
class Settings(Wrapping):
    """How maps are laid on one another, and how regions are covered.

    Attributes:
        align: `face`, the largest face in each picture, or `none`, pictures as they are.
        detector, detector_weights: what finds faces; the cascades look for upright ones only, which audits are about.
        fill: what covers a region: `mean` or `blur`.
    """

    align: Literal["none", "face"] = "face"
    detector: Literal["haar", "yunet", "cam"] = "haar"
    detector_weights: Text | None = None
    fill: Literal["mean", "blur"] = "mean"


class Attention:
    """The kind `attention`: inputs are pictures, one by one or by folder; those that cannot be read are named and left out."""

    def __init__(self, job: Job) -> None:
        from whylight.subgroups.looking.covering import regions_of

        if job.out is None:
            raise WhylightError("job attention: where do the results go? Give out=…")
        self.job, self.choice = job, job.choice
        self.asked, self.how = read_part(job, "questions", Questions), read_part(job, "settings", Settings)
        if self.asked.judged < 0:
            raise WhylightError(f"judged: expected a number of pictures, got {self.asked.judged}")
        chosen = methods_of((self.asked.method or job.choice.default_method,), {})
        self.method = next(iter(chosen))
        self.regions = regions_of(self.asked.cover)
        self.paths = list(dict.fromkeys(one for entry in job.inputs for one in _pictures(entry)))
        if self.how.align == "none" and self.regions:
            raise WhylightError("cover: parts of the face are known where faces are found; give align=face")

    def run(self, session: Session) -> Looked:
        """Do what is missing, and read all of it."""
        from whylight.subgroups.looking.covering import ELSEWHERE, HERE, cover_over, try_covered
        from whylight.subgroups.looking.look import look_over
        from whylight.subgroups.looking.looked import read

        assert session.folder is not None
        model = self.choice.load()
        session.watch.loaded(self.choice.name, self.choice.preparation(model))
        setup = self.setup(model)
        how: dict[str, Any] = {
            "watch": session.watch,
            "workers": session.workers,
            "batch_size": session.batch_size,
        }
        with self.store(session.folder, setup, overwrite=session.overwrite) as store:
            store.before_first = session.begin
            look_over(model, self.paths, setup, store, precision=self.choice.precision, **how)
            cover_over(model, self.paths, self.regions, store, fill=self.how.fill, **how)
            found = read(store, self.paths)
            covered = {
                (name, where): told
                for name, region in self.regions.items()
                for where in (HERE, ELSEWHERE)
                if (told := try_covered(store, self.paths, name, region, fill=self.how.fill, where=where)) is not None
            }
        there = [path for path, known in zip(found.paths, found.there, strict=True) if known]
        judged = self._judge(model, setup, session, there, found.paths) if self.asked.judged else {}
        return replace(
            found,
            covered=covered,
            judged=judged,
            classes=tuple(model.classes),
            multilabel=model.multilabel,
            told={"model": self.choice.name, **setup.settings(self.asked.target), "fill": self.how.fill},
        )

    def setup(self, model: Classifier) -> Setup:
        """What is asked of each picture."""
        from whylight.faces.detect import detector
        from whylight.faces.detectors.haar import HaarDetector
        from whylight.localize.locator import method_named
        from whylight.subgroups.looking.look import LEAST, Setup

        name, weights = self.how.detector, self.how.detector_weights
        options = {**self.asked.options, **self.how.wrapped()}
        method = self.how.wrap(method_named(model, self.method, **self.asked.options))
        target = target_of(self.asked.target, model)
        if name == "haar":
            return Setup(method, target, self.how.align, lambda: HaarDetector(turns=(), least=LEAST), options)
        finder = name if weights is None else f"{name} {stamp(weights)}"
        file = None if weights is None else Path(weights)
        return Setup(method, target, self.how.align, lambda: detector(name, weights=file), options, finder)

    def store(self, folder: Path, setup: Setup, *, overwrite: bool = False) -> Store:
        """What is known of the pictures."""
        from whylight.subgroups.looking.look import opened_store

        return opened_store(folder, setup, self.choice.identity(), self.asked.target, overwrite=overwrite)

    def _judge(
        self, model: Classifier, setup: Setup, session: Session, there: Sequence[Path], paths: Sequence[Path]
    ) -> dict[str, Floats]:
        """Measure how faithful the maps of some pictures are."""
        from whylight.evaluate.faithfulness import faithfulness
        from whylight.subgroups.looking.judging import judged, judged_setup, judged_store, labelled

        assert session.folder is not None
        asked = judged_setup(setup)
        settings = {**self.choice.identity(), **setup.settings(self.asked.target)}
        with judged_store(session.folder / JUDGED, asked, settings, overwrite=session.overwrite) as store:
            faithfulness(
                model,
                [labelled(path) for path in spread(list(dict.fromkeys(there)), self.asked.judged)],
                asked,
                store,
                batch_size=session.batch_size,
                precision=self.choice.precision,
                watch=session.watch,
                workers=session.workers,
            )
            return judged(store, asked, paths)


def _pictures(entry: str) -> list[Path]:
    """The pictures behind an input; a file that is not there stays, and is named among those that failed."""
    from whylight.images import walk

    path = Path(entry)
    return [Path(one).absolute() for one in walk([entry])] if path.is_dir() else [path.absolute()]
