"""RISE: the mean of random masks, each weighted by the score of what it leaves of the picture."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.parts.masks import Masks, chunks
from whylight.methods.parts.options import choice, number, whole
from whylight.methods.registry import Maps, Probe, register

_CLEAR = 4.0  # standard errors above the mean score at which evidence begins: what is below may be the masks' chance
_CHECKED = 200  # masks between two looks at the standard error
_FEW = 20  # masks from which on a regression on them is worth its noise


@register("rise", units="probability", cost="{masks:,} forwards, or fewer with a tolerance")
def rise(
    inputs: Tensor,
    probe: Probe,
    *,
    masks: int = 4000,
    grid: int = 7,
    keep: float = 0.5,
    tolerance: float | None = None,
    seed: int = 0,
    after: Literal["auto", "logit", "probability"] = "auto",
) -> Maps:
    """E[s(x ⊙ M) M] / p over random masks M, estimated with less noise than by the mean of the products.

    A mask is a grid of Bernoulli(p) numbers, enlarged bilinearly to (grid + 1) · ⌈H / grid⌉ and cut to H × W at a random place;
    ⊙ on the preprocessed input, so that what is masked turns to the mean colour. Mask i depends on the seed and on i alone.

    Masks come in antithetic pairs: the second has the first one's cut and the opposite dice, at p = 1/2 its complement. Each is
    distributed as published. What the scores of both have in common then cancels instead of adding noise.

    The masks' own mean and covariance are known exactly, so what they explain of the score need not be sampled:

        E[s M] / p = E[s] + (Cov(s - f, M) + Cov(f, M)) / p,

    with f linear in the mask, fitted to the scores by ridge regression; Cov(f, M) is exact, and the other two are estimated by
    means: of Cov over (s - f - c)(M - p), c the mean of s - f outside the pair. f is fitted to every second pair for the others
    and the other way round. What is subtracted is thus independent of the mask, and the expectation is that of the published
    Σ sᵢ Mᵢ / (n p), for any n.

    Args:
        inputs: x, (N, 3, H, W).
        probe: gives the scores.
        masks: how many, or the most, where `tolerance` is given; at least 2.
        grid: cells along each side of a mask.
        keep: p, the share of the picture that a mask lets through.
        tolerance: stop early, when the other masks are expected to change the map by at most this part of its spread (both root
            mean squares over the pixels). At 0.14 the map correlates by about 0.99, 1 / √(1 + 0.14²), with that of all. None runs
            all of them.
        seed: of the masks.
        after: `"probability"` as published, or `"logit"`; `"auto"` is the first where the target is a class, and the score
            itself where it is a function.

    Returns:
        (N, H, W) in units of the score: what a pixel's being shown makes of it. A pixel that does not matter has the mean score;
        evidence begins four standard errors above it. Details: `masks` run, and `standard_error` of the map against its own mean
        score, root mean square over the pixels; NaN for fewer than four masks.

    Raises:
        MethodError: if an option is out of range.

    Source: Petsiuk, Das and Saenko, RISE, BMVC 2018. Pairs: Hammersley and Morton, A new Monte Carlo technique: antithetic
    variates, 1956.
    """
    whole("rise", "masks", masks, least=2)
    whole("rise", "grid", grid)
    whole("rise", "seed", seed, least=0, most=2**63 - 1)
    if number("rise", "keep", keep, below=1) == 0:
        raise MethodError(
            "method 'rise': keep=0; masks that hide everything tell nothing: give a number between 0 and 1"
        )
    if tolerance is not None:
        number("rise", "tolerance", tolerance)
    choice("rise", "after", after, ("auto", "logit", "probability"))
    plan = Masks(inputs.shape[2], inputs.shape[3], grid, keep, seed, inputs.device)
    found, details, levels = [], [], []
    for picture, x in enumerate(inputs):
        scores = _scores(picture, x, probe, plan, masks, tolerance, after)
        values, error = estimate(plan, scores)
        found.append(values.float())
        details.append({"masks": len(scores), "standard_error": error})
        levels.append(float(scores.mean()) + (0.0 if math.isnan(error) else _CLEAR * error))
    return Maps(torch.stack(found).to(inputs.device), details, torch.tensor(levels, device=inputs.device))


def _scores(
    picture: int,
    x: Tensor,
    probe: Probe,
    plan: Masks,
    masks: int,
    tolerance: float | None,
    after: Literal["auto", "logit", "probability"],
) -> Tensor:
    """Scores (n,) float64 of one picture under as many masks as it takes."""
    # One tensor for all: small ones kept from every chunk would lie between its large ones, and memory would fragment.
    scores = torch.zeros(masks, dtype=torch.float64)
    for indices, more in probe(picture, masks, lambda chunk: x * plan(chunk).unsqueeze(1), after=after):
        scores[indices.start : indices.stop] = more
        if tolerance is None:
            continue
        # Looked at after fixed numbers of masks, so that where it stops does not depend on the chunks.
        for count in range((indices.start // _CHECKED + 1) * _CHECKED, indices.stop + 1, _CHECKED):
            values, error = estimate(plan, scores[:count])
            error *= math.sqrt(1 - count / masks)  # what is left of it when the other masks have come in, too
            if error <= tolerance * math.sqrt(float((values - values.mean()).square().mean())):
                return scores[:count]
    return scores


def estimate(plan: Masks, scores: Tensor) -> tuple[Tensor, float]:
    """The map (H, W) float64 from the scores (n,) float64 of the first n masks, and its standard error.

    The error is that of Cov(s - f, M) / p, as root mean square over the pixels: what would be different with other masks. That
    of E[s] moves the level of the whole map and is left out. From fewer than two whole pairs no error can be told: it is NaN.
    """
    n = len(scores)
    weights = scores.new_zeros(n)
    linear = scores.new_zeros(plan.points**2)  # f, both folds together
    pairs = torch.arange(n) // 2
    folds = [pairs % 2 == 0, pairs % 2 == 1] if n >= _FEW else [pairs >= 0]
    fits = _fits(plan, scores - scores.mean()) if n >= _FEW else []
    for fit in fits:
        linear += fit / 2
    if fits:
        explained = torch.cat([plan.samples(chunk) @ torch.stack(fits, 1) for chunk in chunks(n)])  # (n, 2)
    for i, fold in enumerate(folds):
        own = scores[fold] - explained[fold, 1 - i] if fits else scores[fold]
        weights[fold] = (own - _others(own)) / len(own) / len(folds)
    sampled = plan.weighed(weights)  # Cov(s - f, M)
    values = scores.mean() + (sampled + plan.covariance(linear)) / plan.keep
    if n < 4:
        return values, math.nan
    count = int(pairs[-1]) + 1
    squared = float(plan.squares(weights).sum()) - float(sampled.square().mean()) / count
    return values, math.sqrt(max(0.0, squared) * count / (count - 1)) / plan.keep


def _others(scores: Tensor) -> Tensor:
    """The mean of the scores (n,) outside each one's pair, (n,); zero where there is no other pair."""
    n = len(scores)
    sums = torch.cat([scores, scores.new_zeros(n % 2)]).view(-1, 2).sum(1)  # (pairs,)
    counts = torch.full_like(sums, 2)
    counts[-1] -= n % 2
    return ((scores.sum() - sums) / (n - counts).clamp(min=1)).repeat_interleave(2)[:n] * (n > 2)


def _fits(plan: Masks, scores: Tensor) -> list[Tensor]:
    """Coefficients (points²,) of f, fitted to the even pairs and to the odd ones, given scores (n,) with mean zero."""
    width = plan.points**2
    squares, products, sums = (scores.new_zeros((2, *shape)) for shape in ((width, width), (width,), (width,)))
    totals, counts = scores.new_zeros(2), scores.new_zeros(2)
    for chunk in chunks(len(scores)):
        samples, some = plan.samples(chunk), scores[chunk.start : chunk.stop]
        for fold in (0, 1):
            own = torch.arange(chunk.start, chunk.stop) // 2 % 2 == fold
            squares[fold] += samples[own].T @ samples[own]
            products[fold] += samples[own].T @ some[own]
            sums[fold] += samples[own].sum(0)
            totals[fold] += some[own].sum()
            counts[fold] += len(some[own])
    # A ridge as for coefficients that explain half of the variance: it gives way as masks come in.
    ridge = width * plan.sampled_variance * torch.eye(width, dtype=scores.dtype)
    fits = []
    for fold in (0, 1):
        centred = squares[fold] - sums[fold].outer(sums[fold]) / counts[fold]
        target = products[fold] - sums[fold] * totals[fold] / counts[fold]
        fits.append(torch.linalg.solve(centred + ridge, target))
    return fits
