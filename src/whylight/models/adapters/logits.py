"""From whatever a classifier returns to its logits (N, C): the right tensor, and what came before a final softmax or sigmoid.

Methods explain the logit: a probability is squeezed, depends on all classes, and is flat where the network is sure. So where a
network ends in softmax, log-softmax or sigmoid, what went into that function is read. It is caught as the function is called, in
whichever way; where nobody calls it in sight of Python (a compiled script), the probability is turned back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from whylight.errors import ModelError
from whylight.models.adapters.inputs import Fed

EndsIn = Literal["auto", "logits", "softmax", "log_softmax", "sigmoid"]
Pick = str | int | Callable[[Any], Tensor] | None
_ENDS: dict[Any, str] = {
    **dict.fromkeys((F.softmax, torch.softmax, Tensor.softmax), "softmax"),
    **dict.fromkeys((F.log_softmax, torch.log_softmax, Tensor.log_softmax), "log_softmax"),
    **dict.fromkeys((torch.sigmoid, Tensor.sigmoid, F.sigmoid, torch.special.expit), "sigmoid"),
}
# What changes a tensor's shape or type alone: what came before goes the same way.
_CARRIED = {
    *(torch.squeeze, Tensor.squeeze, torch.flatten, Tensor.flatten, Tensor.view, torch.reshape, Tensor.reshape),
    *(torch.unsqueeze, Tensor.unsqueeze, Tensor.__getitem__, Tensor.float, Tensor.to, Tensor.contiguous, torch.clone),
    *(Tensor.clone, Tensor.type),
}
_LEAST = 1e-12  # of a probability that is turned back


class Logits(nn.Module):
    """A network whose output is read as logits (N, C). Made by `read_logits`, where the output is anything else.

    Args:
        network: the classifier, as it was given.
        output: which part of what it returns; None: all of it.
        ends_in: the function that its logits go through.
        given: what it returned for an input.

    Attributes:
        is_single: it gives one logit z, a sigmoid's: the answer no has −z, yes has z.
    """

    def __init__(self, network: nn.Module, output: Pick, ends_in: str, given: Any) -> None:
        super().__init__()
        self.network = network
        self.output, self.ends_in = output, ends_in
        self._attribute = _attribute_of(given, output)
        part = picked(given, output, type(network).__name__)
        self._dimensions = part.ndim
        self.is_single = _rows(part).shape[1] == 1

    @property
    def ending(self) -> str:
        """What it does to its logits and is not explained, in words; "" where it does nothing."""
        if self.ends_in == "logits":
            return ""
        return f"the logits before its final {self.ends_in.replace('_', ' ')} are explained"

    @property
    def default_layer(self) -> str | None:
        """Where to look, unless told otherwise."""
        layer = getattr(self.network, "default_layer", None)
        return None if layer is None else f"network.{layer}"

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, C)."""
        if self.ends_in == "logits":
            logits = self._part_of(self.network(x))
        elif not isinstance(x, Tensor):  # torch.fx traces
            raise NotImplementedError(
                "what goes into a function is caught as it is called, which a trace does not show"
            )
        else:
            with _Ends() as ends:
                found = self._part_of(self.network(x))
            before = ends.before(found, self.ends_in)
            logits = turned_back(found, self.ends_in) if before is None else before
        logits = logits.unsqueeze(1) if self._dimensions == 1 else logits.flatten(1)
        return torch.cat([-logits, logits], dim=1) if self.is_single else logits

    def _part_of(self, given: Any) -> Tensor:
        """As `picked`, without a look at what it is, so that torch.fx can trace it."""
        if callable(self.output):
            return self.output(given)
        if self._attribute is not None:
            return cast(Tensor, getattr(given, self._attribute))
        return cast(Tensor, given if self.output is None else given[self.output])


def read_logits(
    network: nn.Module,
    probe: Tensor,
    given: Any,
    *,
    output: Pick = None,
    ends_in: EndsIn = "auto",
    classes: Sequence[str] | None = None,
) -> nn.Module:
    """The network itself where it returns logits (N, C), more than one; else a `Logits` around it.

    Args:
        network: the classifier, in evaluation mode.
        probe: an input (1, 3, H, W).
        given: what the network returned for it.
        output: which part of that has the logits: a key, an attribute's name, a place, or a function of it.
        ends_in: what the logits go through; "auto" finds out by running.
        classes: their names; their number tells tensors apart.

    Raises:
        ModelError: if it is not clear which part has the logits; the message lists all.
    """
    if ends_in not in get_args(EndsIn):
        raise ModelError(f"ends_in: expected one of {', '.join(get_args(EndsIn))}, got {ends_in!r}")
    name = type(network).__name__
    if isinstance(network, Logits):
        return network
    if output is None:
        output = _place_of(given, name, len(probe), None if classes is None else len(classes))
    found = _rows(picked(given, output, name))
    with torch.no_grad():
        kind = _end_of(network, probe, output, found) if ends_in == "auto" else ends_in
    plain = output is None and kind == "logits" and found.shape[1] > 1 and picked(given, None, name).ndim == 2
    return network if plain else Logits(network, output, kind, given)


def name_of(network: nn.Module) -> str:
    """What to call a network: the name of the class that its owner knows."""
    while isinstance(network, Logits | Fed):
        network = network.network
    return type(network).__name__


def picked(given: Any, output: Pick, name: str) -> Tensor:
    """The part of what a network returned that has the logits."""
    if callable(output):
        found = output(given)
    elif output is None:
        found = given if isinstance(given, Tensor) else getattr(given, "logits", given)
    else:
        parts = dict(_parts(given))
        if isinstance(output, str) and output not in parts and hasattr(given, output):
            parts[output] = getattr(given, output)
        if output not in parts:
            raise ModelError(f"output={output!r}: {name} returns no such part. {_listed(parts)}")
        found = parts[output]
    if not isinstance(found, Tensor):
        raise ModelError(f"output: expected a tensor of logits (N, C) from {name}, got {type(found).__name__}")
    return found


def _attribute_of(given: Any, output: Pick) -> str | None:
    """The name under which the logits are an attribute of what was returned; None: they are not."""
    if output is None:
        return None if isinstance(given, Tensor) else "logits"
    by_key = not isinstance(output, str) or output in dict(_parts(given))
    return None if by_key else output if isinstance(output, str) else None


def _place_of(given: Any, name: str, rows: int, classes: int | None) -> Pick:
    """Where the logits are in what was returned; None: it is they, or has them as `.logits`."""
    if isinstance(given, Tensor) or isinstance(getattr(given, "logits", None), Tensor):
        return None
    parts = dict(_parts(given))
    if isinstance(parts.get("logits"), Tensor):
        return "logits"
    able = [key for key, part in parts.items() if isinstance(part, Tensor) and _is_logits(part, rows)]
    fitting = [key for key in able if parts[key].shape[-1] == classes] if classes and len(able) > 1 else able
    if len(fitting) == 1:
        return fitting[0]
    if not parts:
        raise ModelError(f"a classifier must return logits of shape (N, C); this one returned {type(given).__name__}")
    trouble = "several could be its logits" if able else "none has the shape (N, C)"
    raise ModelError(f"{name} returns several things, and {trouble}: say which with output=. {_listed(parts)}")


def _parts(given: Any) -> list[tuple[str | int, Any]]:
    """What an output holds, by key or place."""
    if isinstance(given, Mapping):
        return [(key, part) for key, part in given.items() if isinstance(key, str | int)]
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return list(enumerate(given))
    return []


def _listed(parts: Mapping[Any, Any]) -> str:
    each = (
        f"{key!r}: {tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__}"
        for key, part in parts.items()
    )
    return "It returns " + ", ".join(each) if parts else "It returns nothing that has parts"


def _is_logits(part: Tensor, rows: int) -> bool:
    return part.is_floating_point() and part.ndim == 2 and len(part) == rows


def _rows(found: Tensor) -> Tensor:
    """Logits as (N, C): of one logit the column may be missing, and behind a convolution there may be sides of 1."""
    if found.ndim == 1:
        return found.unsqueeze(1)
    if found.ndim > 2 and found.shape[2:].numel() == 1:
        return found.flatten(1)
    if found.ndim != 2:
        raise ModelError(
            f"a classifier must return logits of shape (N, C); this one returned a tensor {tuple(found.shape)}"
        )
    return found


def _end_of(network: nn.Module, probe: Tensor, output: Pick, found: Tensor) -> str:
    """What the logits went through, found by running: a few more inputs, and only where the first output may be such."""
    kinds = [kind for kind in ("softmax", "log_softmax", "sigmoid") if _may_be(kind, found)]
    if not kinds:
        return "logits"
    caught: set[str] = set()
    for x in (probe, torch.zeros_like(probe), -3 * probe, probe.flip(-1) * 30):
        with _Ends() as ends:
            raw = picked(network(x), output, type(network).__name__)
        kinds = [kind for kind in kinds if _may_be(kind, _rows(raw))]
        caught = {kind for kind in kinds if ends.before(raw, kind) is not None}
    # Rows that sum to one are no accident. Scores of few classes may all lie between 0 and 1 by chance: there it must be seen.
    return next((kind for kind in kinds if kind in caught), next((k for k in kinds if k != "sigmoid"), "logits"))


def _may_be(kind: str, rows: Tensor) -> bool:
    """Whether scores (N, C) could have come out of a function."""
    values = rows.float()
    slack = 1e-3 if rows.dtype == torch.float32 else 2e-2
    if kind == "log_softmax":
        return rows.shape[1] > 1 and bool((values <= slack).all() and (values.logsumexp(1).abs() <= slack).all())
    if not bool(((values >= 0) & (values <= 1)).all()):
        return False
    return kind == "sigmoid" or (rows.shape[1] > 1 and bool(((values.sum(1) - 1).abs() <= slack).all()))


def turned_back(found: Tensor, kind: str) -> Tensor:
    """Logits from what a function made of them; of a softmax, up to a number that all classes share."""
    if kind == "softmax":
        return found.clamp(min=_LEAST).log()
    if kind == "sigmoid":
        return found.clamp(min=_LEAST).log() - (1 - found).clamp(min=_LEAST).log()
    return found


class _Ends(TorchFunctionMode):
    """Remembers what goes into each softmax and sigmoid of the size of a row of scores a picture."""

    def __init__(self) -> None:
        super().__init__()
        self._met: dict[
            int, tuple[Tensor, Tensor, str]
        ] = {}  # by the id of the output, which is held, so that ids stay

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        made = func(*args, **given)
        if not isinstance(made, Tensor) or not args or not isinstance(args[0], Tensor):
            return made
        if func in _ENDS and made.ndim and made.shape[2:].numel() == 1:
            self._met[id(made)] = made, args[0], _ENDS[func]
        elif func in _CARRIED and id(args[0]) in self._met and made is not args[0]:
            _, before, kind = self._met[id(args[0])]
            self._met[id(made)] = made, func(before, *args[1:], **given), kind
        return made

    def before(self, scores: Tensor, kind: str) -> Tensor | None:
        """What went into a function of this kind that gave these scores; None where it was not seen."""
        made, before, found = self._met.get(id(scores), (None, None, ""))
        return before if made is scores and found == kind else None
