"""Small intersections, moved towards what their parts predict: empirical Bayes on top of a logistic model of the parts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, expit, xlog1py, xlogy
from scipy.stats import beta

from whylight.errors import DataError

Floats = NDArray[np.float64]
_STRENGTHS = np.geomspace(1, 1e5, 61)  # rows that the prediction may weigh as much as
_STEPS = 50


class Shrunk(NamedTuple):
    """Rates of cells, each moved towards its prediction by as much as its own rows are few.

    Attributes:
        value: (c,) the rates.
        low, high: (c,) of the posterior.
        predicted: (c,) what the parts predict.
        strength: how many rows the prediction weighs as much as: many where intersections differ no more than their parts say.
    """

    value: Floats
    low: Floats
    high: Floats
    predicted: Floats
    strength: float


def shrink(right: ArrayLike, n: ArrayLike, parts: NDArray[np.integer], *, level: float = 0.95) -> Shrunk:
    """Shrink the rates of cells towards a logistic model of their parts.

    Each cell's rate is taken to come from a beta distribution around what the model predicts. How many rows the prediction weighs
    as much as is averaged over all strengths, each by how likely it makes the counts of all cells; so is how sure the result is.

    Args:
        right, n: (c,) how many are right, of how many.
        parts: (c, d) for each cell and column, which of the column's groups it is in.
        level: of the interval, a credible one: it holds the rate if rates are spread as the model has it, and in
            simulations of 24 cells in 89 to 95 %.

    Raises:
        DataError: if the shapes do not fit, or no cell has a row.

    Sources: Efron and Morris, Data analysis using Stein's estimator and its generalizations, JASA 1975; Kleinman, Proportions with
    extraneous variance, JASA 1973 (the beta-binomial model); Gelman,
    Prior distributions for variance parameters in hierarchical models, Bayesian Analysis 2006 (all spreads as likely before).

    >>> found = shrink([3, 90, 88, 95], [3, 100, 100, 100], np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))
    >>> bool(0.8 < found.value[0] < 0.97)
    True
    """
    k, size = np.asarray(right, np.float64), np.asarray(n, np.float64)
    if parts.ndim != 2 or k.shape != size.shape or len(parts) != len(k) or not size.sum() > 0:
        raise DataError(
            "right, n, parts: expected the counts of each cell, of some rows, and which groups it is made of"
        )
    predicted, unsure = _predict(k, size, parts)
    weights = _weights(k, size, predicted)
    # Cells that have something of their own tell less of their parts than their rows would (Williams, Applied Statistics 1982).
    less = (_typical(weights) + 1) / (_typical(weights) + size)
    predicted, unsure = _predict(k * less, size * less, parts)
    weights = _weights(k, size, predicted)[:, None]
    spread = predicted * (1 - predicted)
    # The prediction's own error joins what cells have of their own, so that it weighs as fewer rows.
    rows = np.maximum(1 / (1 / (_STRENGTHS[:, None] + 1) + unsure * spread) - 1, 1e-3)
    a, b = k + rows * predicted, size - k + rows * (1 - predicted)
    means = a / (a + b)
    value = (weights * means).sum(0)
    variance = (weights * (means * (1 - means) / (a + b + 1) + (means - value) ** 2)).sum(0)
    total = np.maximum(value * (1 - value) / variance - 1, 1e-3)
    low, high = (beta.ppf(side, value * total, (1 - value) * total) for side in ((1 - level) / 2, (1 + level) / 2))
    return Shrunk(value, low, high, predicted, _typical(weights[:, 0]))


def _predict(k: Floats, n: Floats, parts: NDArray[np.integer]) -> tuple[Floats, Floats]:
    """The rates by a logistic model of the parts, each part's effect with a normal prior of variance 1; variances of the logits."""
    blocks = [np.ones((len(k), 1))]
    blocks += [(column[:, None] == np.unique(column)[None]).astype(np.float64) for column in parts.T]
    x = np.concatenate(blocks, axis=1)
    hold = np.eye(x.shape[1])
    hold[0, 0] = 1e-6
    whole = (k.sum() + 0.5) / (n.sum() + 1)
    weight = np.zeros(x.shape[1])
    weight[0] = np.log(whole / (1 - whole))
    best = _loss(x, k, n, hold, weight)
    for _ in range(_STEPS):
        mu = expit(x @ weight)
        slope = x.T @ (k - n * mu) - hold @ weight
        step = np.linalg.solve((x.T * (n * mu * (1 - mu))) @ x + hold, slope)
        while (now := _loss(x, k, n, hold, weight + step)) > best and np.abs(step).max() > 1e-9:
            step = step / 2
        weight, gained, best = weight + step, best - now, min(now, best)
        if gained < 1e-10 * (1 + abs(best)):
            break
    rates = np.clip(expit(x @ weight), 1e-6, 1 - 1e-6)
    known = (x.T * (n * rates * (1 - rates))) @ x + hold
    return rates, np.asarray((x * np.linalg.solve(known, x.T).T).sum(1))


def _loss(x: Floats, k: Floats, n: Floats, hold: Floats, weight: Floats) -> float:
    mu = np.clip(expit(x @ weight), 1e-15, 1 - 1e-15)
    return float(-(xlogy(k, mu) + xlog1py(n - k, -mu)).sum() + weight @ hold @ weight / 2)


def _typical(weights: Floats) -> float:
    """The strength at the mean spread."""
    return float((weights / np.sqrt(_STRENGTHS)).sum() ** -2)


def _weights(k: Floats, n: Floats, predicted: Floats) -> Floats:
    """How likely each strength is, where all sizes of what cells have of their own are as likely before."""
    a, b = _STRENGTHS[:, None] * predicted, _STRENGTHS[:, None] * (1 - predicted)
    log = (betaln(k + a, n - k + b) - betaln(a, b)).sum(1) - np.log(_STRENGTHS) / 2
    weight = np.exp(log - log.max())
    return np.asarray(weight / weight.sum())


def spread(right: ArrayLike, n: ArrayLike, *, draws: int = 2000, seed: int = 0) -> tuple[float, float]:
    """How far the best and the worst of several groups lie apart: as counted, and less what chance alone adds to that.

    The best of several is so by luck in part. Groups with the shrunk rates are drawn anew: by as much as their spread is larger
    than that of the rates they were drawn from, the spread counted is taken to be too large.

    Args:
        right, n: (c,) of groups that have rows.

    Returns:
        The spread as counted, and the corrected one, at least 0.

    Source: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 10 (parametric estimate of bias).
    """
    k, size = np.asarray(right, np.float64), np.asarray(n, np.float64)
    counted = float(np.ptp(k / size))
    if len(k) < 3:
        return counted, counted
    rates = shrink(k, size, np.zeros((len(k), 1), np.int64)).value
    drawn = np.random.default_rng(seed).binomial(size.astype(np.int64), rates, (draws, len(k))) / size
    luck = float(np.ptp(drawn, axis=1).mean() - np.ptp(rates))
    return counted, max(counted - max(luck, 0.0), 0.0)
