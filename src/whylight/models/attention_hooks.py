"""Watch a network attend: catch each block's attention and output during a forward, or put something else in its place.

Two kinds of attention are known: modules that send their probabilities through a part called `attn_drop` (timm's; their fused
kernel, which never forms the matrix, is switched off meanwhile), and `torch.nn.MultiheadAttention` (torchvision's).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional as F

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
    names = [
        name
        for name, part in parts.items()
        if isinstance(part, nn.MultiheadAttention) or isinstance(getattr(part, "attn_drop", None), nn.Module)
    ]
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
    return lambda part, inputs, output: on_block(block, output)


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
