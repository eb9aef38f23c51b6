"""An object detector as a classifier of one box, so that every method explains a detection."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from whylight.errors import ModelError
from whylight.models.split.backbone import last_of_backbone


class Detector(nn.Module):
    """Logits (N, labels): how well each label is detected at a box. Made by `detector`.

    Attributes:
        default_layer: where to look, unless told otherwise: the last part of the backbone, None where there is no such part.
    """

    box: Tensor  # (4,)

    def __init__(self, network: nn.Module, box: Tensor, labels: int, of: tuple[int, int] | None) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("box", box, persistent=False)
        self.labels, self.of = labels, of
        layer = last_of_backbone(network)
        self.default_layer = None if layer is None else f"network.{layer}"

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), in [0, 1] → (N, labels)."""
        features: list[Tensor] = []
        backbone = getattr(self.network, "backbone", None)
        with ExitStack() as hooks:
            if isinstance(backbone, nn.Module):
                hook = backbone.register_forward_hook(lambda part, given, output: features.extend(_tensors(output)))
                hooks.enter_context(hook)
            found = self.network(list(x))
        box = self.box.to(x.device, torch.float32)
        if self.of is not None:
            box = box * box.new_tensor([x.shape[3] / self.of[0], x.shape[2] / self.of[1]]).repeat(2)
        logits = torch.stack([self._best(one, box) for one in found])  # (N, labels)
        # Where nothing passes the detector's own thresholds, the logits hang on nothing. This keeps them on the features, with
        # a derivative of zero; and a NaN in the features is seen.
        for part in features or [x]:
            logits = logits + 0 * part.float().mean()
        return logits.to(x.dtype)

    def _best(self, found: dict[str, Tensor], box: Tensor) -> Tensor:
        """The best score × overlap of each label, (labels,), 0 where it was not detected or lies elsewhere."""
        evidence = found["scores"].float() * overlap(found["boxes"].float(), box)  # (D,)
        if (found["labels"] >= self.labels).any():
            raise ModelError(
                f"labels: the detector found label {int(found['labels'].max())}, and {self.labels} labels were announced"
            )
        none = evidence.new_zeros(self.labels)
        return none.scatter_reduce(0, found["labels"], evidence, "amax")


def detector(
    network: nn.Module,
    box: Sequence[float] | Tensor,
    labels: int | None = None,
    *,
    of: tuple[int, int] | None = None,
) -> Detector:
    """Make an object detector a classifier, for `whylight.wrap`: why is this label detected at this box?

    The logit of a label is the largest score × IoU of its detections with the box, 0 where none overlaps. It is differentiable
    where the detector's scores and boxes are. It lies in [0, 1] and is no log-odds: look at `ex.score`, the probabilities that
    a softmax would make of it mean nothing.

    A detector normalises its input itself, so wrap it with mean (0, 0, 0) and std (1, 1, 1). The layer to look at is
    `detector(…).default_layer`. Detections that the detector's own thresholds drop cannot be told from none: lower its score
    threshold where maps come out empty.

    Args:
        network: list of (3, H, W) → list of dicts with "boxes" (D, 4), "labels" (D,) and "scores" (D,), as torchvision's.
        box: (x0, y0, x1, y1), in pixels of the network's input, or of the picture of size `of`.
        labels: how many labels there are; None asks the network, which torchvision's tell.
        of: (width, height) of the picture that the box was drawn in, where that is stretched to the input.

    Raises:
        ModelError: if the box is none, or the number of labels is not known.

    Source: Petsiuk et al., Black-box Explanation of Object Detectors via Saliency Maps (D-RISE), CVPR 2021, whose similarity
    also compares the distributions over all labels.
    """
    corners = torch.as_tensor(box, dtype=torch.float32).detach().flatten()
    if len(corners) != 4 or not (corners[2:] > corners[:2]).all():
        raise ModelError(f"box: expected (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got {corners.tolist()}")
    count = labels or _labels_of(network)
    if count is None:
        raise ModelError(f"labels: {type(network).__name__} does not tell how many labels it has; give labels=…")
    with torch.inference_mode(False):
        return Detector(network, corners.clone(), count, of)


def overlap(boxes: Tensor, box: Tensor) -> Tensor:
    """Intersection over union of boxes (D, 4) with one box (4,): (D,); 0 where the union is empty.

    >>> overlap(torch.tensor([[0.0, 0, 2, 2], [5, 5, 6, 6]]), torch.tensor([1.0, 0, 3, 2]))
    tensor([0.3333, 0.0000])
    """
    sides = (torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2])).clamp(min=0)  # (D, 2)
    shared = sides.prod(1)
    union = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(1) + (box[2:] - box[:2]).prod() - shared
    return shared / union.clamp(min=1e-6)


def _labels_of(network: nn.Module) -> int | None:
    """The number of labels that one of torchvision's detectors tells apart, its background among them."""
    for path in (
        "roi_heads.box_predictor.cls_score.out_features",
        "head.classification_head.num_classes",
        "head.classification_head.num_columns",
    ):
        part: Any = network
        for step in path.split("."):
            part = getattr(part, step, None)
        if isinstance(part, int):
            return part
    return None


def _tensors(output: Any) -> list[Tensor]:
    """The feature maps that a backbone returned: one, or several by name."""
    values = output.values() if isinstance(output, dict) else [output]
    return [value for value in values if isinstance(value, Tensor)]
