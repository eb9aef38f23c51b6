"""What people call to explain pictures: the pipeline, and explanations that know how to verify themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from whylight.engine import Precision, Tick
from whylight.explanation import Explanation, Explanations
from whylight.front.verify import verify
from whylight.methods import Fusion, Method
from whylight.models.base import Classifier
from whylight.pipeline.ahead import OnError, Source
from whylight.pipeline.explain import explain_each as unverified
from whylight.pipeline.explain import is_one
from whylight.targets import Target


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
        method by method, within a method target by target; in a notebook it shows itself as a grid (`Explanations`).

    Raises:
        ImageError, MethodError, TargetError: naming the picture or argument, what is wrong and what to do.

    >>> import numpy, torch, whylight
    >>> cnn = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 8, 3, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    ...     torch.nn.Linear(8, 2))
    >>> model = whylight.wrap(cnn, classes=["cat", "dog"], size=64)
    >>> ex = whylight.explain(model, numpy.zeros((48, 60, 3), numpy.uint8), target="dog")
    >>> ex.label, tuple(ex.map.shape), tuple(ex.heatmap().shape)
    ('dog', (8, 8), (48, 60))
    """
    many = not is_one(pictures)
    found = Explanations(
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
    )
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
    return unverified(
        model,
        pictures,
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
        on_error=on_error,
        on_step=on_step,
        verifier=verify,
    )
