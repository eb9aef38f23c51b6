"""Detectors as classifiers of a box: the score by hand, and the methods on top."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

import whylight
from handed_back import assert_same, state_of
from whylight import engine
from whylight.errors import ModelError
from whylight.models.adapters.detector import Detector, detector, overlap


class Found(nn.Module):
    """A detector that finds what it is told to find, the brighter the picture the surer."""

    def __init__(self, boxes: list[list[float]], labels: list[int], scores: list[float]) -> None:
        super().__init__()
        self.found = {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.tensor(labels, dtype=torch.int64)}
        self.register_buffer("scores", torch.tensor(scores))

    def forward(self, pictures: list[Tensor]) -> list[dict[str, Tensor]]:
        return [{**self.found, "scores": self.scores * picture.mean()} for picture in pictures]


BOXES = [[0.0, 0, 4, 4], [2.0, 2, 6, 6], [2.0, 2, 6, 6], [20.0, 20, 30, 30], [0.0, 0, 0, 0]]
LABELS, SCORES = [1, 1, 2, 3, 3], [0.9, 0.5, 0.7, 1.0, 1.0]


def iou(a: list[float], b: list[float]) -> float:
    """Counted over cells of a tenth."""
    cells = [(i / 10 + 0.05, j / 10 + 0.05) for i in range(320) for j in range(320)]

    def inside(box: list[float]) -> set[tuple[float, float]]:
        return {(x, y) for x, y in cells if box[0] < x < box[2] and box[1] < y < box[3]}

    both, either = inside(a) & inside(b), inside(a) | inside(b)
    return len(both) / len(either) if either else 0.0


def test_score_times_overlap_by_hand() -> None:
    box = [1.0, 1.0, 5.0, 6.0]
    x = torch.rand((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    logits = detector(Found(BOXES, LABELS, SCORES), box, labels=5)(x)
    for n in range(2):
        for label in range(5):
            best = 0.0
            for other, of, score in zip(BOXES, LABELS, SCORES, strict=True):
                best = max(best, score * float(x[n].mean()) * iou(other, box) if of == label else 0.0)
            assert float(logits[n, label]) == pytest.approx(best, abs=1e-5)


def test_overlap_of_nothing() -> None:
    nothing = torch.zeros(1, 4)
    assert overlap(nothing, torch.zeros(4)).tolist() == [0.0]
    turned = torch.tensor([[4.0, 4, 0, 0]])
    assert overlap(turned, torch.tensor([0.0, 0, 4, 4])).tolist() == [0.0]


def test_a_box_drawn_in_a_picture_of_another_size() -> None:
    network = Found(BOXES, LABELS, SCORES)
    x = torch.ones(1, 3, 32, 64)
    drawn = detector(network, (20, 5, 60, 30), labels=5, of=(640, 160))
    torch.testing.assert_close(drawn(x), detector(network, (2, 1, 6, 6), labels=5)(x))


def test_gradients_go_through_the_scores() -> None:
    x = torch.ones(1, 3, 32, 32, requires_grad=True)
    logits = detector(Found(BOXES, LABELS, SCORES), BOXES[2], labels=4)(x)
    (gradient,) = torch.autograd.grad(logits[0, 2], x, retain_graph=True)
    torch.testing.assert_close(gradient, torch.full_like(x, 0.7 / x.numel()))
    (nowhere,) = torch.autograd.grad(logits[0, 3], x)
    assert not nowhere.any()


def test_nothing_found_is_zero_and_still_hangs_on_the_features() -> None:
    x = torch.ones(1, 3, 32, 32, requires_grad=True)
    logits = detector(Found([], [], []), BOXES[2], labels=4)(x)
    assert logits.tolist() == [[0.0] * 4]
    assert logits.requires_grad


@pytest.mark.parametrize(
    ("box", "labels", "says"),
    [
        ((0, 0, 1), 2, r"expected \(x0, y0, x1, y1\)"),
        ((5, 0, 1, 3), 2, "with x0 < x1"),
        ((0, 0, 1, float("nan")), 2, "with x0 < x1"),
        ((0, 0, 1, 1), None, "Found does not tell how many labels it has; give labels="),
    ],
)
def test_bad_arguments(box: Any, labels: int | None, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        detector(Found([], [], []), box, labels)


def test_more_labels_than_announced() -> None:
    with pytest.raises(ModelError, match="the detector found label 3, and 2 labels were announced"):
        detector(Found(BOXES, LABELS, SCORES), BOXES[0], labels=2)(torch.ones(1, 3, 32, 32))


def backbone() -> nn.Module:
    """Two convolutions to a grid of 4 × 4 for an input of 64 × 64."""
    parts = nn.Sequential(nn.Conv2d(3, 8, 4, 4), nn.ReLU(), nn.Conv2d(8, 8, 4, 4), nn.ReLU(inplace=True))
    parts.out_channels = 8
    return parts


def faster_rcnn(threshold: float = 0.0) -> nn.Module:
    return torchvision.models.detection.FasterRCNN(
        backbone(),
        min_size=64,
        max_size=64,
        box_score_thresh=threshold,
        rpn_post_nms_top_n_test=20,
        rpn_anchor_generator=AnchorGenerator(((24,),), ((1.0,),)),
        box_roi_pool=MultiScaleRoIAlign(["0"], output_size=2, sampling_ratio=1),
        box_head=TwoMLPHead(32, 16),
        box_predictor=FastRCNNPredictor(16, 4),
    )


def retinanet() -> nn.Module:
    anchors = AnchorGenerator(((24,),), ((1.0,),))
    return torchvision.models.detection.RetinaNet(
        backbone(), 4, min_size=64, max_size=64, score_thresh=0.0, anchor_generator=anchors
    )


def adapted(make: Callable[[], nn.Module]) -> Detector:
    """With larger weights than a new network has, of which no signal comes through."""
    torch.manual_seed(0)
    network = make().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.15)
    return detector(network, (8, 8, 56, 48))


@pytest.mark.parametrize("make", [faster_rcnn, retinanet], ids=["Faster R-CNN", "RetinaNet"])
def test_torchvision(make: Callable[[], nn.Module]) -> None:
    adapter = adapted(make)
    assert (adapter.labels, adapter.default_layer) == (4, "network.backbone.3")
    before = state_of(adapter.network)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = whylight.wrap(adapter, layer=adapter.default_layer, size=64, mean=(0, 0, 0), std=(1, 1, 1))
    assert model.grid == (4, 4)
    x = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    logits = model.logits(x)
    assert logits.shape == (2, 4)
    torch.testing.assert_close(logits[1:], model.logits(x[1:]))
    maps = engine.maps(model, x, ["gradcam", "hirescam"], [1, 2])
    assert maps.isfinite().all()
    assert float(maps[1].abs().max()) > 1e-4
    torch.testing.assert_close(model.fast("fp32")(x), logits)
    assert_same(before, adapter.network)


def test_default_layer_in_front_of_a_feature_pyramid() -> None:
    make = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn
    adapter = detector(make(weights=None, weights_backbone=None), (0, 0, 1, 1))
    assert (adapter.labels, adapter.default_layer) == (91, "network.backbone.body.16")


def ssdlite() -> nn.Module:
    return torchvision.models.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=4, score_thresh=0.0, topk_candidates=20
    )


def test_torchvision_by_hand() -> None:
    """The logits are those of the detections that the detector itself reports."""
    torch.manual_seed(0)
    adapter = detector(ssdlite().eval(), (8, 8, 56, 48))
    assert (adapter.labels, adapter.default_layer) == (4, "network.backbone.features.1")
    x = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, (found,) = adapter(x), adapter.network([x[0]])
    best = [0.0] * 4
    for box, label, score in zip(found["boxes"].tolist(), found["labels"].tolist(), found["scores"], strict=True):
        share = float(torchvision.ops.box_iou(torch.tensor([box]), torch.tensor([[8.0, 8, 56, 48]])))
        best[label] = max(best[label], float(score) * share)
    assert max(best) > 0
    assert logits[0].tolist() == pytest.approx(best, abs=1e-5)


def test_a_detector_that_finds_nothing() -> None:
    """Its map is blank; and there is no complaint that the layer does not matter."""
    adapter = adapted(lambda: faster_rcnn(threshold=1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = whylight.wrap(adapter, layer=adapter.default_layer, size=64, mean=(0, 0, 0), std=(1, 1, 1))
    assert not model.logits(torch.rand(1, 3, 64, 64)).any()
    assert not engine.maps(model, torch.rand(1, 3, 64, 64), ["gradcam"], [1]).any()
