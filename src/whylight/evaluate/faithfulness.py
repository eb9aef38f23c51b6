"""Do maps show what the network uses? Measures that change the picture as the map says, and look at the score."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from whylight.engine import Precision, look
from whylight.errors import DataError, WhylightError
from whylight.evaluate.baselines import BASELINES, baseline
from whylight.evaluate.data import Labelled
from whylight.evaluate.findings.faithfulness import Setup, result
from whylight.evaluate.labels import Labels
from whylight.evaluate.measures import sensitivity
from whylight.evaluate.measures.ranking import enlarge, is_flat
from whylight.evaluate.measures.scoring import Scorer
from whylight.evaluate.measures.table import Batch, measure
from whylight.evaluate.results import Result
from whylight.explanation import Explanation
from whylight.jobs.lines import Key
from whylight.jobs.store import Store, stamp
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.pipeline.ahead import OnError
from whylight.pipeline.explain import explain_each
from whylight.progress import Bars
from whylight.targets import Resolved

__all__ = ["Setup", "faithfulness"]
_TOGETHER = 4  # pictures whose maps are measured together: a kill loses no more
_LOOKED_AT_ONCE = 16


def faithfulness(
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
    """Measure how faithful maps are to the network, and how sure the figures are.

    Args:
        model: from `whylight.load`, `whylight.wrap` or `whylight.wrap_callable`.
        pictures: from `data.read`; where the true class is asked for, those without a label are left out.
        setup: what is measured.
        store: what is known already; it gets the rest.
        model_name, data_name, protocol: for the report.
        batch_size, precision: as in `explain`.
        on_error: called with picture and error where one cannot be measured; the rest goes on. Default: it is raised.
        bar: shows progress.

    Raises:
        DataError: if a measure is unknown, no picture has a label, or none could be measured.
    """
    used = pictures if setup.asked == "predicted" else [one for one in pictures if one.label is not None]
    if not used:
        raise DataError(
            "no picture has a label, and the true class was asked for: put the pictures into a folder for each class, or ask for "
            "the predicted class"
        )
    measure_all(
        model, used, setup, store, batch_size=batch_size, precision=precision, on_error=on_error, bar=bar or Bars()
    )
    keys = [key_of(one) for one in used]
    there = [key for key in keys if all((*key, *question) in store for question in setup.questions)]
    if not there:
        raise DataError("no picture could be measured; see the errors above")
    facts = {"pictures without a label, left out": len(pictures) - len(used), **(protocol or {})}
    return result(store, there, setup, model_name, data_name, facts)


def measure_all(
    model: Classifier,
    pictures: Sequence[Labelled],
    setup: Setup,
    store: Store,
    *,
    batch_size: int | None,
    precision: Precision,
    on_error: OnError | None,
    bar: Bars,
) -> None:
    """Explain the pictures that the store does not know yet, measure their maps and put the figures down."""
    labels = Labels(model.classes)
    classes = [labels.index(one.label) if setup.asked == "true" and one.label is not None else -1 for one in pictures]
    missing: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for place, one in enumerate(pictures):
        left = tuple(question for question in setup.questions if (*key_of(one), *question) not in store)
        if left:
            missing.setdefault(left, []).append(place)
        else:
            bar.picture()

    def failed(picture: Any, error: WhylightError) -> None:
        if on_error is None:
            raise error
        bar.picture()
        on_error(picture, error)

    for questions, places in missing.items():
        asked = {row for row, _ in questions}
        # Where only a baseline is missing, a method is run for the sake of the picture it comes with.
        methods = [name for name in setup.methods if name in asked] or list(setup.methods)[:1]
        explained = explain_each(
            model,
            [pictures[place].path for place in places],
            methods=[setup.methods[name] for name in methods],
            target=[classes[place] for place in places] if setup.asked == "true" else None,
            batch_size=batch_size,
            precision=precision,
            on_error=failed,
            on_step=bar.step,
        )
        waiting = deque(places)
        for group in _groups(explained, _TOGETHER):
            found = [pictures[_whose(exs[0], waiting, pictures, classes)] for exs in group]
            _measure(
                model,
                setup,
                store,
                found,
                dict(zip(methods, zip(*group, strict=True), strict=True)),
                questions,
                precision,
                bar,
            )
            for _ in group:
                bar.picture()


def key_of(one: Labelled) -> Key:
    """What tells a picture, and the class it is asked about, from others, and from what they were before."""
    return one.name, stamp(one.path), one.label or ""


def maps_of(
    model: Classifier, x: Tensor, method: Method, classes: Sequence[int], *, precision: Precision = "auto"
) -> Tensor:
    """Maps (M, h, w) of inputs (M, 3, H, W) for a class each, less the value that means no evidence."""
    return maps_for(model, x, method, Resolved(each=tuple(classes)), precision=precision)


def maps_for(
    model: Classifier, x: Tensor, method: Method, target: Resolved, *, precision: Precision = "auto"
) -> Tensor:
    """The same for any target; some inputs at a time."""
    some = 1 if method.is_slow else _LOOKED_AT_ONCE
    parts = []
    for first in range(0, len(x), some):
        chunk = range(first, min(first + some, len(x)))
        (seen,) = look(model, x[chunk.start : chunk.stop], [method], [target.take(chunk)], precision=precision)
        parts.append((seen.maps - seen.levels.to(seen.maps.device)[:, None, None]).cpu())
    return torch.cat(parts)


def evidence(ex: Explanation) -> Tensor:
    """An explanation's map less the value that means no evidence, (h, w)."""
    return ex.map - ex.level


def inputs(model: Classifier, explanations: Sequence[Explanation]) -> Tensor:
    """The inputs that pictures became, (N, 3, H, W) float32 on the model's device."""
    return torch.stack([model.preprocess(ex.picture) for ex in explanations]).to(model.device)


def _measure(
    model: Classifier,
    setup: Setup,
    store: Store,
    pictures: Sequence[Labelled],
    explained: Mapping[str, Sequence[Explanation]],
    questions: Sequence[tuple[str, str]],
    precision: Precision,
    bar: Bars,
) -> None:
    """Measure the maps of a few pictures, method by method within a picture, and put the figures down."""
    first = next(iter(explained.values()))
    x = inputs(model, first)
    size = (x.shape[2], x.shape[3])
    rows = list(dict.fromkeys(row for row, _ in questions))
    names = list(dict.fromkeys(name for _, name in questions))
    maps = [
        baseline(row, one.name, size, setup.seed) if row in BASELINES else evidence(explained[row][i])
        for i, one in enumerate(pictures)
        for row in rows
    ]
    heat = enlarge(maps, size)
    classes = [ex.target for ex in first]
    indices = [index for index in classes if index is not None]
    assert len(indices) == len(classes)  # a label or the top class: each is a class

    def sensitivities() -> list[float | None]:
        found: dict[str, list[float]] = {row: [0.0] * len(pictures) for row in rows}
        for row in rows:
            if row in explained:
                method, still = setup.methods[row], torch.stack([evidence(ex) for ex in explained[row]])
                again = partial(_again, model, method, indices, precision)
                found[row] = sensitivity.sensitivity(again, x, still).tolist()
        return [found[row][i] if found[row][i] == found[row][i] else None for i in range(len(pictures)) for row in rows]

    of = torch.arange(len(pictures)).repeat_interleave(len(rows))
    score = Scorer(model, x, torch.tensor(indices), precision=precision, tick=bar.step)
    with model.borrow():
        records = measure(names, score, Batch(x, heat, of, sensitivities), setup.steps)
    flat = is_flat(heat).tolist()
    wanted = set(questions)
    for i, one in enumerate(pictures):
        for j, row in enumerate(rows):
            for name in names:
                if (row, name) in wanted:
                    place = i * len(rows) + j
                    store.add((*key_of(one), row, name), {**records[name][place], "flat": flat[place]})


def _again(
    model: Classifier, method: Method, classes: Sequence[int], precision: Precision, x: Tensor, of: Tensor
) -> Tensor:
    return maps_of(model, x, method, [classes[i] for i in of.tolist()], precision=precision)


def _groups(items: Iterable[list[Explanation]], size: int) -> Iterator[list[list[Explanation]]]:
    source = iter(items)
    while group := list(islice(source, size)):
        yield group


def _whose(found: Explanation, waiting: deque[int], pictures: Sequence[Labelled], classes: Sequence[int]) -> int:
    """Which picture an explanation is of: they come in order, but those that failed are left out."""
    while True:
        place = waiting.popleft()
        if os.fspath(pictures[place].path) == found.source and classes[place] in (-1, found.target):
            return place
