"""The way of a picture to its explanations: decode, features, head, method, place on the picture."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor, stack

from whylight.engine import Precision, Seen, Tick, as_method, look
from whylight.errors import ModelError, WhylightError
from whylight.explanation import Asking, Explanation, Receipt
from whylight.images.sources import is_file
from whylight.methods import Fusion, Method
from whylight.methods import layers as fused
from whylight.models.base import Classifier, checked
from whylight.pipeline.ahead import OnError, Opened, Source
from whylight.pipeline.ask import ask_each
from whylight.pipeline.workers import Workers
from whylight.progress import Bars, bars
from whylight.targets import Resolved, Target, resolve

Verifier = Callable[..., Receipt]  # takes model, explanation and how it was made: `whylight.verify`
DEFAULT_METHOD, BLACK_BOX_METHOD = "gradcam", "rise"


class _Ask(NamedTuple):
    """What is asked of a model about every picture."""

    model: Classifier
    methods: Sequence[Method]
    targets: Sequence[Resolved]
    precision: Precision
    verifier: Verifier | None
    most: int | None


def explain_each(
    model: Classifier,
    pictures: Iterable[Source],
    *,
    method: str | Method | None = None,
    methods: Sequence[str | Method] | None = None,
    target: Target = None,
    targets: Sequence[Target] | None = None,
    layers: Sequence[str] | None = None,
    fusion: Fusion = "max",
    precision: Precision = "auto",
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = False,
    on_error: OnError | None = None,
    on_step: Tick | None = None,
    verifier: Verifier | None = None,
    workers: Workers | None = None,
) -> Iterator[list[Explanation]]:
    """Explain any number of pictures one after another, holding no more than two batches in memory.

    The arguments are those of `explain_placed`.
    """
    placed = explain_placed(
        checked(model),
        pictures,
        methods=_one_or_many(method, methods, "method", default_method(model)),
        targets=_one_or_many(target, targets, "target", None),
        layers=layers,
        fusion=fusion,
        precision=precision,
        batch_size=batch_size,
        device=device,
        progress=progress,
        on_error=on_error,
        on_step=on_step,
        verifier=verifier,
        workers=workers,
    )
    return _explanations_of(placed)


def _explanations_of(placed: Iterator[tuple[int, list[Explanation]]]) -> Iterator[list[Explanation]]:
    for _, explanations in placed:
        yield explanations
        del explanations  # nothing of one picture is held while the next is made


def explain_placed(
    model: Classifier,
    pictures: Iterable[Source],
    *,
    methods: Sequence[str | Method],
    targets: Sequence[Target],
    layers: Sequence[str] | None = None,
    fusion: Fusion = "max",
    precision: Precision = "auto",
    batch_size: int | None = None,
    device: str | None = None,
    progress: bool = False,
    on_error: OnError | None = None,
    on_step: Tick | None = None,
    verifier: Verifier | None = None,
    workers: Workers | None = None,
) -> Iterator[tuple[int, list[Explanation]]]:
    """The same, each picture's explanations with its place in the list: those that fail are left out.

    Args:
        verifier: what `Explanation.verify` asks; this room lies below the one that can answer. Default: nothing does.
        workers: the threads that decode; default: some of its own.

    The other arguments are those of `whylight.explain_each`, which gives `whylight.verify` here.
    """
    checked(model)
    if not isinstance(pictures, Iterable):
        raise WhylightError(
            f"pictures: expected paths, PIL pictures, arrays or tensors, one or several, got {type(pictures).__name__}"
        )
    chosen = [as_method(one) for one in methods]
    if layers is not None:
        chosen = [fused(one, layers, fusion=fusion) for one in chosen]
    wanted = [resolve(one, model.classes) for one in targets]
    if isinstance(pictures, Sized):
        for one in wanted:
            one.check(len(pictures))
    if device is not None:
        model.to(device)
    slow = any(one.is_slow for one in chosen)
    size = batch_size or (1 if slow else 16 if model.device.type == "cpu" else 32)
    if size < 1:
        raise WhylightError(f"batch_size: expected at least 1, got {batch_size}")
    ask = _Ask(model, chosen, wanted, precision, verifier, batch_size)
    total = len(pictures) if isinstance(pictures, Sized) else None
    shown = bars(total, "explaining", slow=slow) if progress else nullcontext(Bars())
    return _stream(ask, pictures, size, shown, on_error, on_step, workers)


def default_method(model: Classifier) -> str:
    """The method that is used where none is named: Grad-CAM, or RISE where a model can only be asked from outside."""
    return DEFAULT_METHOD if model.why_not(DEFAULT_METHOD) is None else BLACK_BOX_METHOD


def is_one(pictures: object) -> bool:
    """Whether this is one picture, and not several."""
    if isinstance(pictures, (Tensor, np.ndarray)):
        return pictures.ndim < 4
    return isinstance(pictures, (str, bytes, os.PathLike, Image.Image)) or is_file(pictures)


def _one_or_many(one: Any, many: Sequence[Any] | None, name: str, default: Any) -> Sequence[Any]:
    if many is None:
        return [default if one is None else one]
    if one is not None:
        raise WhylightError(f"give {name} or {name}s, not both")
    if isinstance(many, str) or len(many) == 0:
        raise WhylightError(f"{name}s: expected a list of at least one {name}, got {many!r}")
    return many


def _stream(
    ask: _Ask,
    pictures: Iterable[Source],
    batch_size: int,
    shown: AbstractContextManager[Bars],
    on_error: OnError | None,
    on_step: Tick | None,
    workers: Workers | None,
) -> Iterator[tuple[int, list[Explanation]]]:
    with shown as bar:

        def step(done: int, of: int) -> None:
            bar.step(done, of)
            if on_step is not None:
                on_step(done, of)

        def run(batch: Sequence[Opened]) -> list[list[Explanation] | WhylightError]:
            return _answers(ask, batch, step)

        answers = ask_each(
            ask.model, pictures, run, batch_size, targets=ask.targets, on_error=on_error, workers=workers
        )
        for opened, explanations in answers:
            bar.picture()
            yield opened.place, explanations
            del opened, explanations  # see `ask_each`


def explain_opened(
    model: Classifier, opened: Sequence[Opened], *, method: Method, target: Resolved, verifier: Verifier | None = None
) -> list[Explanation | WhylightError]:
    """Explain pictures that are open already, in one batch, as a stream of them needs it: an explanation or an error for each."""
    answers = _answers(_Ask(model, [method], [target], "auto", verifier, None), opened, None)
    return [one if isinstance(one, WhylightError) else one[0] for one in answers]


def _answers(ask: _Ask, batch: Sequence[Opened], step: Tick | None) -> list[list[Explanation] | WhylightError]:
    targets = [target.take([one.place for one in batch]) for target in ask.targets]
    if len(shapes := {tuple(one.x.shape): None for one in batch}) > 1:
        told = " and ".join(map(str, shapes))
        raise WhylightError(f"pictures: preprocessed tensors of one call have one shape, not {told}")
    x = stack([one.x for one in batch])
    seen = look(ask.model, x, ask.methods, targets, precision=ask.precision, tick=step, most=ask.most)
    # One copy to the host for each method and target, not for each picture.
    views = [_to_host(ask.model, one) for one in seen]
    return [_explanations(ask, one, views, i) for i, one in enumerate(batch)]


class _Hosted(NamedTuple):
    """A `Seen` on the processor, with the probabilities that its pictures' explanations show."""

    seen: Seen
    maps: Tensor  # (N, h, w)
    levels: list[float]
    scores: list[float]
    indices: list[int] | None
    probabilities: list[float] | None


def _to_host(model: Classifier, seen: Seen) -> _Hosted:
    probabilities = None
    if seen.indices is not None:
        probabilities = model.probabilities(seen.logits).gather(1, seen.indices.unsqueeze(1)).squeeze(1).tolist()
    indices = seen.indices.tolist() if seen.indices is not None else None
    return _Hosted(seen, seen.maps.cpu(), seen.levels.tolist(), seen.scores.tolist(), indices, probabilities)


def _explanations(ask: _Ask, opened: Opened, views: Sequence[_Hosted], i: int) -> list[Explanation] | WhylightError:
    try:
        return [_explanation(ask, opened, view, i) for view in views]
    except ModelError as error:
        return error


def _explanation(ask: _Ask, opened: Opened, hosted: _Hosted, i: int) -> Explanation:
    model = ask.model
    target = hosted.indices[i] if hosted.indices is not None else None
    if not (math.isfinite(hosted.scores[i]) and hosted.maps[i].isfinite().all()):
        # Shown, it would look like "no evidence", which is a finding; this is a fault.
        what = hosted.seen.flaws[i] or f"the {hosted.seen.method.name} map or its score is"
        raise ModelError(
            f"{opened.name}: {what} not finite (NaN or infinity): the network overflows on this picture. Try float32, or look "
            "into its weights"
        )
    return Explanation(
        map=hosted.maps[i].clone(),
        score=hosted.scores[i],
        probability=hosted.probabilities[i] if hosted.probabilities is not None else None,
        target=target,
        label=model.classes[target] if target is not None else hosted.seen.target.name,
        method=hosted.seen.method.name,
        units=hosted.seen.method.units,
        picture=opened.picture,
        original=opened.original,
        region=opened.region,
        source=opened.name,
        details={**hosted.seen.details[i], **({"ending": model.ending} if model.ending else {})},
        level=hosted.levels[i],
        scale=hosted.seen.method.scale,
        span=hosted.seen.span,
        model=model.name,
        verifier=_bound(ask, opened, hosted.seen, target),
        asking=Asking(model.classes, partial(_again, ask, hosted.seen.method, _kept(opened))),
    )


def _again(ask: _Ask, method: Method, x: Tensor | None, explanation: Explanation, target: Target) -> Explanation:
    """Another class of the picture of an explanation: what `Explanation.about` asks for."""
    picture = explanation.picture if x is None else x
    placed = explain_placed(
        *(ask.model, [picture]),
        methods=[method],
        targets=[target],
        precision=ask.precision,
        batch_size=ask.most,
        verifier=ask.verifier,
    )
    return replace(next(placed)[1][0], source=explanation.source)


def _kept(opened: Opened) -> Tensor | None:
    """What is held to ask once more: a picture is prepared again, since to hold its input costs more."""
    return opened.x if isinstance(opened.source, Tensor) else None


def _bound(ask: _Ask, opened: Opened, seen: Seen, target: int | None) -> Callable[..., Receipt] | None:
    """The verifier with all that it needs to know of how an explanation was made."""
    if ask.verifier is None:
        return None
    return partial(
        ask.verifier,
        ask.model,
        method=seen.method,
        target=seen.target if target is None else Resolved(index=target),
        x=_kept(opened),
        precision=ask.precision,
    )
