"""Watch a network attend: catch each block's attention and output during a forward, or put something else in its place.

Three kinds of attention are known: modules that send their probabilities through a part called `attn_drop` (timm's; their fused
kernel, which never forms the matrix, is switched off meanwhile), `torch.nn.MultiheadAttention` (torchvision's), and any part that
calls PyTorch's fused attention, or a softmax over a square of tokens, itself (Hugging Face's, and people's own).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

OnMap = Callable[[int, Tensor], Tensor | None]  # number of the block, (N, heads, T, T) → what stands in for it
OnBlock = Callable[[int, Tensor], Tensor | None]  # number of the block, its output tokens (N, T, K) → what stands in

_ARGUMENTS = inspect.signature(nn.MultiheadAttention.forward)


@dataclass(frozen=True)
class Site:
    """A part that attends, and the block that it belongs to."""

    attention: nn.Module
    block: nn.Module


def sites_of(module: nn.Module) -> tuple[Site, ...]:
    """Every part that might attend, with its block: the largest part around it in which nothing else attends."""
    parts = dict(module.named_modules())
    return _with_blocks(parts, [name for name, part in parts.items() if _is_known(part)])


def sites_by_running(module: nn.Module, run: Callable[[], object]) -> tuple[Site, ...]:
    """Every part that calls PyTorch's attention itself, found while the network runs."""
    parts, inside, found = dict(module.named_modules()), list[str](), dict[str, None]()

    def note(attention: Tensor) -> None:
        if inside:
            found[inside[-1]] = None

    with ExitStack() as undo:
        for name, part in parts.items():
            undo.callback(part.register_forward_pre_hook(lambda part, inputs, name=name: inside.append(name)).remove)
            hook = part.register_forward_hook(lambda part, inputs, output: inside.pop() and None, always_call=True)
            undo.callback(hook.remove)
        undo.enter_context(_Attending(note, at_use=True))
        run()
    return _with_blocks(parts, list(found))


def _is_known(part: nn.Module) -> bool:
    return isinstance(part, nn.MultiheadAttention) or isinstance(getattr(part, "attn_drop", None), nn.Module)


def _with_blocks(parts: dict[str, nn.Module], names: list[str]) -> tuple[Site, ...]:
    sites = []
    for name in names:
        block = name
        while "." in block:
            around = block.rpartition(".")[0]
            if sum(other == around or other.startswith(f"{around}.") for other in names) > 1:
                break
            block = around
        sites.append(Site(parts[name], parts[block]))
    return tuple(sites)


@contextmanager
def watching(sites: tuple[Site, ...], on_map: OnMap | None, on_block: OnBlock | None = None) -> Iterator[None]:
    """Hand the blocks' attention, and their output, to functions that may put something else in their place."""
    with ExitStack() as undo:
        for i, site in enumerate(sites):
            if on_map is not None:
                _watch(site.attention, i, on_map, undo)
            if on_block is not None:
                hook = _block_hook(i, on_block)
                undo.callback(site.block.register_forward_hook(hook).remove)
        yield


def _block_hook(block: int, on_block: OnBlock) -> Callable[[nn.Module, Any, Any], Any]:
    def hook(part: nn.Module, inputs: Any, output: Any) -> Any:
        replaced = on_block(block, output[0] if isinstance(output, tuple) else output)
        return (replaced, *output[1:]) if isinstance(output, tuple) and replaced is not None else replaced

    return hook


def _watch(part: nn.Module, block: int, on_map: OnMap, undo: ExitStack) -> None:
    if isinstance(part, nn.MultiheadAttention):
        undo.callback(part.register_forward_pre_hook(_ask_for_weights, with_kwargs=True).remove)

        def attend(part: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
            given = _ARGUMENTS.bind(part, *args, **kwargs).arguments
            attention = output[1]  # (N, heads, T, S)
            replaced = on_map(block, attention)
            # What is returned is a view that the output does not hang on; made again from it, it does.
            attended = _attend(
                cast(nn.MultiheadAttention, part), given["value"], attention if replaced is None else replaced
            )
            return (attended, attention)

        undo.callback(part.register_forward_hook(attend, with_kwargs=True).remove)
        return
    if not _is_known(part):
        modes: list[ExitStack] = []

        def enter(part: nn.Module, inputs: Any) -> None:
            modes.append(ExitStack())
            modes[-1].enter_context(_Attending(lambda attention: on_map(block, attention)))

        def leave(part: nn.Module, inputs: Any, output: Any) -> None:
            modes.pop().close()

        undo.callback(part.register_forward_pre_hook(enter).remove)
        undo.callback(part.register_forward_hook(leave, always_call=True).remove)
        return
    if getattr(part, "fused_attn", False):
        setattr(part, "fused_attn", False)  # noqa: B010 - nn.Module types every attribute as a part or a tensor
        undo.callback(setattr, part, "fused_attn", True)
    dropout = cast(nn.Module, part.attn_drop)
    undo.callback(dropout.register_forward_hook(lambda drop, inputs, output: on_map(block, output)).remove)


def _ask_for_weights(part: nn.Module, args: Any, kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    given = _ARGUMENTS.bind(part, *args, **kwargs).arguments
    given.pop("self")
    return (), {**given, "need_weights": True, "average_attn_weights": False}


def _attend(part: nn.MultiheadAttention, value: Tensor, attention: Tensor) -> Tensor:
    """The output of multi-head attention from its probabilities (N, heads, T, S): those times V, then the projection."""
    if not part.batch_first:
        value = value.transpose(0, 1)
    n, s, _ = value.shape
    packed = part.in_proj_weight
    weight = part.v_proj_weight if packed is None else packed[2 * part.embed_dim :]
    bias = None if part.in_proj_bias is None else part.in_proj_bias[2 * part.embed_dim :]
    v = F.linear(value, weight, bias).reshape(n, s, part.num_heads, part.head_dim).transpose(1, 2)  # (N, heads, S, d)
    if attention.shape[-1] != s:  # a learned key beside the tokens; the maps are of no use then, and the caller says so
        v = F.pad(v, (0, 0, 0, attention.shape[-1] - s))
    attended = (attention @ v).transpose(1, 2).flatten(2)  # (N, T, K)
    out = F.linear(attended, part.out_proj.weight, part.out_proj.bias)
    return out if part.batch_first else out.transpose(0, 1)


class _Attending(TorchFunctionMode):
    """Computes attention with its probabilities (N, heads, T, T) in the open, and lets a function see and replace them.

    Args:
        on_map: the function.
        at_use: show those of a softmax only when values are weighted with them, as they are: what is mixed before is another map.
    """

    def __init__(self, on_map: Callable[[Tensor], Tensor | None], *, at_use: bool = False) -> None:
        super().__init__()
        self._on_map, self._at_use = on_map, at_use
        self._made: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return self._fused(*args, **given)
        made = func(*args, **given)
        if func in _SOFTMAX and _is_square(made):
            if not self._at_use:
                replaced = self._on_map(made)
                return made if replaced is None else replaced
            self._made.append(made)
        elif self._made and func in (*_PASSED, *_WEIGHED):
            meant = next((one for one in args if any(one is known for known in self._made)), None)
            if meant is not None and func in _PASSED:
                self._made.append(made)
            elif meant is not None:
                self._on_map(meant)
        return made

    def _fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """What the fused kernel computes, by its documentation; it is in evaluation mode, so that nothing is dropped."""
        if enable_gqa:
            times = query.shape[-3] // key.shape[-3]
            key, value = key.repeat_interleave(times, -3), value.repeat_interleave(times, -3)
        scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if is_causal:
            seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
            scores = scores.masked_fill(~seen, -math.inf)
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
        attention = scores.softmax(-1)
        replaced = self._on_map(attention) if attention.ndim == 4 else None
        return (attention if replaced is None else replaced) @ value


_SOFTMAX = {F.softmax, torch.softmax, Tensor.softmax}
_PASSED = {F.dropout, torch.dropout, Tensor.to, Tensor.type, Tensor.type_as, Tensor.float, Tensor.contiguous}
_WEIGHED = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.einsum, torch.bmm, Tensor.bmm}


def _is_square(made: Any) -> bool:
    return isinstance(made, Tensor) and made.ndim == 4 and made.shape[-1] == made.shape[-2] > 1
