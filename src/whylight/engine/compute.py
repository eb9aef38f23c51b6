"""Ask a model about a batch: every method for every target, from one forward that they share.

Everything here is tensors; files, pictures and display are other modules' business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor

from whylight.cells import WHOLE, Span
from whylight.engine.evidence import About
from whylight.engine.scene import Precision, Scene, Tick
from whylight.errors import MethodError, ModelError
from whylight.methods import Method, get
from whylight.models.base import Classifier
from whylight.targets import Resolved, Target, resolve


@dataclass(frozen=True)
class Seen:
    """What one method found for one target in a batch of N pictures.

    Args:
        method: the method.
        target: the target as it was asked for, made concrete.
        maps: raw maps, (N, h, w) float32.
        scores: the target's score s of each picture, (N,) float32.
        indices: class index of each picture (N,), or None where the target is a function.
        logits: (N, C) float32.
        levels: the value of each map that means no evidence, (N,).
        details: what the method tells beside each map.
        flaws: for each picture what is not finite in it, or "".
        span: over which part of the input the maps' cells are spread.
    """

    method: Method
    target: Resolved
    maps: Tensor
    scores: Tensor
    indices: Tensor | None
    logits: Tensor
    levels: Tensor
    details: list[dict[str, Any]]
    flaws: list[str]
    span: Span


def look(
    model: Classifier,
    x: Tensor,
    methods: Sequence[Method],
    targets: Sequence[Resolved],
    *,
    precision: Precision = "auto",
    tick: Tick | None = None,
    most: int | None = None,
) -> list[Seen]:
    """Run the model once on a batch and make the map of every method for every target, method-major.

    Args:
        model: the classifier.
        x: preprocessed pictures, (N, 3, H, W).
        methods: what to apply.
        targets: what to explain, each for all pictures.
        precision: of the many forwards that perturbing methods make: `"auto"` takes bfloat16 where the processor has it and
            the network agrees, `"fp32"` and `"bf16"` insist.
        tick: called with (done, total) while a method that takes long is at work.
        most: inputs of any forward, those included that a method makes itself; None: what suits the device. `x` is run as it is.

    Raises:
        MethodError: if a method does not apply to the model.
    """
    if precision not in get_args(Precision):
        raise ModelError(f"precision: expected one of {', '.join(get_args(Precision))}, got {precision!r}")
    for method in methods:
        reason = model.why_not(method)
        if reason is not None:
            raise MethodError(f"{reason}. These work: {', '.join(model.applicable_methods())}")
    x = model.prepare(x)
    with model.borrow():
        scene = Scene(model, x, frozenset(need for method in methods for need in method.needs), precision, tick, most)
        about = [About(scene, target) for target in targets]
        return [_seen(method, one, scene) for method in methods for one in about]


def _seen(method: Method, about: About, scene: Scene) -> Seen:
    with torch.no_grad():
        found = method.run(about)
    maps, n = found.values, len(scene.x)
    if maps.ndim != 3 or len(maps) != n:
        raise MethodError(
            f"method {method.name!r} returned shape {tuple(maps.shape)}; it must return one (h, w) map for each picture: "
            f"({n}, h, w)"
        )
    if len(found.details) not in (0, n):
        raise MethodError(f"method {method.name!r} returned {len(found.details)} details for {n} pictures")
    scores = about.scores.detach().float()
    details = list(found.details) or [{} for _ in range(n)]
    if "probe" in method.needs and (used := getattr(scene.model.fast(scene.precision), "precision", "")):
        details = [{**one, "precision": used} for one in details]
    flaws = scene.flaws or [""] * n
    logits = scene.logits.detach().float()
    levels = torch.zeros(n) if found.levels is None else found.levels.detach().float()
    span = WHOLE if found.whole else scene.span((maps.shape[1], maps.shape[2]))
    return Seen(method, about.target, maps.float(), scores, about.indices_or_none, logits, levels, details, flaws, span)


def maps(
    model: Classifier,
    x: Tensor,
    methods: Sequence[str | Method] = ("gradcam",),
    targets: Sequence[Target] = (None,),
    *,
    precision: Precision = "auto",
) -> Tensor:
    """Make raw maps of preprocessed pictures: the bare engine, for loops of your own.

    Args:
        model: the classifier.
        x: preprocessed pictures, (N, 3, H, W).
        methods: names or methods, M of them; their maps must have one size, so do not mix grids and pixels.
        targets: class indices, names, functions of the logits, or None for the top class; T of them, each for all pictures.
        precision: as in `look`.

    Returns:
        (M, T, N, h, w) float32, on the model's device.

    Raises:
        MethodError, TargetError: if a method does not apply, or a target does not exist.
    """
    chosen = [as_method(method) for method in methods]
    seen = look(model, x, chosen, [resolve(target, model.classes) for target in targets], precision=precision)
    sizes = {one.method.name: tuple(one.maps.shape[1:]) for one in seen}
    if len(set(sizes.values())) > 1:
        raise MethodError(f"methods: their maps differ in size, {sizes}; ask for them one by one")
    stacked = torch.stack([one.maps for one in seen])  # (M·T, N, h, w)
    return stacked.reshape(len(chosen), len(targets), *stacked.shape[1:])


def as_method(method: str | Method) -> Method:
    """Take a method, or look its name up."""
    if isinstance(method, Method):
        return method
    if isinstance(method, str):
        return get(method)
    raise MethodError(f"method: expected a name or a Method from whylight.methods.get(…), got {type(method).__name__}")
