"""Integrated gradients: the score's way from a baseline to the picture, shared out among the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.parts.options import whole
from whylight.methods.registry import GradientAt, Maps, register

NAME = "integrated-gradients"


@register(
    "integrated-gradients",
    units="logit",
    scale="robust",
    signed=True,
    cost="{steps} + 1 forwards and backwards through the whole network",
)
def integrated_gradients(
    inputs: Tensor,
    scores: Tensor,
    gradient_at: GradientAt,
    *,
    steps: int = 32,
    baseline: float | Sequence[float] = 0.0,
) -> Maps:
    """Σ over colours of (x − x₀) ⊙ ∫₀¹ ∂s/∂x (x₀ + t(x − x₀)) dt, signed. Its sum is s(x) − s(x₀), the better the more steps.

    The integral is taken by Gauss–Legendre quadrature.

    Args:
        inputs: x, (N, 3, H, W), after preprocessing.
        scores: s(x), (N,).
        gradient_at: inputs and the number of the picture each belongs to → scores and ∂s/∂x there.
        steps: points on the way.
        baseline: x₀ in units of the preprocessed input, one number or one for each colour: 0 is the mean colour of the training
            pictures wherever preprocessing takes the mean away.

    Returns:
        (N, H, W). Details: the score's difference between picture and baseline, and how far the map's sum is off it.

    Raises:
        MethodError: if an option is out of range.

    Source: Sundararajan et al., Axiomatic Attribution for Deep Networks, ICML 2017.
    """
    steps = whole(NAME, "steps", steps)
    start = _colour(baseline, inputs)  # (3, 1, 1)
    at, share = (q.to(inputs) for q in gauss_legendre(steps))  # (steps,) each
    maps, details = [], []
    for index, (picture, score) in enumerate(zip(inputs, scores.tolist(), strict=True)):
        way = picture - start  # (3, H, W)
        line = start + at.reshape(-1, 1, 1, 1) * way  # (steps, 3, H, W)
        points = torch.cat([line, start.expand_as(picture).unsqueeze(0)])  # x₀ comes last
        found, gradients = gradient_at(points, torch.full((steps + 1,), index, device=inputs.device))
        values = (way * torch.einsum("m,mchw->chw", share, gradients[:-1])).sum(0)  # (H, W)
        difference = score - float(found[-1])
        error = float(values.sum(dtype=torch.float64 if values.device.type != "mps" else None)) - difference
        maps.append(values)
        details.append({"score_difference": difference, "completeness_error": error})
    return Maps(torch.stack(maps), details)


def gauss_legendre(points: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights, (points,) float64 each, that integrate polynomials of degree 2·points − 1 over [0, 1] exactly."""
    # Golub and Welsch: the nodes are eigenvalues of the three-term recurrence's matrix, the weights come from its vectors.
    i = torch.arange(1, points, dtype=torch.float64)
    beside = i / (4 * i * i - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return (nodes + 1) / 2, vectors[0].square()


def _colour(baseline: float | Sequence[float], inputs: Tensor) -> Tensor:
    channels = inputs.shape[1]
    values = list(baseline) if isinstance(baseline, Sequence) else [baseline] * channels
    if len(values) != channels or not all(_is_number(value) for value in values):
        raise MethodError(f"method {NAME!r}: baseline={baseline!r}; it is a number, or {channels} of them")
    return inputs.new_tensor(values).reshape(channels, 1, 1)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
