"""A semantic segmentation network as a classifier of a region, so that every method explains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional as F

from whylight.errors import ModelError
from whylight.models.split.backbone import last_of_backbone


class Segmenter(nn.Module):
    """Logits (N, C): the mean of each class's logit map over a region. Made by `segmenter`.

    Attributes:
        default_layer: where to look, unless told otherwise: the last part of the backbone, None where there is no such part.
    """

    region: Tensor | None

    def __init__(self, network: nn.Module, region: Tensor | None) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("region", region, persistent=False)
        layer = last_of_backbone(network)
        self.default_layer = None if layer is None else f"network.{layer}"

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, C)."""
        maps = _maps_in(self.network(x))  # (N, C, h, w)
        wide = maps.float()  # a sum over all places overflows half precision
        if self.region is None:
            winner = F.one_hot(wide.argmax(1), wide.shape[1]).permute(
                0, 3, 1, 2
            )  # (N, C, h, w), one class at each place
            count = winner.sum((2, 3))  # (N, C)
            inside = (wide * winner).sum((2, 3)) / count.clamp(min=1)
            mean = torch.where(count > 0, inside, wide.mean((2, 3)))
        else:
            # (1, 1, h, w): how much of each cell is in the region. The sides one by one, so that torch.fx can trace it.
            share = F.adaptive_avg_pool2d(self.region, (wide.shape[2], wide.shape[3]))
            mean = (wide * share).sum((2, 3)) / share.sum()
        return mean.to(maps.dtype)


def segmenter(network: nn.Module, region: Tensor | NDArray[Any] | None = None) -> Segmenter:
    """Make a semantic segmentation network a classifier, for `whylight.wrap`: why is this region that class?

    The logit of class c is the mean of the class's logit map over the region; there, the usual gradient of one number exists
    (as Vinogradova et al. do for Grad-CAM).

    Args:
        network: (N, 3, H, W) → logit maps (N, C, h, w), or a mapping that has them as "out" (torchvision's), or an object that
            has them as `.logits`.
        region: a boolean mask of the input, (H, W); a mask of another size than the logit maps is averaged to theirs. None:
            for each class the places where it wins, or all places where it wins nowhere. Methods that perturb the picture
            change where a class wins, so give them a region.

    Raises:
        ModelError: if the region is no mask, or empty.

    Source: Vinogradova, Dibrov and Myers, Towards Interpretable Semantic Segmentation via Gradient-weighted Class Activation
    Mapping, AAAI 2020.

    >>> import whylight
    >>> maps = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 2, 1))
    >>> whylight.wrap(segmenter(maps), layer="network.1", classes=["cat", "grass"], size=32)
    Model(Segmenter, 'network.1' 8×8×8, 2 classes: cat, grass)
    """
    return Segmenter(network, None if region is None else _mask(region))


def _mask(region: Tensor | NDArray[Any]) -> Tensor:
    """A mask (H, W) as weights (1, 1, H, W) float32."""
    mask = torch.as_tensor(np.asarray(region)) if not isinstance(region, Tensor) else region.detach()
    if mask.dtype != torch.bool or mask.ndim != 2:
        raise ModelError(f"region: expected a boolean mask (H, W), got {mask.dtype} of shape {tuple(mask.shape)}")
    if not mask.any():
        raise ModelError("region: the mask is empty, no place is in it")
    with torch.inference_mode(False):
        return mask.clone().to(torch.float32)[None, None]


def _maps_in(output: Any) -> Tensor:
    """Take the (N, C, h, w) logit maps out of what a network returned."""
    if isinstance(output, Mapping):
        output = output.get("out", next(iter(output.values()), None))
    elif not isinstance(output, (Tensor, fx.Proxy)):  # a proxy, while torch.fx traces, stands for a tensor
        output = getattr(output, "logits", output)
    if isinstance(output, fx.Proxy):
        return output  # type: ignore[return-value]
    if not isinstance(output, Tensor) or output.ndim != 4:
        got = f"a tensor {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
        raise ModelError(
            f"a segmentation network must return logit maps of shape (N, C, h, w); this one returned {got}"
        )
    return output
