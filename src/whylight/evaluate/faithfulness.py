"""Do maps show what the network uses? Measures that change the picture as the map says, and look at the score."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from typing_extensions import TypedDict, Unpack

from whylight.cells import WHOLE
from whylight.engine import Precision, look
from whylight.errors import DataError, is_of_question
from whylight.evaluate.asking import Asking, How, Made, Seen
from whylight.evaluate.baselines import BASELINES, baseline
from whylight.evaluate.data import Labelled
from whylight.evaluate.findings.faithfulness import Setup, result
from whylight.evaluate.measures import sensitivity
from whylight.evaluate.measures.ranking import enlarge, is_flat
from whylight.evaluate.measures.scoring import Scorer
from whylight.evaluate.measures.table import Batch, measure
from whylight.evaluate.results import Result
from whylight.jobs.lines import Key
from whylight.jobs.runner import Answer, Question
from whylight.jobs.store import Store, stamp
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.pipeline.workers import Workers
from whylight.schema import Schema
from whylight.targets import Resolved

__all__ = ["Setup", "faithfulness"]
_TOGETHER = 4  # pictures whose maps are measured together: a kill loses no more
_LOOKED_AT_ONCE = 16


class _Told(TypedDict):
    value: float | None
    flat: bool


class _Figure(_Told, total=False):
    curve: list[float]
    morf: list[float]
    lerf: list[float]


RECORD = Schema(_Figure)


def faithfulness(
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
    """Measure how faithful maps are to the network, and how sure the figures are.

    Args:
        model: from `whylight.load`, `whylight.wrap` or `whylight.wrap_callable`.
        pictures: from `data.read`; where the true class is asked for, those without a label are left out.
        setup: what is measured.
        store: what is known already; it gets the rest.
        model_name, data_name, protocol: for the report.
        how: `batch_size` and `precision` as in `explain`; `on_error`, called with picture and error where one cannot be measured,
            so that the rest goes on (default: it is raised); see `whylight.evaluate.asking.Asking`.

    Raises:
        DataError: if a measure is unknown, no picture has a label, or none could be measured.
    """
    used = pictures if setup.asked == "predicted" else [one for one in pictures if one.label is not None]
    if not used:
        raise DataError(
            "no picture has a label, and the true class was asked for: put the pictures into a folder for each class, or ask for "
            "the predicted class"
        )
    _Measuring(model, used, setup, store, **how).run()
    keys = [key_of(one) for one in used]
    there = [key for key in keys if all((*key, *question) in store for question in setup.questions)]
    if not there:
        raise DataError("no picture could be measured; see the errors above")
    facts = {"pictures without a label, left out": len(pictures) - len(used), **(protocol or {})}
    return result(store, there, setup, model_name, data_name, facts)


def key_of(one: Labelled) -> Key:
    """What tells a picture, and the class it is asked about, from others, and from what they were before."""
    return one.name, stamp(one.path), one.label or ""


def maps_of(
    model: Classifier,
    x: Tensor,
    method: Method,
    classes: Sequence[int],
    *,
    precision: Precision = "auto",
    most: int | None = None,
) -> Tensor:
    """Maps (M, h, w) of inputs (M, 3, H, W) for a class each, less the value that means no evidence."""
    return maps_for(model, x, method, Resolved(each=tuple(classes)), precision=precision, most=most)


def maps_for(
    model: Classifier,
    x: Tensor,
    method: Method,
    target: Resolved,
    *,
    precision: Precision = "auto",
    most: int | None = None,
) -> Tensor:
    """The same for any target; some inputs at a time, `most` of them where that is given."""
    some = 1 if method.is_slow else most or _LOOKED_AT_ONCE
    parts = []
    for first in range(0, len(x), some):
        chunk = range(first, min(first + some, len(x)))
        (seen,) = look(
            model, x[chunk.start : chunk.stop], [method], [target.take(chunk)], precision=precision, most=most
        )
        parts.append((seen.maps - seen.levels.to(seen.maps.device)[:, None, None]).cpu())
    return torch.cat(parts)


class _Measuring(Asking):
    """Questions are a method or a baseline, and a measure."""

    def __init__(
        self, model: Classifier, pictures: Sequence[Labelled], setup: Setup, store: Store, **how: Unpack[How]
    ) -> None:
        super().__init__(model, pictures, store, setup.questions, **how)
        self._setup = setup

    def key(self, item: Labelled) -> Key:
        """See `key_of`."""
        return key_of(item)

    def ask(
        self, items: Sequence[Labelled], questions: Sequence[Question], workers: Workers
    ) -> Generator[Answer[Labelled]]:
        """Explain pictures, and measure the maps of a few together."""
        rows = {row for row, _ in questions}
        # Where only a baseline is missing, a method is run for the sake of the picture it comes with.
        names = [name for name in self._setup.methods if name in rows] or list(self._setup.methods)[:1]
        methods = {name: self._setup.methods[name] for name in names}
        seen = self.seen(items, methods, self._setup.asked, workers)
        for group in iter(lambda: list(islice(seen, _TOGETHER)), []):
            yield from self._answers(group, questions)

    def _answers(self, group: Sequence[Seen], questions: Sequence[Question]) -> Iterator[Answer[Labelled]]:
        """Measure a few pictures together; where that fails, one by one, so that one does not fail the others."""
        try:
            records = self._measured(group, questions)
        except Exception as error:  # whatever a measure meets in one picture: it is named, and the others go on
            if is_of_question(error):
                raise
            if len(group) == 1:
                self.watch.failed(group[0].item.path, error)
                return
            for one in group:
                yield from self._answers([one], questions)
            return
        for one, parts in zip(group, records, strict=True):
            yield Answer(one.item, parts)

    def _measured(self, group: Sequence[Seen], questions: Sequence[Question]) -> list[list[Made]]:
        """What the maps of a few pictures tell, method by method within a picture."""
        setup, model = self._setup, self.model
        pictures, indices = [one.item for one in group], [one.target for one in group]
        x = torch.stack([one.inputs[0] for one in group])
        size = (x.shape[2], x.shape[3])
        rows = [str(row) for row in dict.fromkeys(row for row, _ in questions)]
        names = [str(name) for name in dict.fromkeys(name for _, name in questions)]
        maps = [
            baseline(row, one.item.name, size, setup.seed) if row in BASELINES else one.maps[row]
            for one in group
            for row in rows
        ]
        spans = [WHOLE if row in BASELINES else one.spans[row] for one in group for row in rows]
        heat = enlarge(maps, size, spans)

        def sensitivities() -> list[float | None]:
            found: dict[str, list[float]] = {row: [0.0] * len(pictures) for row in rows}
            for row in rows:
                if row not in BASELINES:
                    method, still = setup.methods[row], torch.stack([one.maps[row] for one in group])
                    again = partial(_again, model, method, indices, self.precision, self.batch_size)
                    found[row] = sensitivity.sensitivity(again, x, still).tolist()
            figures = [found[row][i] for i in range(len(pictures)) for row in rows]
            return [figure if math.isfinite(figure) else None for figure in figures]

        of = torch.arange(len(pictures)).repeat_interleave(len(rows))
        score = Scorer(
            model, x, torch.tensor(indices), precision=self.precision, most=self.batch_size, tick=self.watch.step
        )
        with model.borrow():
            records = measure(names, score, Batch(x, heat, of, sensitivities), setup.steps)
        flat = is_flat(heat).tolist()
        return [
            [
                ((*key_of(one), row, name), partial(dict, records[name][place], flat=flat[place]))
                for j, row in enumerate(rows)
                for name in names
                if (row, name) in questions and (place := i * len(rows) + j) >= 0
            ]
            for i, one in enumerate(pictures)
        ]


def _again(
    model: Classifier,
    method: Method,
    classes: Sequence[int],
    precision: Precision,
    most: int | None,
    x: Tensor,
    of: Tensor,
) -> Tensor:
    return maps_of(model, x, method, [classes[i] for i in of.tolist()], precision=precision, most=most)
