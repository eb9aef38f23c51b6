"""The other libraries' own metric code on given maps: torch-cam, pytorch-grad-cam, Quantus."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Given:
    """An extractor for torch-cam's metrics whose maps were made before."""

    def __init__(self, model: nn.Module, heat: Tensor) -> None:
        self.model, self.heat = model, heat

    def __call__(self, *arguments: Any, **options: Any) -> list[Tensor]:
        return [self.heat]

    def fuse_cams(self, cams: list[Tensor]) -> Tensor:
        return cams[0]

    @contextmanager
    def _hooks_off(self) -> Iterator[None]:
        yield


def torchcam_curves(module: nn.Module, x: Tensor, heat: Tensor, targets: list[int], steps: int) -> tuple[float, float]:
    """Mean areas of insertion and deletion, pixels filled with 0 in both."""
    from functools import partial

    from torchcam.metrics import DeletionInsertionMetric

    metric = DeletionInsertionMetric(Given(module, heat), partial(torch.softmax, dim=-1), steps=steps)
    metric.update(x, targets)
    found = metric.summary()
    return found["insertion_auc"], found["deletion_auc"]


def torchcam_drop(module: nn.Module, x: Tensor, heat: Tensor, targets: list[int]) -> tuple[float, float]:
    """Average drop and increase, shares."""
    from functools import partial

    from torchcam.metrics import ClassificationMetric

    metric = ClassificationMetric(Given(module, heat), partial(torch.softmax, dim=-1))
    metric.update(x, targets)
    found = metric.summary()
    return found["avg_drop"], found["conf_increase"]


def grad_cam_road(module: nn.Module, x: Tensor, heat: Tensor, targets: list[int]) -> Any:
    """ROAD combined of each picture, on the softmax probability; its noise is drawn anew at each call."""
    from pytorch_grad_cam.metrics.road import ROADCombined
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget

    torch.manual_seed(0)
    return ROADCombined()(x, heat.numpy(), [ClassifierOutputSoftmaxTarget(one) for one in targets], module)


def quantus_deletion(module: nn.Module, x: Tensor, heat: Tensor, targets: list[int], steps: int) -> Any:
    """Scores after each step of deletion, (N, steps), from three times as many: it takes channels for pixels of their own."""
    import numpy as np
    import quantus

    size = heat[0].numel() // steps  # it takes only what divides the pixels of one channel
    metric = quantus.PixelFlipping(
        features_in_step=size, perturb_baseline=0.0, abs=False, normalise=False, disable_warnings=True
    )
    found = metric(
        module, x.numpy(), np.array(targets), heat.unsqueeze(1).numpy(), channel_first=True, softmax=True, device="cpu"
    )
    return torch.tensor(np.array(found))[:, 2::3]


def why_no_quantus(folder: str | None) -> str:
    """Why Quantus cannot be run, in words; "" where it can. `folder`: where it was installed by itself."""
    if folder:
        sys.path.append(folder)  # behind our own packages, which stay as they are
    try:
        import quantus  # noqa: F401
    except ImportError as error:
        return f"Quantus is not here ({error}): it asks for opencv-python 5, which would take the place of the 4.x that is pinned"
    return ""
