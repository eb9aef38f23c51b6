"""Curves over thresholds, each class against the rest; torchmetrics has the definitions."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor

from whylight.errors import TrainError

# Places along the axis at which curves are averaged; so many that an area over them is right to its third decimal.
SHARES = torch.linspace(0, 1, 2001, dtype=torch.float64)
BINS = 10
FEWEST = 20  # pictures in a group of the calibration plot


def check_installed() -> None:
    """See that the report can be made, before anything is trained.

    Raises:
        TrainError: if torchmetrics is not installed.
    """
    if find_spec("torchmetrics") is None:
        raise TrainError(
            "experiment: its curves need torchmetrics, which is not installed: pip install 'whylight[train]'"
        )


def macro_roc(probability: Tensor, label: Tensor) -> Tensor:
    """The true positive rate at each of `SHARES` of false positives, (2001,): the mean over classes that have pictures.

    Args:
        probability: (N, C).
        label: (N,).
    """
    from torchmetrics.functional.classification import multiclass_roc

    classes = probability.shape[1]
    false, true, _ = multiclass_roc(probability, label, num_classes=classes)
    present = label.unique().tolist()
    return torch.stack([_along(false[c].double(), true[c].double()) for c in present]).mean(0)


def macro_precision(probability: Tensor, label: Tensor) -> Tensor:
    """The precision at each of `SHARES` of recall, (2001,): the mean over classes that have pictures.

    At each recall it is the best precision at that recall or more, as average precision has it.
    """
    from torchmetrics.functional.classification import multiclass_precision_recall_curve

    classes = probability.shape[1]
    precision, recall, _ = multiclass_precision_recall_curve(probability, label, num_classes=classes)
    found = []
    for c in label.unique().tolist():
        r, p = recall[c].double(), precision[c].double()  # recall falls
        best = p.cummax(0).values
        reach = len(r) - torch.searchsorted(r.flip(0), SHARES - 1e-9) - 1
        found.append(best[reach.clamp(min=0)])
    return torch.stack(found).mean(0)


def _along(x: Tensor, y: Tensor) -> Tensor:
    """A rising curve's height at each of `SHARES`: the upper end where it rises straight up, and a line between its points.

    Pictures with equal probabilities are one point further, up and to the right at once: the line between is what chance among
    them gives, and the area below is the share of pairs in the right order, where equal ones count half (Fawcett 2006).
    """
    last = torch.searchsorted(x, SHARES + 1e-9, right=True) - 1
    following = (last + 1).clamp(max=len(x) - 1)
    run = x[following] - x[last]
    part = torch.where(run > 0, (SHARES - x[last]) / run.clamp(min=1e-12), torch.zeros_like(run)).clamp(0, 1)
    return y[last] + part * (y[following] - y[last])


def reliability(sure: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Mean confidence and share of right answers, (B,) each, of up to ten groups of equally many pictures, by confidence.

    Equally many, and not bins of equal width: a bin with two pictures in it says nothing, and draws the eye.
    """
    order = sure.argsort(stable=True)
    count = max(1, min(BINS, len(order) // FEWEST))
    groups = order.tensor_split(count)
    return (
        torch.stack([sure[group].double().mean() for group in groups]),
        torch.stack([right[group].double().mean() for group in groups]),
    )
