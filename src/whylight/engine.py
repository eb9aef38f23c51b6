"""From a batch of inputs to raw maps: one forward, and at most one backward through the head for each target.

Everything here is tensors; files, pictures and display are other modules' business.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from whylight.errors import MethodError, ModelError, TargetError, WhylightWarning
from whylight.methods import Method, get
from whylight.models.borrow import borrowed
from whylight.models.model import Model
from whylight.models.split import Context, repeat
from whylight.targets import Resolved, Target, resolve

Item = TypeVar("Item")
Result = TypeVar("Result")

_ABLATED_AT_ONCE = 64  # channels whose ablated copies are in memory together; the result does not depend on it


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
    """

    method: Method
    target: Resolved
    maps: Tensor
    scores: Tensor
    indices: Tensor | None
    logits: Tensor


def look(model: Model, x: Tensor, methods: Sequence[Method], targets: Sequence[Resolved]) -> list[Seen]:
    """Run the model once on a batch and make the map of every method for every target, method-major.

    Args:
        model: the classifier.
        x: preprocessed pictures, (N, 3, H, W).
        methods: what to apply.
        targets: what to explain, each for all pictures.

    Raises:
        MethodError: if a method does not apply to the model.
    """
    for method in methods:
        _check(model, method)
    x = model.prepare(x)
    # On a linear head every gradient is a row of its weight: no graph, no backward.
    backward = model.linear is None and any("gradients" in method.needs for method in methods)
    with borrowed(model.module):
        with torch.no_grad():
            if backward:
                leaf, logits, context = model.split.look(x)
            else:
                leaf, context = model.split.encode(x)
                logits = model.split.decode(leaf.clone(), context)
        size = (x.shape[2], x.shape[3])
        grid = model.layout.to_grid(leaf.detach(), size)
        found: list[Seen] = []
        evidence = [_Evidence(model, target, leaf, grid, logits, context, size) for target in targets]
        for method in methods:
            for about in evidence:
                with torch.no_grad():
                    maps = method(**{need: getattr(about, need) for need in method.needs})
                if maps.shape != (len(x), *grid.shape[2:]):
                    raise MethodError(
                        f"method {method.name!r} returned shape {tuple(maps.shape)}; it must return one (h, w) map for each "
                        f"picture: {(len(x), *grid.shape[2:])}"
                    )
                scores = about.scores.detach()
                indices = about.target.indices(logits)
                found.append(Seen(method, about.target, maps.float(), scores, indices, logits.detach().float()))
    return found


def maps(
    model: Model, x: Tensor, methods: Sequence[str | Method] = ("gradcam",), targets: Sequence[Target] = (None,)
) -> Tensor:
    """Make raw maps of preprocessed pictures: the bare engine, for loops of your own.

    Args:
        model: the classifier.
        x: preprocessed pictures, (N, 3, H, W).
        methods: names or methods, M of them.
        targets: class indices, names, functions of the logits, or None for the top class; T of them, each for all pictures.

    Returns:
        (M, T, N, h, w) float32, on the model's device.

    Raises:
        MethodError, TargetError: if a method does not apply, or a target does not exist.
    """
    chosen = [as_method(method) for method in methods]
    seen = look(model, x, chosen, [resolve(target, model.classes) for target in targets])
    stacked = torch.stack([one.maps for one in seen])  # (M·T, N, h, w)
    return stacked.reshape(len(chosen), len(targets), *stacked.shape[1:])


def as_method(method: str | Method) -> Method:
    """Take a method, or look its name up."""
    if isinstance(method, Method):
        return method
    if isinstance(method, str):
        return get(method)
    raise MethodError(f"method: expected a name or a Method from whylight.methods.get(…), got {type(method).__name__}")


def in_batches(
    items: Iterable[Item], run: Callable[[Sequence[Item]], Result], batch_size: int
) -> Iterator[tuple[Sequence[Item], Result]]:
    """Run over items in batches; where memory runs out, halve the batch, say so, and go on from the same item.

    Items are taken as they are needed, so that there may be any number of them.

    Raises:
        ModelError: if a single item does not fit.
    """
    source = iter(items)
    waiting: list[Item] = []
    while True:
        waiting += islice(source, max(0, batch_size - len(waiting)))
        batch = waiting[:batch_size]
        if not batch:
            return
        try:
            result = run(batch)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise ModelError(
                    "one picture alone does not fit into memory: use a smaller input size, or device='cpu'"
                ) from error
            batch_size = len(batch) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            warnings.warn(f"out of memory: going on with batches of {batch_size}", WhylightWarning, stacklevel=2)
            continue
        yield batch, result
        waiting = waiting[len(batch) :]


class _Evidence:
    """The tensors that methods can ask for, about one target; each is computed when first asked for, and once."""

    def __init__(
        self,
        model: Model,
        target: Resolved,
        leaf: Tensor,
        grid: Tensor,
        logits: Tensor,
        context: Context,
        size: tuple[int, int],
    ) -> None:
        self._model, self.target, self._size = model, target, size
        self._leaf, self._grid, self._logits, self._context = leaf, grid, logits, context

    @cached_property
    def activations(self) -> Tensor:  # (N, K, h, w)
        return self._grid.float()

    @cached_property
    def scores(self) -> Tensor:  # (N,)
        with torch.enable_grad():
            return self.target.scores(self._logits).float()

    @cached_property
    def gradients(self) -> Tensor:  # (N, K, h, w)
        if self._model.linear is not None:
            n, k, h, w = self._grid.shape
            return (self.class_weights / (h * w)).reshape(n, k, 1, 1).expand(n, k, h, w)
        with torch.enable_grad():
            total = (
                self.scores.sum()
            )  # pictures do not depend on one another, so the sum's gradient holds each one's own
        (gradient,) = torch.autograd.grad(total, self._leaf, retain_graph=True, allow_unused=True)
        gradient = torch.zeros_like(self._leaf) if gradient is None else gradient
        return self._model.layout.to_grid(gradient, self._size).float()

    @cached_property
    def class_weights(self) -> Tensor:  # (N, K)
        linear = self._model.linear
        assert linear is not None  # _check has seen to it
        weight = linear.weight.to(self._grid.device)  # (C, K)
        indices = self.target.indices(self._logits)
        if indices is not None:
            return weight[indices]
        # A function of the logits acts through its derivative by them: (N, C) @ (C, K).
        with torch.enable_grad():
            logits = self._logits.detach().float().requires_grad_()
            (direction,) = torch.autograd.grad(_differentiable(self.target, self.target.scores(logits)).sum(), logits)
        return direction @ weight

    @cached_property
    def ablated_scores(self) -> Tensor:  # (N, K)
        linear, grid = self._model.linear, self._grid
        indices = self.target.indices(self._logits)
        if linear is not None and indices is not None:
            return self.scores.detach().unsqueeze(1) - self.class_weights * self.activations.mean((2, 3))
        rows = [self._ablate(picture, indices) for picture in range(len(grid))]
        return torch.stack(rows)

    def _ablate(self, picture: int, indices: Tensor | None) -> Tensor:
        """Scores (K,) of one picture with each channel in turn set to zero, run through the head."""
        one = slice(picture, picture + 1)
        grid, channels = self._grid[one], self._grid.shape[1]
        context = tuple(part[one] if _per_picture(part, len(self._grid)) else part for part in self._context)
        target = self.target if indices is None else Resolved(index=int(indices[picture]))
        scores = []
        for first in range(0, channels, _ABLATED_AT_ONCE):
            chunk = range(first, min(first + _ABLATED_AT_ONCE, channels))
            ablated = grid.repeat(len(chunk), 1, 1, 1)  # (chunk, K, h, w)
            ablated[range(len(chunk)), list(chunk)] = 0
            with torch.no_grad():
                logits = self._model.decode(ablated, *repeat(self._leaf[one].detach(), context, len(chunk)))
                scores.append(target.scores(logits).float())
        return torch.cat(scores)


def _check(model: Model, method: Method) -> None:
    if method.linear_only and model.linear is None:
        raise MethodError(
            f"method {method.name!r} needs a head of global average pooling and one linear layer, which "
            f"{type(model.module).__name__} does not have after {model.layer!r}. These work: "
            f"{', '.join(model.applicable_methods())}"
        )


def _differentiable(target: Resolved, scores: Tensor) -> Tensor:
    if not scores.requires_grad:
        raise TargetError(
            f"target {target.name}: its scores cannot be differentiated by the logits. Compute them from the logits it is given, "
            "without detach(), argmax or NumPy"
        )
    return scores


def _per_picture(part: object, pictures: int) -> bool:
    return isinstance(part, Tensor) and part.shape[:1] == (pictures,)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
