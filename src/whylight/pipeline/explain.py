"""The front door: decode, features, head, method, place on the picture."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from PIL import Image
from torch import Tensor, stack

from whylight.engine import Precision, Seen, Tick, as_method, in_batches, look
from whylight.errors import ModelError, WhylightError
from whylight.explanation import Explanation
from whylight.methods import Fusion, Method
from whylight.methods import layers as fused
from whylight.models.base import Classifier
from whylight.pipeline.ahead import OnError, Opened, Source, open_ahead
from whylight.progress import Bars, bars
from whylight.targets import Resolved, Target, resolve

if TYPE_CHECKING:
    from whylight.front.verify import Receipt

DEFAULT_METHOD, BLACK_BOX_METHOD = "gradcam", "rise"


class _Ask(NamedTuple):
    """What is asked of a model about every picture."""

    model: Classifier
    methods: Sequence[Method]
    targets: Sequence[Resolved]
    precision: Precision


def explain(
    model: Classifier,
    pictures: Source | Iterable[Source],
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
) -> Any:
    """Show where a model looked.

    Args:
        model: from `whylight.load` or `whylight.wrap`.
        pictures: a path, PIL picture, uint8 array or preprocessed tensor (3, H, W); or a sequence of them; or a batch (N, 3, H, W).
        method: name or `whylight.methods.get(name, option=…)`; default Grad-CAM.
        methods: several methods, at the price of one forward.
        target: class index, class name, function (N, C) logits → (N,) scores, one of `whylight.targets`, a list with one class for
            each picture, or None for each picture's top class.
        targets: several targets, each for every picture.
        layers: names of several layers: each method runs at all of them, and the maps are fused (`methods.layers`).
        fusion: how: `"max"` (scaled maximum), `"mean"` (each relative to its maximum) or `"sum"`.
        precision: of the many forwards of perturbing methods: `"auto"` takes bfloat16 where the processor has it and the
            network agrees; `"fp32"` and `"bf16"` insist.
        batch_size: pictures in one forward; default 16 on the processor, 32 elsewhere, 1 for methods that run the network many
            times. Halved where memory runs out.
        device: move the model there first; default: where it is.
        progress: show a progress bar on a terminal.

    Returns:
        One `Explanation` for one picture with one method and target. Otherwise a list, in picture order, and within a picture
        method by method, within a method target by target.

    Raises:
        ImageError, MethodError, TargetError: naming the picture or argument, what is wrong and what to do.

    >>> import torch, whylight
    >>> cnn = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 8, 3, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    ...     torch.nn.Linear(8, 2))
    >>> model = whylight.wrap(cnn, classes=["cat", "dog"], size=64)
    >>> ex = whylight.explain(model, np.zeros((48, 60, 3), np.uint8), target="dog")
    >>> ex.label, tuple(ex.map.shape), tuple(ex.heatmap().shape)
    ('dog', (8, 8), (48, 60))
    """
    many = not is_one(pictures)
    found = [
        ex
        for exs in explain_each(
            model,
            cast("Iterable[Source]", pictures if many else [pictures]),
            method=method,
            methods=methods,
            target=target,
            targets=targets,
            layers=layers,
            fusion=fusion,
            precision=precision,
            batch_size=batch_size,
            device=device,
            progress=progress,
        )
        for ex in exs
    ]
    return found if many or methods is not None or targets is not None else found[0]


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
) -> Iterator[list[Explanation]]:
    """Explain pictures one after another, holding no more than two batches in memory: `explain` for any number of them.

    Args:
        on_error: called with the picture and the error where a picture cannot be read; it is left out and the rest goes on.
            Default: the error is raised.
        on_step: called with (done, total) while a method that takes many forwards is at work on a picture.

    The other arguments are those of `explain`. Yields one list for each picture, in order: method by method, target by target.
    """
    chosen = [as_method(one) for one in _one_or_many(method, methods, "method", default_method(model))]
    if layers is not None:
        chosen = [fused(one, layers, fusion=fusion) for one in chosen]
    wanted = [resolve(one, model.classes) for one in _one_or_many(target, targets, "target", None)]
    if isinstance(pictures, Sized):
        for one in wanted:
            one.check(len(pictures))
    if device is not None:
        model.to(device)
    slow = any(one.is_slow for one in chosen)
    size = batch_size or (1 if slow else 16 if model.device.type == "cpu" else 32)
    if size < 1:
        raise WhylightError(f"batch_size: expected at least 1, got {batch_size}")
    ask = _Ask(model, chosen, wanted, precision)
    total = len(pictures) if isinstance(pictures, Sized) else None
    return _stream(ask, pictures, size, total if progress else 0, slow, on_error, on_step)


def default_method(model: Classifier) -> str:
    """The method that is used where none is named: Grad-CAM, or RISE where a model can only be asked from outside."""
    return DEFAULT_METHOD if model.why_not(DEFAULT_METHOD) is None else BLACK_BOX_METHOD


def is_one(pictures: object) -> bool:
    """Whether this is one picture, and not several."""
    if isinstance(pictures, (Tensor, np.ndarray)):
        return pictures.ndim < 4
    return isinstance(pictures, (str, bytes, os.PathLike, Image.Image))


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
    total: int | None,
    slow: bool,
    on_error: OnError | None,
    on_step: Tick | None,
) -> Iterator[list[Explanation]]:
    model = ask.model
    opened = open_ahead(pictures, model, ask.targets, 2 * batch_size, on_error)
    with bars(total, "explaining", slow=slow) if total != 0 else nullcontext(Bars()) as bar:

        def step(done: int, of: int) -> None:
            bar.step(done, of)
            if on_step is not None:
                on_step(done, of)

        def run(batch: Sequence[Opened]) -> list[Seen]:
            targets = [target.take([one.place for one in batch]) for target in ask.targets]
            x = stack([one.x for one in batch])
            return look(model, x, ask.methods, targets, precision=ask.precision, tick=step)

        def attempt(batch: Sequence[Opened]) -> list[Seen] | ModelError:
            try:
                return run(batch)
            except ModelError as error:
                if on_error is None:
                    raise
                return error

        def apart(
            batch: Sequence[Opened], seen: list[Seen] | ModelError
        ) -> Iterator[tuple[Sequence[Opened], list[Seen]]]:
            """One picture on which a model fails must not fail the others of its batch."""
            if not isinstance(seen, ModelError):
                yield batch, seen
            elif len(batch) > 1:
                for one in batch:
                    yield from apart([one], attempt([one]))
            elif on_error is not None:
                bar.picture()
                on_error(batch[0].source, seen)

        done = in_batches(opened, attempt, batch_size)
        for batch, seen in (part for pair in done for part in apart(*pair)):
            # One copy to the host for each method and target, not for each picture.
            hosted = [_to_host(model, one) for one in seen]
            for i, one in enumerate(batch):
                bar.picture()
                try:
                    explanations = [_explanation(ask, one, view, i) for view in hosted]
                except ModelError as error:
                    if on_error is None:
                        raise
                    on_error(one.source, error)
                else:
                    yield explanations


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
        region=opened.region,
        source=opened.name,
        details=hosted.seen.details[i],
        level=hosted.levels[i],
        scale=hosted.seen.method.scale,
        verifier=partial(
            _verify,
            model=model,
            method=hosted.seen.method,
            target=hosted.seen.target if target is None else Resolved(index=target),
            # A picture is prepared again: to hold its input costs more.
            x=opened.x if isinstance(opened.source, Tensor) else None,
            precision=ask.precision,
        ),
    )


def _verify(explanation: Explanation, *, model: Classifier, **given: Any) -> Receipt:
    from whylight.front.verify import verify

    return verify(model, explanation, **given)
