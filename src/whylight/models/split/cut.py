"""Cut a network in two: `encode(x)` gives the activations at a layer, `decode` goes on from there to the logits.

Three ways, from the best to the one that always works:

- `MethodSplit`: the network says itself where its head begins (timm's `forward_features` and `forward_head`);
- `GraphSplit`: `torch.fx` traces the network, and the graph is cut after the layer;
- `HookSplit`: the network runs as it is, and hooks catch and replace the layer's output, and always come off.

Each is exact. They differ in the price of `decode`: the first two run the head alone, hooks run the whole network again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from whylight.errors import ModelError

# What torch.fx raises on networks whose forward it cannot follow (control flow on values, foreign calls, …).
UNTRACEABLE = (
    torch.fx.proxy.TraceError,
    TypeError,
    ValueError,
    RuntimeError,
    AttributeError,
    LookupError,
    AssertionError,
    NotImplementedError,
    ModelError,
)

Context = tuple[Any, ...]  # what the head needs besides the activations: values that pass the cut on another way


class Split(Protocol):
    """A network cut at one layer."""

    layer: str
    kind: str

    def encode(self, x: Tensor) -> tuple[Tensor, Context]:
        """Run from the input (N, 3, H, W) to the layer's raw activations."""

    def decode(self, raw: Tensor, context: Context) -> Tensor:
        """Run from raw activations to the logits (N, C)."""

    def run(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        """Do both in one forward: raw activations, logits, context."""

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        """The same with a leaf that holds the activations, and logits that hang on it by autograd."""


def logits_of(output: Any) -> Tensor:
    """Take the (N, C) logits out of what a classifier returned: a tensor, or an object that has them as `.logits`."""
    logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        shape = f"a tensor {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(output).__name__
        raise ModelError(f"a classifier must return logits of shape (N, C); this one returned {shape}")
    return logits


def leaf_of(raw: Tensor) -> Tensor:
    """A gradient leaf that shares the values of `raw`."""
    return raw.detach().requires_grad_()


def repeat(raw: Tensor, context: Context, rows: int) -> tuple[Tensor, Context]:
    """Repeat one picture's activations and context `rows` times, without copying."""

    def spread(part: Any) -> Any:
        return part.expand(rows, *part.shape[1:]) if isinstance(part, Tensor) and part.shape[:1] == (1,) else part

    return raw.expand(rows, *raw.shape[1:]), tuple(spread(part) for part in context)


def context_of(context: Context, picture: int, pictures: int) -> Context:
    """One picture's part of the context of a batch of so many."""
    return tuple(
        part[picture : picture + 1] if isinstance(part, Tensor) and part.shape[:1] == (pictures,) else part
        for part in context
    )


def run(split: Split, x: Tensor) -> tuple[Tensor, Tensor, Context]:
    """`Split.run` for ways of which both halves run by themselves."""
    raw, context = split.encode(x)
    return raw, split.decode(raw.clone(), context), context


def look(split: Split, x: Tensor) -> tuple[Tensor, Tensor, Context]:
    """`Split.look` for ways of which both halves run by themselves."""
    with torch.no_grad():
        raw, context = split.encode(x)
    leaf = leaf_of(raw)
    with torch.enable_grad():
        return leaf, split.decode(leaf.clone(), context), context


class MethodSplit:
    """timm's own split: `forward_features`, then `forward_head`."""

    layer = "forward_features"
    kind = "exact: the model's own forward_features and forward_head"

    def __init__(self, module: nn.Module) -> None:
        self._features = cast("Callable[[Tensor], Tensor]", module.forward_features)
        self._head = cast("Callable[[Tensor], Tensor]", module.forward_head)

    def encode(self, x: Tensor) -> tuple[Tensor, Context]:
        return self._features(x), ()

    def decode(self, raw: Tensor, context: Context) -> Tensor:
        return logits_of(self._head(raw))

    def run(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        return run(self, x)

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        return look(self, x)
