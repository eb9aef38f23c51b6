"""LeGrad: how the target's score at every block would grow with more attention to a place."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.parts.options import whole
from whylight.methods.registry import register


@register("legrad", units="logit per unit of attention", signed=False)
def legrad(
    attention_gradients: tuple[Tensor, ...], prefix: int, grid: tuple[int, int], *, blocks: int | None = None
) -> Tensor:
    """mean over blocks, heads and query tokens of relu(∂s_l/∂attention_l), at the key tokens of the grid.

    s_l is the target's score read from the tokens that leave block l, so each block is judged by what it adds itself.

    Args:
        attention_gradients: for each block (N, heads, T, T), from query (dim 2) to key (dim 3).
        prefix: class and register tokens before the grid.
        grid: (h, w), T = prefix + h·w.
        blocks: only this many last blocks; None is all of them.

    Returns:
        (N, h, w), nowhere negative.

    Raises:
        MethodError: if an option is out of range.

    Source: Bousselham et al., LeGrad, 2024 (ICCV 2025).
    """
    last = 0 if blocks is None else -whole("legrad", "blocks", blocks)
    layers = [g.relu().mean((1, 2))[:, prefix:] for g in attention_gradients[last:]]  # each (N, h·w)
    return torch.stack(layers).mean(0).reshape(-1, *grid)
