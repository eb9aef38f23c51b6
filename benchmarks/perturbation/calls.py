"""What `maps.py` runs in turns: calls of ours and of pytorch-grad-cam's ScoreCAM."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from whylight.models.model import Model

NAMES = {"resnet50": "ResNet-50", "mobilenet_v2": "MobileNetV2"}
PRECISIONS = ("bf16", "fp32")
ABSENT = "not on this processor: it does not compute in bfloat16"


def why_no_bf16() -> str:
    import torch

    from whylight.models.device import why_not_bf16

    return why_not_bf16(torch.device("cpu"))


def taken(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def in_turns(peer: Callable[[], Any], ours: dict[str, Callable[[], Any]], turns: int) -> tuple[float, dict[str, float]]:
    """Seconds of the peer, and the median ratio of each of ours to it; every turn runs each once."""
    peers, ratios = [], {name: [] for name in ours}
    for _ in range(turns):
        before = {name: taken(call) for name, call in ours.items()}
        peers.append(taken(peer))
        for name, seconds in before.items():
            ratios[name].append(seconds / peers[-1])
    return statistics.median(peers), {name: statistics.median(found) for name, found in ratios.items()}


def scorecam_peer(module: nn.Module, x: Tensor) -> Callable[[], Any]:
    import torch
    from pytorch_grad_cam import ScoreCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    from benchmarks.common.networks import TARGET, last_layer

    cam = ScoreCAM(model=module, target_layers=[last_layer(module)])

    def call() -> Any:
        with torch.no_grad():
            return cam(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)])

    return call


def ours(model: Model, x: Tensor, precision: str, method: str, **options: Any) -> Callable[[], Any]:
    from benchmarks.common.networks import TARGET
    from whylight import engine, methods

    chosen = methods.get(method, **options)
    return lambda: engine.maps(model, x, [chosen], [TARGET], precision=precision)


def correlation(a: Tensor, b: Tensor) -> float:
    import torch

    return float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1])
