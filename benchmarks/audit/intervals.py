"""Do the intervals and tests of an audit hold what they promise: coverage, false findings, and what shrinking brings.

    python -m benchmarks.audit.intervals [--record]

Coverage of rates is summed from the binomial law, with nothing drawn; so is that of the intervals that were not chosen. Gaps, false
findings of whole audits, and shrinkage are simulated with fixed seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from scipy.stats import beta, binom, norm

from benchmarks.common.report import Row, record
from whylight.subgroups.audit import audit
from whylight.subgroups.stats import intervals
from whylight.subgroups.stats.shrink import shrink

SMALL = range(5, 31)
LARGE = (30, 50, 75, 100, 200, 500, 1000, 5000)
HIGH = np.linspace(0.80, 0.99, 381)
WIDE = np.linspace(0.05, 0.95, 181)
AUDITS = 1000
How = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def plain_wilson(k: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval as it is."""
    z = norm.ppf(0.975)
    p = k / n
    middle, half = (
        (p + z * z / 2 / n) / (1 + z * z / n),
        z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n),
    )
    return np.where(k == 0, 0, middle - half), np.where(k == n, 1, middle + half)


def agresti_coull(k: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two successes and two failures added, about."""
    z = norm.ppf(0.975)
    size = n + z * z
    p = (k + z * z / 2) / size
    half = z * np.sqrt(p * (1 - p) / size)
    return np.maximum(p - half, 0), np.minimum(p + half, 1)


def jeffreys(k: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The posterior's quantiles after half a success and half a failure."""
    low, high = beta.ppf(0.025, k + 0.5, n - k + 0.5), beta.ppf(0.975, k + 0.5, n - k + 0.5)
    return np.where(k == 0, 0, low), np.where(k == n, 1, high)


def clopper_pearson(k: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The exact one."""
    with np.errstate(invalid="ignore"):
        low, high = beta.ppf(0.025, k, n - k + 1), beta.ppf(0.975, k + 1, n - k)
    return np.where(k == 0, 0, low), np.where(k == n, 1, high)


def mid_p(k: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The exact one, counting half of what was seen."""

    def side(lower: bool) -> np.ndarray:
        a, b = np.zeros(len(k)), np.ones(len(k))
        for _ in range(50):
            m = (a + b) / 2
            above = binom.sf(k, n, m) + binom.pmf(k, n, m) / 2
            go = above < 0.025 if lower else above < 0.975
            a, b = np.where(go, m, a), np.where(go, b, m)
        return a

    return np.where(k == 0, 0, side(True)), np.where(k == n, 1, side(False))


OTHERS: dict[str, How] = {
    "Wilson, plain": plain_wilson,
    "Agresti–Coull": agresti_coull,
    "Jeffreys": jeffreys,
    "Clopper–Pearson": clopper_pearson,
    "mid-P": mid_p,
}


def coverage(how: How, n: int, rates: np.ndarray) -> np.ndarray:
    """In which share of samples of n the interval holds the rate, for each rate: no simulation."""
    k = np.arange(n + 1)
    low, high = how(k, n)
    holds = (low[:, None] <= rates + 1e-12) & (rates - 1e-12 <= high[:, None])
    return (binom.pmf(k[:, None], n, rates) * holds).sum(0)


def rates() -> list[Row]:
    """Rows about intervals of rates."""
    rows = []
    small = [coverage(intervals.rate, n, HIGH) for n in SMALL]
    means = [100 * one.mean() for one in small]
    large = [100 * coverage(intervals.rate, n, grid).mean() for n in LARGE for grid in (HIGH, WIDE)]
    at = "n 5 to 30, rates 0.80 to 0.99"
    rows += [
        Row(f"coverage of 95 % intervals, {at}: least of the means over rates", min(means), "%", 93, "higher"),
        Row(f"coverage of 95 % intervals, {at}: largest of the means over rates", max(means), "%", 98),
        Row(f"coverage of 95 % intervals, {at}: least anywhere", 100 * min(map(np.min, small)), "%", 90, "higher"),
        Row("coverage from n = 30 on: least of the means over rates", min(large), "%", 93, "higher"),
        Row("coverage from n = 30 on: largest of the means over rates", max(large), "%", 97),
    ]
    for name, how in OTHERS.items():
        found = [coverage(how, n, HIGH) for n in SMALL]
        means = [100 * one.mean() for one in found]
        note = f"means over rates {min(means):.1f} to {max(means):.1f} %"
        rows.append(Row(f"not chosen: {name}, {at}: least anywhere", 100 * min(map(np.min, found)), "%", note=note))
    return rows


def gaps(draws: int = 20_000) -> list[Row]:
    """Rows about intervals of gaps between a small group and all others."""
    rng = np.random.default_rng(0)
    found = []
    for n in (30, 100, 300):
        for p, q in ((0.9, 0.9), (0.85, 0.95), (0.95, 0.97), (0.7, 0.8)):
            k, other = rng.binomial(n, p, draws), rng.binomial(2000, q, draws)
            ends, other_ends = intervals.rate(k, np.full(draws, n)), intervals.rate(other, np.full(draws, 2000))
            low, high = intervals.difference(k / n, ends, other / 2000, other_ends)
            found.append(100 * float(((low <= p - q) & (p - q <= high)).mean()))
    return [
        Row("coverage of gaps to 2,000 others, n 30 to 300: least of twelve settings", min(found), "%", 93, "higher"),
        Row("coverage of gaps to 2,000 others, n 30 to 300: largest of twelve settings", max(found), "%", 97),
    ]


def nothing(seed: int, rows: int = 3000) -> bool:
    """Whether an audit of a classifier that is as good for everyone finds somebody."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    said = np.where(rng.random(rows) < 0.08, 1 - label, label)
    table = {
        f"g{i}": rng.choice(size, rows, p=np.arange(1, size + 1) / sum(range(1, size + 1)))
        for i, size in enumerate((2, 3, 5))
    }
    found = audit(table, label=label, prediction=said, groups="g0,g1,g2", depth=2)
    return any(row["verdict"] in ("worse", "better") for row in found.groups[1:])


def shrinkage(tables: int = 300) -> float:
    """Root mean square error of shrunk rates over that of counted ones, in cells of fewer than 20 rows."""
    rng = np.random.default_rng(0)
    parts = np.stack(np.unravel_index(np.arange(48), (2, 4, 6)), axis=1)
    raw, moved = [], []
    for _ in range(tables):
        effects = [rng.normal(0, 0.4, size) for size in (2, 4, 6)]
        logit = (
            2.2 + sum(one[parts[:, i]] for i, one in enumerate(effects)) + rng.normal(0, 0.3, 48)
        )  # parts, and what is the cell's own
        truth = 1 / (1 + np.exp(-logit))
        n = np.maximum(rng.geometric(1 / 40, 48), 1)
        k = rng.binomial(n, truth)
        found = shrink(k, n, parts).value
        small = n < 20
        raw.append((k / n - truth)[small])
        moved.append((found - truth)[small])
    return float(np.sqrt(np.mean(np.concatenate(moved) ** 2) / np.mean(np.concatenate(raw) ** 2)))


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="put the figures with the others")
    parser.add_argument("--audits", type=int, default=AUDITS)
    options = parser.parse_args()
    rows = rates() + gaps()
    found = sum(nothing(seed) for seed in range(options.audits))
    rows.append(
        Row(
            f"audits of nothing that find somebody, of {options.audits:,}", 100 * found / options.audits, "%", 5,
            note="3,000 rows, three columns, depth 2: declared and exploratory tests together",
        )
    )  # fmt: skip
    rows.append(
        Row(
            "error of shrunk rates over that of counted ones, cells under 20 rows",
            100 * shrinkage(),
            "%",
            70,
            note="300 tables of 48 cells",
        )
    )
    if options.record:
        record(
            "audit/intervals",
            "Intervals, tests and shrinkage",
            rows,
            about="Rates: summed exactly. All else: fixed seeds.",
        )
    else:
        for row in rows:
            print(f"{row.name}: {row.figure} {row.wanted} {row.verdict} {row.note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
