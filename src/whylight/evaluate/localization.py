"""Do maps find the object? Heat maps against annotated boxes and masks, method by method, picture by picture."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from whylight.engine import Precision
from whylight.errors import DataError, ImageError, WhylightError
from whylight.evaluate.baselines import BASELINES
from whylight.evaluate.data import Labelled
from whylight.evaluate.findings.localization import Findings, result
from whylight.evaluate.labels import Labels
from whylight.evaluate.maps import DEFAULT, Rules, of_baseline, of_explanation
from whylight.evaluate.results import Result
from whylight.explanation import Explanation
from whylight.images import size_of
from whylight.jobs.lines import Key
from whylight.jobs.store import Store, stamp
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.pipeline.ahead import OnError
from whylight.pipeline.explain import explain_each
from whylight.progress import Bars

Asked = Literal["true", "predicted", "both"]
Question = tuple[str, str]  # method, and whose class: "true" or "predicted"


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
    batch_size: int | None = None,
    precision: Precision = "auto",
    on_error: OnError | None = None,
    bar: Bars | None = None,
) -> Result:
    """Measure how well maps find annotated objects, and how sure the figures are.

    Args:
        model: from `whylight.load` or `whylight.wrap`.
        pictures: from `data.read`; those that have neither boxes nor a mask are left out.
        setup: what is measured.
        store: what is known already; it gets the rest.
        model_name, data_name, protocol: for the report.
        batch_size, precision: as in `explain`.
        on_error: called with picture and error where one cannot be measured; the rest goes on. Default: it is raised.
        bar: shows progress.

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
    keys = measure(
        model, annotated, setup, store, batch_size=batch_size, precision=precision, on_error=on_error, bar=bar
    )
    findings: dict[Question, Findings] = {}
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


def measure(
    model: Classifier,
    pictures: Sequence[Labelled],
    setup: Setup,
    store: Store,
    *,
    batch_size: int | None = None,
    precision: Precision = "auto",
    on_error: OnError | None = None,
    bar: Bars | None = None,
) -> list[Key]:
    """Explain the pictures that the store does not know yet, and put down what their maps tell; returns each picture's key."""
    shown = bar or Bars()
    labels = Labels(model.classes)
    classes = [labels.index(one.label or "") for one in pictures]
    keys = [_key(one) for one in pictures]
    missing: dict[tuple[Question, ...], list[int]] = {}
    for place, key in enumerate(keys):
        left = tuple(
            (name, asked) for name in setup.methods for asked in setup.classes_asked if (*key, name, asked) not in store
        )
        if left:
            missing.setdefault(left, []).append(place)
        else:
            shown.picture()
            _add_baselines(store, key, pictures[place], setup)

    def failed(picture: Any, error: WhylightError) -> None:
        if on_error is None:
            raise error
        shown.picture()
        on_error(picture, error)

    for questions, places in missing.items():
        names = list(dict.fromkeys(name for name, _ in questions))
        asks = [asked for asked in setup.classes_asked if asked in {asked for _, asked in questions}]
        waiting = deque(places)
        for found in explain_each(
            model,
            [pictures[place].path for place in places],
            methods=[setup.methods[name] for name in names],
            targets=[[classes[place] for place in places] if asked == "true" else None for asked in asks],
            batch_size=batch_size,
            precision=precision,
            on_error=failed,
            on_step=shown.step,
        ):
            place = _whose(found[0], waiting, pictures, classes if "true" in asks else None)
            one, key = pictures[place], keys[place]
            try:
                for (name, asked), ex in zip(((n, a) for n in names for a in asks), found, strict=True):
                    if (name, asked) in questions:
                        store.add((*key, name, asked), _record(ex, one, classes[place], asked, setup.rules))
                _add_baselines(store, key, one, setup, found[0].picture.size)
            except DataError as error:  # its mask
                failed(one.path, error)
            else:
                shown.picture()
    return keys


def _key(one: Labelled) -> Key:
    """What tells a picture and its annotation from others, and from what they were before they were edited."""
    truth = repr((one.label, one.boxes, stamp(one.mask) if one.mask is not None else None))
    return one.name, stamp(one.path), hashlib.sha256(truth.encode()).hexdigest()[:16]


def _whose(found: Explanation, waiting: deque[int], pictures: Sequence[Labelled], classes: Sequence[int] | None) -> int:
    """Which picture an explanation is of: they come in order, but those that failed are left out."""
    while True:
        place = waiting.popleft()
        same = os.fspath(pictures[place].path) == found.source
        if same and (classes is None or classes[place] == found.target):
            return place


def _record(ex: Explanation, one: Labelled, index: int, asked: str, rules: Rules) -> dict[str, Any]:
    if asked == "predicted":
        return {"correct": True, **of_explanation(ex, one, rules)} if ex.target == index else {"correct": False}
    return of_explanation(ex, one, rules)


def _add_baselines(
    store: Store, key: Key, one: Labelled, setup: Setup, picture_size: tuple[int, int] | None = None
) -> None:
    """Measure the baselines' maps, too, where the class's own map is asked for."""
    for name in BASELINES if "true" in setup.classes_asked else ():
        if (*key, name, "true") not in store:
            try:
                picture_size = picture_size or size_of(one.path)
            except ImageError:  # it could be read when it was measured
                return
            store.add((*key, name, "true"), of_baseline(name, picture_size, one, setup.rules))


def check_threshold(threshold: float, name: str = "threshold") -> None:
    """Raise a WhylightError where a threshold is none of those at which boxes are counted."""
    if not 0 < threshold <= 1 or abs(100 * threshold - round(100 * threshold)) > 1e-6:
        raise WhylightError(
            f"{name}: expected a share of the maximum above 0, up to 1, in steps of 0.01; got {threshold}"
        )
