"""Does the map depend on what the network learned? Its weights are randomised from the top down, and the map should change.

Source: Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim, Sanity Checks for Saliency Maps, NeurIPS 2018.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from whylight.engine import Precision
from whylight.errors import DataError, MethodError, ModelError, WhylightError
from whylight.evaluate.data import Labelled
from whylight.evaluate.faithfulness import evidence, inputs, key_of, maps_of
from whylight.evaluate.findings.sanity import COPIES, NETWORKS, NOISE, Setup, result
from whylight.evaluate.labels import Labels
from whylight.evaluate.measures.ranking import is_flat
from whylight.evaluate.measures.similarity import spearman, ssim
from whylight.evaluate.results import Result
from whylight.explanation import Explanation
from whylight.jobs.store import Store
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.models.model import Model
from whylight.models.randomise import layers_with_weights, randomised, stages
from whylight.pipeline.ahead import OnError
from whylight.pipeline.explain import explain_each
from whylight.progress import Bars

__all__ = ["Setup", "sanity"]
OTHER, NOISY = "labels at random", "noise"  # checks, beside the stages
_TOGETHER = 32  # pictures whose maps are compared before the next networks are made


def sanity(
    model: Classifier,
    pictures: Sequence[Labelled],
    setup: Setup,
    store: Store,
    *,
    other: Model | None = None,
    model_name: str = "",
    data_name: str = "",
    protocol: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    precision: Precision = "auto",
    on_error: OnError | None = None,
    bar: Bars | None = None,
) -> Result:
    """Compare maps with those of the same network with random weights, from its last layer alone to all of them.

    The network is copied; the given one is left as it is. Every picture is also explained with a little noise on it, under which
    its map should stay.

    Args:
        model: from `whylight.load` or `whylight.wrap`.
        pictures: from `data.read`; where the true class is asked for, those without a label are left out.
        setup: what is checked.
        store: what is known already; it gets the rest.
        other: a network trained on labels that were dealt out at random, with the same classes: maps should differ from its own,
            too.
        model_name, data_name, protocol: for the report.
        batch_size, precision: as in `explain`.
        on_error: called with picture and error where one cannot be explained; the rest goes on. Default: it is raised.
        bar: shows progress.

    Raises:
        ModelError: if the model is a black box, whose weights cannot be seen, or cannot be copied.
        DataError: if no picture has a label, none could be explained, or the other network has other classes.
    """
    if not isinstance(model, Model):
        raise ModelError("evaluate sanity: this model is a black box: its weights cannot be seen, and not randomised")
    if other is not None and set(other.classes) != set(model.classes):
        raise DataError("the network trained on random labels has other classes than the model; it must have the same")
    used = pictures if setup.asked == "predicted" else [one for one in pictures if one.label is not None]
    if not used:
        raise DataError(
            "no picture has a label, and the true class was asked for: put the pictures into a folder for each class, or ask for "
            "the predicted class"
        )
    steps = stages(model, setup.stages)
    checks = [_stage(i) for i in range(len(steps))] + [NOISY] + ([OTHER] if other is not None else [])
    shown = bar or Bars()
    _check_all(model, other, used, setup, store, steps, checks, batch_size, precision, on_error, shown)
    keys = [key_of(one) for one in used]
    keys = [key for key in keys if all((*key, name, check) in store for name in setup.methods for check in checks)]
    if not keys:
        raise DataError("no picture could be explained; see the errors above")
    shares = [len(step) / len(layers_with_weights(model)) for step in steps]
    facts = {"pictures without a label, left out": len(pictures) - len(used), **(protocol or {})}
    return result(store, keys, setup, shares, checks, [_named(step) for step in steps], model_name, data_name, facts)


def _check_all(
    model: Model,
    other: Model | None,
    pictures: Sequence[Labelled],
    setup: Setup,
    store: Store,
    steps: Sequence[Sequence[str]],
    checks: Sequence[str],
    batch_size: int | None,
    precision: Precision,
    on_error: OnError | None,
    bar: Bars,
) -> None:
    """Make the comparisons that the store does not know yet."""
    labels = Labels(model.classes)

    def failed(picture: Any, error: WhylightError) -> None:
        if on_error is None:
            raise error
        bar.picture()
        on_error(picture, error)

    missing: list[Labelled] = []
    for one in pictures:
        if all((*key_of(one), name, check) in store for name in setup.methods for check in checks):
            bar.picture()
        else:
            missing.append(one)
    for first in range(0, len(missing), _TOGETHER):
        some = missing[first : first + _TOGETHER]
        classes = [labels.index(one.label) if setup.asked == "true" and one.label else -1 for one in some]
        explained = list(
            explain_each(
                model,
                [one.path for one in some],
                methods=list(setup.methods.values()),
                target=classes if setup.asked == "true" else None,
                batch_size=batch_size,
                precision=precision,
                on_error=failed,
            )
        )
        if explained:
            found = list(_of(explained, some, classes))
            for number, check in enumerate(checks):
                _compare(model, other, explained, found, setup, store, steps, check, precision)
                bar.step(number + 1, len(checks))
            for _ in explained:
                bar.picture()


def _compare(
    model: Model,
    other: Model | None,
    explained: Sequence[Sequence[Explanation]],
    pictures: Sequence[Labelled],
    setup: Setup,
    store: Store,
    steps: Sequence[Sequence[str]],
    check: str,
    precision: Precision,
) -> None:
    """Explain some pictures by another network, or with noise on them, and put down how alike the maps are."""
    left = [i for i, one in enumerate(pictures) if any((*key_of(one), m, check) not in store for m in setup.methods)]
    if not left:
        return
    some = [explained[i] for i in left]
    x, of = inputs(model, [exs[0] for exs in some]), list(range(len(left)))
    classes = [exs[0].target for exs in some]
    asked = [index for index in classes if index is not None]
    askers: Iterable[Model]
    if check == NOISY:
        askers, x = [model], _noisy(x, model, setup.seed)
        of = [i for i in of for _ in range(COPIES)]
    elif check == OTHER:
        assert other is not None
        askers = [other]
        asked = [other.classes.index(model.classes[index]) for index in asked]
        x = inputs(other, [exs[0] for exs in some])
    else:
        layers = steps[_place(check)]
        fast = not all(method.is_slow for method in setup.methods.values())
        count = NETWORKS if fast and _place(check) in (0, len(steps) - 1) else 1
        askers = (randomised(model, layers, NETWORKS * setup.seed + i) for i in range(count))  # one in memory at a time
    found: dict[str, list[list[_Alike]]] = {name: [[] for _ in left] for name in setup.methods}
    for turn, asker in enumerate(askers):
        for number, (name, method) in enumerate(setup.methods.items()):
            if turn and method.is_slow:
                continue
            before = torch.stack([evidence(some[i][number]) for i in of])
            alike = _alike(asker, x, method, [asked[i] for i in of], before, precision)
            for place, one in zip(of, alike, strict=True):
                found[name][place].append(one)
    for name, lists in found.items():
        for i, mine in zip(left, lists, strict=True):
            store.add((*key_of(pictures[i]), name, check), _record(mine, blank_counts=check == NOISY))


class _Alike(NamedTuple):
    """How alike two maps are; NaN where the method does not run on the other network, or there was no map to begin with."""

    rank: float
    ssim: float
    blank: bool = False  # the other network's map is the same everywhere


def _record(found: Sequence[_Alike], *, blank_counts: bool) -> dict[str, Any]:
    """The means over the maps that can be compared. A blank map has no order, so that a random network's says nothing about the
    method and is left out; one that goes blank under noise that nobody sees has changed (`blank_counts`)."""
    made = [one for one in found if math.isfinite(one.rank)]
    used = [one for one in made if blank_counts or not one.blank]
    rank, similar = (sum(one[part] for one in used) / len(used) if used else math.nan for part in (0, 1))
    return {"rank": rank, "ssim": similar, "maps": len(made), "blank": sum(one.blank for one in made)}


def _alike(
    model: Model, x: Tensor, method: Method, classes: Sequence[int], before: Tensor, precision: Precision
) -> list[_Alike]:
    """Rank correlation and structural similarity of maps with what a model gives."""
    try:
        after = maps_of(model, x, method, classes, precision=precision)
    except MethodError:  # such as bias gradients that no longer add up
        return [_Alike(math.nan, math.nan)] * len(before)
    if after.shape != before.shape:  # a network of another kind may have another grid
        after = torch.nn.functional.interpolate(after.unsqueeze(1), size=before.shape[1:], mode="bilinear")[:, 0]
    # A map without contrast has no order that could change.
    fine = after.isfinite().flatten(1).all(1) & ~is_flat(before)
    after = torch.where(fine[:, None, None], after, 0.0)
    parts = (spearman(before, after), ssim(before, after), is_flat(after), fine)
    rows = zip(*(part.tolist() for part in parts), strict=True)
    return [_Alike(rank, alike, flat) if ok else _Alike(math.nan, math.nan) for rank, alike, flat, ok in rows]


def _noisy(x: Tensor, model: Model, seed: int) -> Tensor:
    """Copies of inputs with Gaussian noise, the same for each picture, picture by picture: (N · COPIES, 3, H, W)."""
    dice = torch.Generator().manual_seed(seed)
    noise = NOISE * torch.randn((COPIES, *x.shape[1:]), generator=dice)
    noise = noise / torch.tensor(model.preprocessing.std).reshape(1, 3, 1, 1)  # from the pixels' units to the input's
    return (x.unsqueeze(1) + noise.to(x)).flatten(0, 1)


def _stage(number: int) -> str:
    return f"stage {number + 1}"


def _place(check: str) -> int:
    """The number of a stage, from 0."""
    return int(check.removeprefix("stage ")) - 1


def _named(step: Sequence[str]) -> str:
    """A stage in words: how many layers are random, and the lowest of them."""
    return f"{len(step)} down to {step[-1] or 'the network itself'}"


def _of(
    explained: Sequence[Sequence[Explanation]], pictures: Sequence[Labelled], classes: Sequence[int]
) -> Iterator[Labelled]:
    """The picture of each explanation: they come in order, but those that failed are left out."""
    waiting = deque(zip(pictures, classes, strict=True))
    for exs in explained:
        while True:
            one, index = waiting.popleft()
            if os.fspath(one.path) == exs[0].source and index in (-1, exs[0].target):
                yield one
                break
