"""How good a classifier's probabilities are: accuracy, balanced accuracy, loss, calibration."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.train.box_scores import BoxScores
from whylight.train.data.cache import Features
from whylight.train.data.pictures import Pictures, batches


@dataclass(frozen=True)
class Scores:
    """Figures over a set of pictures; `recall` is by class, `boxes` are those of the box head where there is one."""

    pictures: int
    loss: float
    accuracy: float
    balanced_accuracy: float
    calibration_error: float
    recall: tuple[float, ...]
    boxes: BoxScores | None = None

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain values; without a box head as if there were none."""
        plain = {name: value for name, value in self.__dict__.items() if name != "boxes"}
        plain["recall"] = [
            None if math.isnan(share) else share for share in self.recall
        ]  # None: no picture of that class
        return plain if self.boxes is None else {**plain, "boxes": self.boxes.__dict__}

    @classmethod
    def of(cls, logits: Tensor, label: Tensor) -> Scores:
        """Score logits (N, C) against labels (N,)."""
        probability = logits.double().softmax(1)
        right = probability.argmax(1) == label
        present = label.unique().tolist()
        recall = tuple(right[label == c].double().mean().item() for c in range(logits.shape[1]))
        return cls(
            pictures=len(label),
            loss=F.cross_entropy(logits.double(), label).item(),
            accuracy=right.double().mean().item(),
            balanced_accuracy=sum(recall[c] for c in present) / len(present),
            calibration_error=expected_calibration_error(probability.max(1).values, right),
            recall=recall,
        )


def expected_calibration_error(confidence: Tensor, right: Tensor, bins: int = 15) -> float:
    """Mean gap between how sure and how right, over bins of confidence, weighed by their size (Guo et al. 2017)."""
    index = (confidence.double() * bins).long().clamp(max=bins - 1)
    gap = torch.zeros(bins, dtype=torch.float64).index_add_(0, index, right.double() - confidence.double())
    return (gap.abs().sum() / len(confidence)).item()


def best_scale(logits: Tensor, label: Tensor) -> float:
    """The factor on the logits (N, C) with the least cross-entropy: one over the temperature of Guo et al. 2017.

    The loss is convex in the factor, so a golden-section search over its logarithm finds the one minimum, from 1/20 to 20.
    """
    golden = (math.sqrt(5) - 1) / 2
    low, high = -math.log(20), math.log(20)

    def loss(log_scale: float) -> float:
        return F.cross_entropy(logits.double() * math.exp(log_scale), label).item()

    while high - low > 1e-4:
        a, b = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return math.exp((low + high) / 2)


@torch.no_grad()
def logits_of(
    module: nn.Module,
    front: Callable[[Tensor], Tensor],
    source: Pictures | Features,
    batch: int,
    workers: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Run a network in evaluation mode: logits (N, C) and labels (N,), in the order of the source.

    Args:
        module: the network.
        front: what runs it on the source's batches: itself, or its part behind what the source keeps.
        source: pictures, or what frozen layers made of them.
    """
    module.eval()
    results, labels = [], []
    for x, label, _ in batches(source, batch, workers=workers):
        x = x.to(device, memory_format=torch.channels_last) if x.ndim == 4 else x.to(device)
        results.append(front(x).float().cpu())
        labels.append(label)
    return torch.cat(results), torch.cat(labels)
