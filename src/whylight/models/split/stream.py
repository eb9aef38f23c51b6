"""Whether a token layer carries the tokens themselves, told by what it computes and not by how it is built.

A block or a norm does; a projection or an activation inside one does not, even where it is wrapped (LoRA, weight norm, spectral
norm, a container of one) and so has parts of its own, which a plain one has not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from whylight.models.split.cut import UNTRACEABLE


def _named(names: str) -> set[Any]:
    """The functions of these names, of PyTorch and of its tensors."""
    return {getattr(home, name) for name in names.split() for home in (torch, Tensor) if hasattr(home, name)}


# A linear map of the tokens, or a sum over their channels: what mixes the channels of a token.
_MAPS = _named("matmul einsum bmm mm addmm __matmul__ __rmatmul__") | {F.linear, F.conv1d, F.conv2d, F.bilinear}
_SUMS = _named("mean sum var std norm amax var_mean") | {torch.linalg.vector_norm}
_NORMS = {F.layer_norm, F.group_norm, F.batch_norm, F.instance_norm, F.normalize, F.local_response_norm, F.rms_norm}
_ATTENTION = {F.scaled_dot_product_attention, F.multi_head_attention_forward}
_PRODUCTS = _named("mul mul_ __mul__ __rmul__ __imul__")
_LINEAR = _named(
    "add add_ __add__ __radd__ __iadd__ sub __sub__ __rsub__ div __truediv__ neg __neg__ dropout reshape view view_as permute "
    "expand transpose flatten unflatten unsqueeze squeeze __getitem__ cat stack chunk split unbind to float type contiguous "
    "type_as clone roll repeat"
) | {F.dropout, F.pad, *(vars(torch._C.TensorBase)[name].__get__ for name in ("T", "mT"))}


def is_stream(part: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether a layer of tokens is a block or a norm.

    Args:
        part: the layer.
        given, named: the arguments that it is called with.
    """
    with torch.no_grad(), _Operations((*given, *named.values())) as seen:
        try:
            made = part(*given, **named)
        except UNTRACEABLE:  # it does not take its input again
            made = None
    if seen.hangs(made):
        return bool(seen.mixes and seen.bends)
    return any(True for _ in part.children()) or "Norm" in type(part).__name__  # hidden from sight, as in a script


class _Operations(TorchFunctionMode):
    """Notes whether what hangs on the input is mixed over channels, and whether it is bent: put through what is not linear."""

    def __init__(self, inputs: Iterable[Any]) -> None:
        super().__init__()
        self.mixes = self.bends = False
        self._known: dict[int, Tensor] = {}  # held, so that an id stays one tensor's
        self._know(tuple(inputs))

    def hangs(self, value: Any) -> bool:
        """Whether something hangs on the input."""
        if isinstance(value, tuple | list):
            return any(map(self.hangs, value))
        return id(value) in self._known

    def _know(self, value: Any) -> None:
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, Tensor):
                self._known[id(one)] = one

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        made = func(*args, **given)
        hanging = sum(map(self.hangs, (*args, *given.values())))
        if not hanging or not any(
            isinstance(one, Tensor) for one in (made if isinstance(made, tuple | list) else [made])
        ):
            return made  # a shape, say
        self._know(made)
        if func in _NORMS:
            self.mixes = self.bends = True
        elif func in _MAPS or func in _SUMS:
            self.mixes = True
            self.bends = self.bends or (func in _MAPS and hanging > 1)  # queries by keys
        elif func in _PRODUCTS:
            self.bends = self.bends or hanging > 1
        elif func not in _LINEAR:
            self.bends = True
            self.mixes = self.mixes or func in _ATTENTION
        return made
