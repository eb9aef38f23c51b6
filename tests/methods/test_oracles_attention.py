"""LeGrad and attention rollout: plain loops, and products of whole matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.legrad import legrad
from whylight.methods.rollout import rollout

N, HEADS, GRID, BLOCKS = 2, 3, (2, 3), 4


def tensors(prefix: int, *, probabilities: bool) -> tuple[Tensor, ...]:
    tokens, generator = prefix + 6, torch.Generator().manual_seed(prefix)
    drawn = [torch.randn((N, HEADS, tokens, tokens), generator=generator) for _ in range(BLOCKS)]
    return tuple(d.softmax(3) if probabilities else d for d in drawn)


@pytest.mark.parametrize("prefix", [0, 1, 5])
@pytest.mark.parametrize("blocks", [None, 3])
def test_legrad(prefix: int, blocks: int | None) -> None:
    gradients = tensors(prefix, probabilities=False)
    used = gradients if blocks is None else gradients[-blocks:]
    tokens = prefix + 6
    maps = legrad(gradients, prefix, GRID, blocks=blocks)
    for n in range(N):
        for i in range(2):
            for j in range(3):
                key, total = prefix + 3 * i + j, 0.0
                for layer in used:
                    for head in range(HEADS):
                        for query in range(tokens):
                            total += max(float(layer[n, head, query, key]), 0.0)
                assert float(maps[n, i, j]) == pytest.approx(total / (len(used) * HEADS * tokens), rel=1e-5)


@pytest.mark.parametrize("prefix", [0, 1, 5])
@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("read", ["auto", "places"])
def test_rollout(prefix: int, fusion: str, read: str) -> None:
    attentions, tokens = tensors(prefix, probabilities=True), prefix + 6
    maps = rollout(attentions, prefix, GRID, head_fusion=fusion, read=read)
    for n in range(N):
        product = torch.eye(tokens, dtype=torch.float64)
        for attention in attentions:
            heads = attention[n].double()
            fused = {"mean": heads.mean(0), "max": heads.max(0).values, "min": heads.min(0).values}[fusion]
            step = (fused + torch.eye(tokens)) / 2
            product = (step / step.sum(1, keepdim=True)) @ product
        row = product[0] if prefix and read == "auto" else product[prefix:].mean(0)
        torch.testing.assert_close(maps[n].double(), row[prefix:].reshape(GRID), rtol=1e-4, atol=1e-6)
        assert float(maps[n].sum()) == pytest.approx(1 - float(row[:prefix].sum()), rel=1e-5)


def test_rollout_discards_the_smallest_weights() -> None:
    attentions, tokens = tensors(1, probabilities=True), 7
    maps = rollout(attentions, 1, GRID, discard=0.5)
    for n in range(N):
        product = torch.eye(tokens)
        for attention in attentions:
            fused = attention[n].mean(0)
            kept = sorted(fused.flatten().tolist(), reverse=True)[: tokens * tokens - int(0.5 * tokens * tokens)]
            step = torch.where(fused >= kept[-1], fused, 0) + torch.eye(tokens)
            product = (step / step.sum(1, keepdim=True)) @ product
        torch.testing.assert_close(maps[n], product[0, 1:].reshape(GRID), rtol=1e-4, atol=1e-6)


def test_attention_that_looks_at_one_place_only() -> None:
    """Every block hands the class token half of itself and half of place 4: after L blocks the place has 1 − 2⁻ᴸ."""
    attention = torch.zeros(1, 1, 7, 7)
    attention[..., 1 + 4] = 1
    maps = rollout((attention,) * 3, 1, GRID)
    expected = torch.zeros(GRID)
    expected[1, 1] = 1 - 2**-3
    torch.testing.assert_close(maps[0], expected)


def test_options() -> None:
    attentions = tensors(1, probabilities=True)
    with pytest.raises(MethodError, match="head_fusion='sum'; it is one of mean, max, min"):
        rollout(attentions, 1, GRID, head_fusion="sum")
    with pytest.raises(MethodError, match="discard=1; it is a number, at least 0 and less than 1"):
        rollout(attentions, 1, GRID, discard=1)
    with pytest.raises(MethodError, match="read='class', but this model has no token before the grid"):
        rollout(tensors(0, probabilities=True), 0, GRID, read="class")
    with pytest.raises(MethodError, match="blocks=0"):
        legrad(attentions, 1, GRID, blocks=0)


def test_nothing_in_nothing_out() -> None:
    zero = (torch.zeros(N, HEADS, 7, 7),) * 2
    for maps in (legrad(zero, 1, GRID), rollout(zero, 1, GRID)):
        assert maps.shape == (N, *GRID)
        assert (maps == 0).all()
