"""What there is to know about a method before it is run: what it reads and costs, what its numbers are, whose it is."""

from __future__ import annotations

import inspect
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from whylight.methods.registry import Function

Reads = Literal["activations and gradients", "activations", "scores", "pixel gradients", "attention"]
_PIXEL_GRADIENTS = frozenset({"input_gradients", "guided_gradients", "bias_gradients", "gradient_at"})
_NO_TARGET = frozenset({"activations", "attentions", "prefix", "grid", "inputs", "covering"})
_UNLESS = " unless that is linear"
# By what of a network the evidence is made: the first that a method takes says most.
_NEEDS = {
    "class_weights": "a head of average pooling and one linear layer",
    "attentions": "attention over all places",
    "attention_gradients": "attention over all places, and scores of each block's tokens",
    "guided_gradients": "rectifiers (ReLU)",
    "bias_gradients": "a score that its bias gradients add up to: convolutions, batch norm, rectifiers, pooling",
    "input_gradients": "a PyTorch network",
    "gradient_at": "a PyTorch network",
    "activations": "a PyTorch network with a grid of places",
    "look_at": "a PyTorch network with a grid of places",
}


@dataclass(frozen=True)
class Facts:
    """About one method.

    Attributes:
        name: as it is registered.
        does: the first sentence of its description: the map as an equation, mostly.
        reads: what it looks at.
        needs: in words, what a network must be or have.
        cost: in words, for each picture: "one forward" is that of the prediction, which methods and targets share, and all others
            come on top of it.
        signed: whether its maps tell what speaks against the target, too; None where that is no question of sign.
        of_target: whether its maps depend on the target.
        pixels: whether they have the size of the input, rather than of the grid.
        units: what their numbers are measured in.
        options: and their values.
        source: its paper, or where else it comes from.
    """

    name: str
    does: str
    reads: Reads
    needs: str
    cost: str
    signed: bool | None
    of_target: bool
    pixels: bool
    units: str
    options: dict[str, Any]
    source: str

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return asdict(self)


def facts_of(method: Function, *, linear: bool | None = None) -> Facts:
    """What there is to know about a method.

    Args:
        method: which; its options count.
        linear: whether the head of the network that is meant is average pooling and one linear layer; None: none is meant.

    >>> from whylight.methods import get
    >>> facts_of(get("gradcam")).cost
    'one forward, and a backward through the head unless that is linear'
    >>> facts_of(get("gradcam"), linear=True).cost, facts_of(get("rise", masks=100)).cost
    ('one forward', '100 forwards, or fewer with a tolerance')
    """
    said = inspect.getdoc(method.function) or ""
    source = re.search(r"^Source: (.+?)(?:\n\n|\Z)", said, re.MULTILINE | re.DOTALL)
    needs = method.needs
    return Facts(
        name=method.name,
        does=" ".join(said.split("\n\n")[0].split()),
        reads=_reads(method),
        needs=next((words for need, words in _NEEDS.items() if need in needs), "scores alone, so a black box will do"),
        cost=_cost(method, linear),
        signed=method.signed,
        of_target=not _NO_TARGET.issuperset(needs),
        pixels=not _PIXEL_GRADIENTS.isdisjoint(needs) or (method.is_slow and "activations" not in needs),
        units=method.units,
        options={**method.defaults, **method.options},
        source=" ".join(source[1].split()).rstrip(".") if source else "",
    )


def _reads(method: Function) -> Reads:
    needs = set(method.needs)
    if needs & {"attentions", "attention_gradients"}:
        return "attention"
    if "probe" in needs:
        return "scores"
    if needs & _PIXEL_GRADIENTS:
        return "pixel gradients"
    return "activations" if needs <= _NO_TARGET else "activations and gradients"


def _cost(method: Function, linear: bool | None) -> str:
    needs = set(method.needs)
    if method.cost:
        words = method.cost.format_map({**method.defaults, **method.options})
    elif method.is_slow:
        words = "many forwards"
    elif "attention_gradients" in needs:
        words = "one forward, and a backward through each block"
    elif needs & _PIXEL_GRADIENTS:
        words = "a forward and a backward through the whole network"
    elif "curvature" in needs:
        words = f"one forward, and two backwards through the head{_UNLESS}"
    elif "ablated_scores" in needs:
        words = f"one forward, and one for each channel through the head{_UNLESS}"
    elif needs & {"gradients", "gradients_of"}:
        words = f"one forward, and a backward through the head{_UNLESS}"
    else:
        words = "one forward"
    if linear is None or _UNLESS not in words:
        return words
    before, after = words.split(_UNLESS)
    return before.rpartition(", and ")[0] + after if linear else before + after
