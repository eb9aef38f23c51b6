"""Do maps find the object? Heat maps against annotated boxes and masks, method by method, picture by picture."""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict, Unpack

from whylight.errors import DataError, WhylightError
from whylight.evaluate.asking import Asking, How, Made
from whylight.evaluate.baselines import BASELINES
from whylight.evaluate.boxes import SCALE, THRESHOLDS
from whylight.evaluate.data import Labelled
from whylight.evaluate.findings.localization import Findings, result
from whylight.evaluate.labels import Labels
from whylight.evaluate.maps import DEFAULT, Rules, of_baseline, of_explanation
from whylight.evaluate.masks import EDGES
from whylight.evaluate.results import Result
from whylight.explanation import Explanation
from whylight.images import size_of
from whylight.jobs.lines import Key
from whylight.jobs.runner import Answer, Question
from whylight.jobs.store import Store, stamp
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.pipeline.workers import Workers
from whylight.schema import Count, Schema, Sized, Within
from whylight.targets import Target

Asked = Literal["true", "predicted", "both"]


class _Told(TypedDict, total=False):
    """What one map tells; see `maps.of_heat`. A map of another class than the picture's tells that it is, and nothing else."""

    correct: bool
    largest: Annotated[list[Annotated[int, Within(0, SCALE)]], Sized(len(THRESHOLDS))]
    any: Annotated[list[Annotated[int, Within(0, SCALE)]], Sized(len(THRESHOLDS))]
    pixels: Annotated[list[Annotated[list[Count], Sized(len(EDGES) - 1)]], Sized(2)]
    inside: bool
    near: bool
    energy: float | None
    peak: list[float] | None
    flat: str


RECORD = Schema(_Told)


@dataclass(frozen=True)
class Setup:
    """What is measured, and how.

    Attributes:
        methods: by the names that the report calls them.
        asked: the map of the picture's own class ("true": GT-known), of the most probable one ("predicted": top-1, a miss where
            it is another class), or both.
        rules: how maps are measured.
        thresholds: of each method the fixed share of the maximum at which its boxes are also counted; "" stands for all methods.
    """

    methods: Mapping[str, Method]
    asked: Asked = "true"
    rules: Rules = DEFAULT
    thresholds: Mapping[str, float] | None = None

    @property
    def classes_asked(self) -> tuple[str, ...]:
        """Whose maps are made, in order."""
        return ("true", "predicted") if self.asked == "both" else (self.asked,)


def localization(
    model: Classifier,
    pictures: Sequence[Labelled],
    setup: Setup,
    store: Store,
    *,
    model_name: str = "",
    data_name: str = "",
    protocol: Mapping[str, Any] | None = None,
    **how: Unpack[How],
) -> Result:
    """Measure how well maps find annotated objects, and how sure the figures are.

    Args:
        model: from `whylight.load` or `whylight.wrap`.
        pictures: from `data.read`; those that have neither boxes nor a mask are left out.
        setup: what is measured.
        store: what is known already; it gets the rest.
        model_name, data_name, protocol: for the report.
        how: `batch_size` and `precision` as in `explain`; `on_error`, called with picture and error where one cannot be measured,
            so that the rest goes on (default: it is raised); see `whylight.evaluate.asking.Asking`.

    Raises:
        DataError: if no picture is annotated with a class of the model, or none could be measured.
    """
    for threshold in (setup.thresholds or {}).values():
        check_threshold(threshold)
    annotated = [one for one in pictures if one.label is not None and (one.boxes or one.mask is not None)]
    if not annotated:
        raise DataError(
            "nothing is annotated: of each picture its class must be known, and where it is; give --boxes CSV, or --masks FOLDER "
            "with a folder for each class"
        )
    keys = measure(model, annotated, setup, store, **how)
    findings: dict[tuple[str, str], Findings] = {}
    rows: list[tuple[str, str]] = [(name, asked) for asked in setup.classes_asked for name in setup.methods]
    rows += [(name, "true") for name in BASELINES if "true" in setup.classes_asked]
    for name, asked in rows:
        found = [(one, store.get((*key, name, asked))) for one, key in zip(annotated, keys, strict=True)]
        there = [(one, record) for one, record in found if record is not None]
        if there:
            findings[name, asked] = Findings.of(there)
    if not findings:
        raise DataError("no picture could be measured; see the errors above")
    facts = {"pictures without annotation, left out": len(pictures) - len(annotated), **(protocol or {})}
    return result(findings, setup.rules, setup.thresholds or {}, model_name, data_name, facts)


def key_of(item: Labelled) -> Key:
    """What tells a picture and its annotation from others, and from what they were before they were edited."""
    truth = repr((item.label, item.boxes, stamp(item.mask) if item.mask is not None else None))
    return item.name, stamp(item.path), hashlib.sha256(truth.encode(errors="surrogateescape")).hexdigest()[:16]


def measure(
    model: Classifier, pictures: Sequence[Labelled], setup: Setup, store: Store, **how: Unpack[How]
) -> list[Key]:
    """Explain the pictures that the store does not know yet, and put down what their maps tell; returns each picture's key."""
    work = _Localizing(model, pictures, setup, store, **how)
    work.run()
    return [work.key(one) for one in pictures]


class _Localizing(Asking):
    """Questions are a method or a baseline, and whose class: `true` or `predicted`."""

    def __init__(
        self, model: Classifier, pictures: Sequence[Labelled], setup: Setup, store: Store, **how: Unpack[How]
    ) -> None:
        asked = [(name, whose) for name in setup.methods for whose in setup.classes_asked]
        baselines = [(name, "true") for name in BASELINES if "true" in setup.classes_asked]
        super().__init__(model, pictures, store, [*asked, *baselines], **how)
        self._setup = setup

    def key(self, item: Labelled) -> Key:
        """See `key_of`."""
        return key_of(item)

    def ask(
        self, items: Sequence[Labelled], questions: Sequence[Question], workers: Workers
    ) -> Generator[Answer[Labelled]]:
        """Explain; a map is measured in a thread. Where only baselines are missing, nothing is explained."""
        methods = self._setup.methods
        names = [name for name in methods if any(row == name for row, _ in questions)]
        asks = [whose for whose in self._setup.classes_asked if any(one == whose for _, one in questions)]
        if not names:
            for item in items:
                parts: list[Made] = []
                with self.watch.guarding(item.path):
                    parts = self._parts(item, questions, {}, size_of(item.path))
                if parts:
                    yield Answer(item, parts)
            return
        indices = self.classes(items)
        targets: list[Target] = [indices if whose == "true" else None for whose in asks]
        asked = [(name, whose) for name in names for whose in asks]
        for item, found in self.explained(items, [methods[name] for name in names], targets, workers):
            size, held = found[0].size, found[0].picture.width * found[0].picture.height
            parts = self._parts(item, questions, dict(zip(asked, found, strict=True)), size)
            del found  # nothing of one picture is held while the next is made
            yield Answer(item, parts, held)
            del parts

    def _parts(
        self, item: Labelled, questions: Sequence[Question], found: dict[Question, Explanation], size: tuple[int, int]
    ) -> list[Made]:
        index, rules = Labels(self.model.classes).index(item.label or ""), self._setup.rules
        made: list[Made] = []
        for row, whose in questions:
            key = (*self.key(item), str(row), str(whose))
            if row in BASELINES:
                made.append((key, partial(of_baseline, str(row), size, item, rules)))
            else:
                made.append((key, partial(_record, found[row, whose], item, index, str(whose), rules)))
        return made


def _record(ex: Explanation, one: Labelled, index: int, asked: str, rules: Rules) -> dict[str, Any]:
    if asked == "predicted":
        return {"correct": True, **of_explanation(ex, one, rules)} if ex.target == index else {"correct": False}
    return of_explanation(ex, one, rules)


def check_threshold(threshold: float, name: str = "threshold") -> None:
    """Raise a WhylightError where a threshold is none of those at which boxes are counted."""
    if not 0 < threshold <= 1 or abs(100 * threshold - round(100 * threshold)) > 1e-6:
        raise WhylightError(
            f"{name}: expected a share of the maximum above 0, up to 1, in steps of 0.01; got {threshold}"
        )
