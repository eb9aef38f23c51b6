"""Run a model over many pictures: answers, features and maps in one frame, all of one forward; what is known is not asked again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from PIL import Image
from torch import Tensor, stack
from typing_extensions import TypedDict

from whylight.cells import Span
from whylight.engine import Precision, look
from whylight.errors import ModelError, WhylightError
from whylight.faces.detectors.haar import HaarDetector
from whylight.faces.types import Detector
from whylight.images.preprocess import Region
from whylight.jobs.events import Watch
from whylight.jobs.lines import Key, Record
from whylight.jobs.runner import Answer, Question, carry_out
from whylight.jobs.store import Store, stamp
from whylight.methods import Method
from whylight.models.base import Classifier, checked
from whylight.pipeline.ahead import Opened
from whylight.pipeline.ask import ask_each
from whylight.pipeline.workers import Workers
from whylight.schema import Schema, Text
from whylight.subgroups.looking.frame import SIDE, Align, Frame, evidence_in, of_face, of_picture
from whylight.subgroups.looking.last import LastFeatures
from whylight.subgroups.looking.packing import packed
from whylight.targets import Resolved, Target, resolve

KIND = "attention"
LOOKED: Question = ("look",)
LEAST = 0.15  # of the shorter side, of a face that an audit is about


class LookRecord(TypedDict, total=False):
    """What is written down of a picture, or of one of its covered copies: arrays as `packing` has them."""

    logits: Text
    features: Text
    map: Text
    labels: Text
    matrix: list[float]
    shares: list[float] | None
    inside: float
    aligned: Text
    asked: int
    area: float


RECORD = Schema(LookRecord)


@dataclass(frozen=True)
class Setup:
    """What is asked of each picture.

    Attributes:
        method: makes the maps.
        target: whose evidence is shown; None: each picture's top class.
        align: `face` lays maps on the largest face, `none` on the picture as it is.
        detector: makes what finds faces, for each thread one; default: cascades for upright faces.
        options: of the method, as they were given; `finder`: the detector in words. Both only tell results apart.
    """

    method: Method
    target: Target = None
    align: Align = "face"
    detector: Callable[[], Detector] = field(default=lambda: HaarDetector(turns=(), least=LEAST))
    options: Mapping[str, Any] = field(default_factory=dict)
    finder: str = "haar, upright, large"

    def settings(self, told: str | None = None) -> dict[str, Any]:
        """All that results depend on besides the model and the picture; `told`: the target as it was typed."""
        target = told if told is not None else None if self.target is None else str(self.target)
        found = {"method": self.method.name, "options": dict(self.options), "target": target, "align": self.align}
        return {**found, "side": SIDE, **({"detector": self.finder} if self.align == "face" else {})}


class _Made(NamedTuple):
    """What a model said of one picture."""

    logits: Tensor
    features: Tensor
    evidence: Tensor  # (h, w), 0 meaning none
    span: Span
    asked: int


Part = tuple[Path, Image.Image, Region, _Made]


class Looking:
    """Work for the runner: one question, `look`.

    Args:
        model: whose attention it is.
        setup: what is asked.
        store: what is known already; it gets the rest.
        watch: is told of everything, and stops the work.
        batch_size, precision: as in `explain`.
    """

    questions: ClassVar[Sequence[Question]] = (LOOKED,)

    def __init__(
        self,
        model: Classifier,
        setup: Setup,
        store: Store,
        watch: Watch,
        *,
        batch_size: int | None = None,
        precision: Precision = "auto",
    ) -> None:
        self.model, self.setup, self.store, self.watch = model, setup, store, watch
        self._batch_size, self._precision = batch_size, precision
        self.patient = setup.method.is_slow
        self._own = threading.local()
        self._workers: Workers | None = None

    def knows(self, item: Path, question: Question) -> bool:
        """Whether the store does."""
        return key_of(item, question) in self.store

    def prepare(self) -> None:
        """Find out where features are caught, and whose evidence is shown."""
        if (why := self.model.why_not(self.setup.method)) is not None:
            raise WhylightError(f"{why}; these work: {', '.join(self.model.applicable_methods())}")
        self._target = resolve(self.setup.target, self.model.classes)
        self._last = LastFeatures(self.model)

    def source(self, item: Path) -> Path:
        """The picture's path."""
        return item

    def ask(self, items: Sequence[Path], questions: Sequence[Question], workers: Workers) -> Generator[Answer[Path]]:
        """Explain pictures, and keep what came out of the same forward."""
        self._workers = workers
        size = self._batch_size or (1 if self.patient else 16 if self.model.device.type == "cpu" else 32)
        for opened, made in ask_each(
            self.model, items, self._looked, size, targets=[self._target], on_error=self.watch.failed, workers=workers
        ):
            part: Part = (items[opened.place], opened.picture, opened.region, made)
            yield Answer(items[opened.place], [part], opened.pixels)
            del opened, made, part  # nothing of one picture is held while the next is made

    def _looked(self, batch: Sequence[Opened]) -> list[_Made | WhylightError]:
        x = stack([one.x for one in batch])
        target: Resolved = self._target.take([one.place for one in batch])
        with self._last.catching():
            (seen,) = look(
                self.model,
                x,
                [self.setup.method],
                [target],
                precision=self._precision,
                tick=self.watch.step,
                most=self._batch_size,
            )
        features, logits = self._last.of(seen.logits), seen.logits.cpu()
        evidence = (seen.maps - seen.levels.to(seen.maps.device)[:, None, None]).cpu()
        asked = [-1] * len(batch) if seen.indices is None else seen.indices.tolist()
        fine = (logits.isfinite().all(1) & features.isfinite().all(1) & evidence.flatten(1).isfinite().all(1)).tolist()
        return [
            _Made(logits[i], features[i], evidence[i], seen.span, asked[i])
            if fine[i]
            else ModelError(
                f"{one.name}: its answer, features or map are not finite; try float32, or look into its weights"
            )
            for i, one in enumerate(batch)
        ]

    def write(self, part: Part) -> tuple[Key, Record]:
        """Lay a map into its frame: in a thread, while the network looks at others."""
        path, picture, region, made = part
        assert self._workers is not None
        with self._workers.at("draw"):
            frame = of_picture(picture.size) if self.setup.align == "none" else of_face(picture, self._detector())
            record: Record = {
                "logits": packed(made.logits, "f4"),
                "features": packed(made.features, "f4"),
                "asked": made.asked,
                "aligned": "no face" if frame is None else frame.aligned,
            }
            if frame is not None:
                record |= _in_frame(frame, made, region, picture.size)
        return key_of(path, LOOKED), record

    def note(self, part: tuple[Key, Record]) -> None:
        """One line more."""
        self.store.add(*part)

    def _detector(self) -> Detector:
        """This thread's own: a cascade keeps what it works on within itself."""
        found: Detector | None = getattr(self._own, "detector", None)
        if found is None:
            found = self._own.detector = self.setup.detector()
        return found


def _in_frame(frame: Frame, made: _Made, region: Region, size: tuple[int, int]) -> Record:
    evidence = evidence_in(frame, made.evidence, region, made.span, size)
    most = float(evidence.map.max())
    return {
        "map": packed(evidence.map / most if most > 0 else evidence.map, "f2"),  # of its own maximum: float16 is enough
        "labels": packed(frame.coarse, "u1", squeezed=True),
        "matrix": frame.matrix.ravel().tolist(),
        "shares": evidence.shares,
        "inside": evidence.inside,
    }


def key_of(path: Path, question: Question) -> Key:
    """What tells a picture from others, and from what it was before."""
    return str(path), stamp(path), *map(str, question)


def look_over(
    model: Classifier,
    paths: Sequence[str | Path],
    setup: Setup,
    store: Store,
    *,
    watch: Watch | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
    precision: Precision = "auto",
) -> None:
    """Ask a model about pictures, those that a store knows left out; `whylight.subgroups.looking.looked.read` reads what was found.

    Args:
        model: from `whylight.load` or `whylight.wrap`.
        paths: pictures; one that comes twice is asked about once.
        setup: what is asked.
        store: gets a line for each picture, at once: a killed run goes on from there.
        watch: is told of everything, such as pictures that cannot be read; default: the first of these ends it.
        workers: threads that decode, find faces and lay maps on them.
        batch_size, precision: as in `whylight.explain`.

    Raises:
        WhylightError: if the method does not apply to the model, or the target does not exist.
    """
    work = Looking(checked(model), setup, store, watch or Watch(), batch_size=batch_size, precision=precision)
    carry_out(work, list(dict.fromkeys(map(Path, paths))), work.watch, workers)


def opened_store(
    folder: Path, setup: Setup, model: Mapping[str, Any], told: str | None = None, *, overwrite: bool = False
) -> Store:
    """The store of a folder.

    Args:
        folder: the results folder.
        setup: what is asked.
        model: what tells the model from others, such as `ModelChoice.identity()`.
        told: the target as it was typed.
        overwrite: throw earlier records away.

    Raises:
        WhylightError: if the folder holds records of another kind, or made with other settings.
    """
    return Store(folder, KIND, {**model, **setup.settings(told)}, overwrite=overwrite, schema=RECORD)
