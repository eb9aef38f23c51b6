"""The same table by whylight and by fairlearn's MetricFrame: the same figures, and what their intervals hold.

    python -m benchmarks.audit.fairlearn [--record]

fairlearn's intervals are quantiles of rows drawn with replacement. A table of many groups with the same rate is as many samples
at once: one call of each gives the share of intervals that hold the rate.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from benchmarks.common.report import Row, record
from whylight.subgroups.audit import audit

GROUPS, BOOT = 40, 100
RATES = (0.80, 0.90, 0.95, 0.99)
SIZES = (5, 10, 30)


def sample(n: int, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and groups: `GROUPS` groups of n rows, each right with the same chance."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, GROUPS * n)
    said = np.where(rng.random(len(label)) < rate, label, 1 - label)
    return label, said, np.repeat(np.arange(GROUPS), n)


def theirs(label: np.ndarray, said: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """fairlearn's 95 % intervals of accuracy by group; NaN where a group dropped out of every resample."""
    from fairlearn.metrics import MetricFrame
    from sklearn.metrics import accuracy_score

    frame = MetricFrame(
        metrics=accuracy_score, y_true=label, y_pred=said, sensitive_features=group,
        n_boot=BOOT, ci_quantiles=[0.025, 0.975], random_state=0,
    )  # fmt: skip
    low, high = frame.by_group_ci
    return np.asarray(low, float), np.asarray(high, float)


def ours(label: np.ndarray, said: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """whylight's."""
    found = audit({"group": group}, label=label, prediction=said, groups="group", depth=1)
    low, high = np.array([row["interval"] for row in found.groups[1:]]).T
    return low, high


def agreement() -> tuple[float, int]:
    """The largest difference of any figure that both define, over a random table, and how many were compared."""
    from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate
    from sklearn.metrics import accuracy_score

    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 5000)
    said = np.where(rng.random(5000) < 0.9, label, 1 - label)
    features = {"a": rng.integers(0, 3, 5000), "b": rng.integers(0, 4, 5000)}
    metrics = {
        "accuracy": accuracy_score,
        "true_positive_rate": true_positive_rate,
        "false_positive_rate": false_positive_rate,
        "selection_rate": selection_rate,
        "n": count,
    }
    import pandas as pd

    frame = MetricFrame(metrics=metrics, y_true=label, y_pred=said, sensitive_features=pd.DataFrame(features))
    found = audit(features, label=label, prediction=said, groups="a,b", depth=2)
    off, many = 0.0, 0
    for (a, b), values in frame.by_group.iterrows():
        row = found.group(a=a, b=b)
        for name in metrics:
            mine = row[name]["value"] if isinstance(row[name], dict) else row[name]
            off, many = max(off, abs(mine - values[name])), many + 1
    return off, many


def main() -> int:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="put the figures with the others")
    options = parser.parse_args()
    off, many = agreement()
    rows = [Row(f"largest difference of {many} figures that both define", off, "", 1e-8)]
    for n in SIZES:
        each: dict[str, list[float]] = {"whylight": [], "fairlearn": []}
        took = {"whylight": 0.0, "fairlearn": 0.0}
        for seed, rate in enumerate(RATES):
            drawn = sample(n, rate, seed)
            for name, how in (("whylight", ours), ("fairlearn", theirs)):
                start = time.perf_counter()
                low, high = how(*drawn)
                took[name] += time.perf_counter() - start
                each[name].append(100 * float(((low <= rate) & (rate <= high)).mean()))
        for name, found in each.items():
            note = ", ".join(f"{rate}: {one:.0f} %" for rate, one in zip(RATES, found, strict=True))
            rows.append(
                Row(
                    f"intervals that hold the rate, n {n}, {name}",
                    float(np.mean(found)),
                    "%",
                    note=f"{note}; {took[name]:.1f} s",
                )
            )
    if options.record:
        record(
            "audit/fairlearn",
            "Beside fairlearn",
            rows,
            about=f"{GROUPS} groups of n rows at each rate; fairlearn with n_boot={BOOT}.",
        )
    else:
        for row in rows:
            print(f"{row.name}: {row.figure} {row.wanted} {row.verdict} {row.note}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
