"""Attention rollout: attention followed back through all blocks, whatever the class."""

from __future__ import annotations

from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.parts.options import choice, number
from whylight.methods.registry import register

NAME = "rollout"


@register("rollout", units="share of attention", signed=False)
def rollout(
    attentions: tuple[Tensor, ...],
    prefix: int,
    grid: tuple[int, int],
    *,
    head_fusion: str = "mean",
    discard: float = 0.0,
    read: str = "auto",
) -> Tensor:
    """The class token's row of Â_L ⋯ Â_1 at the grid's tokens, Â = (Ā + I)/2 with rows that sum to 1, Ā fused over heads.

    I stands for the skip connection around each block. It does not depend on the target.

    Args:
        attentions: for each block (N, heads, T, T), rows sum to 1.
        prefix: class and register tokens before the grid; the class token comes first.
        grid: (h, w), T = prefix + h·w.
        head_fusion: "mean" as in the paper, "max" or "min" over heads.
        discard: share of each block's fused weights, the smallest ones, that are set to zero. 0 as in the paper.
        read: what the head reads, and so whose row is shown: "class", the first token; "places", the mean over the grid's
            tokens; "auto", the first where tokens stand before the grid, and the places where none do.

    Returns:
        (N, h, w), nowhere negative; the sum is 1 less the share of the tokens before the grid.

    Raises:
        MethodError: if an option is out of range, or there is no class token to read.

    Source: Abnar and Zuidema, Quantifying Attention Flow in Transformers, ACL 2020.
    """
    choice(NAME, "head_fusion", head_fusion, ("mean", "max", "min"))
    discard = number(NAME, "discard", discard, below=1.0)
    choice(NAME, "read", read, ("auto", "class", "places"))
    if read == "class" and not prefix:
        raise MethodError(
            f"method {NAME!r}: read='class', but this model has no token before the grid; use read='places'"
        )
    n, _, tokens, _ = attentions[0].shape
    row = attentions[0].new_zeros((n, 1, tokens))
    if prefix and read != "places":
        row[:, :, 0] = 1
    else:
        row[:, :, prefix:] = 1 / (tokens - prefix)
    # One row is wanted, so it is carried back from the last block: vectors times matrices, never a product of matrices.
    for attention in reversed(attentions):
        fused = attention.mean(1) if head_fusion == "mean" else getattr(attention, f"a{head_fusion}")(1)  # (N, T, T)
        dropped = int(discard * tokens * tokens)
        if dropped:
            order = fused.flatten(1).topk(dropped, largest=False).indices
            fused = fused.flatten(1).scatter(1, order, 0.0).reshape(n, tokens, tokens)
        # Row i of (Ā + I)/2 over its sum, without writing I out.
        share = row / (fused.sum(2).unsqueeze(1) + 1)
        row = share @ fused + share
    return row[:, 0, prefix:].reshape(n, *grid)
