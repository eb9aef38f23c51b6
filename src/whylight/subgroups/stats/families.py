"""Many tests at once: Holm's correction, Benjamini and Hochberg's, and the budget that declared and exploratory tests share."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Correction = Literal["holm", "bh"]
DECLARED = 0.8  # of the error that is allowed; what is left is for groups that nobody asked about by themselves


def corrected(p: ArrayLike, how: Correction = "holm", *, share: float = 1.0) -> NDArray[np.float64]:
    """p-values for many comparisons: each can be held against the error allowed, as if it were the only one.

    Args:
        p: (m,) p-values; NaN for tests that were not made, which count for nothing.
        how: "holm": the chance of any false finding is held. "bh": the expected share of false ones among the findings.
        share: of the error allowed, what this family may use.

    Returns:
        (m,), at most 1; NaN stays.

    Sources: Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 1979; Benjamini and
    Hochberg, Controlling the false discovery rate, JRSS B 1995.

    >>> corrected([0.01, 0.04, 0.03]).tolist(), corrected([0.01, 0.04, 0.03], "bh").round(3).tolist()
    ([0.03, 0.06, 0.06], [0.03, 0.04, 0.04])
    """
    given = np.asarray(p, np.float64)
    made = ~np.isnan(given)
    values, m = given[made], int(made.sum())
    order = np.argsort(values, kind="stable")
    if how == "holm":
        scaled = np.maximum.accumulate(values[order] * (m - np.arange(m)))
    else:
        scaled = np.minimum.accumulate((values[order] * m / (np.arange(m) + 1))[::-1])[::-1]
    found = np.full(given.shape, np.nan)
    back = np.empty(m)
    back[order] = np.minimum(scaled / share, 1.0)
    found[made] = back
    return found
