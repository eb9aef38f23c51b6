"""One call of each library on a preprocessed batch, as its manual shows it. Building the extractor is not timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.common.networks import TARGET, last_layer

Call = Callable[[Tensor], Any]


def plain(module: nn.Module) -> Call:
    """What all ratios refer to: a forward without gradients, float32, default memory layout."""

    def call(x: Tensor) -> Tensor:
        with torch.no_grad():
            return module(x)

    return call


def whylight(module: nn.Module, methods: Sequence[str]) -> Call:
    import whylight
    from whylight import engine

    model = whylight.wrap(deepcopy(module))  # a copy: the others keep theirs as it is
    return lambda x: engine.maps(model, x, methods=list(methods), targets=[TARGET])


def pytorch_grad_cam(module: nn.Module, method: str = "GradCAM") -> Call:
    import pytorch_grad_cam
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    module = deepcopy(module)
    cam = getattr(pytorch_grad_cam, method)(model=module, target_layers=[last_layer(module)])
    return lambda x: cam(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)] * len(x))


def torchcam(module: nn.Module) -> Call:
    from torchcam.methods import GradCAM

    module = deepcopy(module)
    cam = GradCAM(module, last_layer(module))

    def call(x: Tensor) -> Any:
        return cam([TARGET] * len(x), module(x))

    return call


def captum(module: nn.Module) -> Call:
    from captum.attr import LayerGradCam

    module = deepcopy(module)
    cam = LayerGradCam(module, last_layer(module))
    return lambda x: cam.attribute(x, target=TARGET, relu_attributions=True)


ABLATED = 64  # of 2,048 channels: the whole would take minutes


def pytorch_grad_cam_ablation(module: nn.Module) -> Call:
    """pytorch-grad-cam's AblationCAM on the first `ABLATED` channels only; its time grows in step with their number."""
    from pytorch_grad_cam import AblationCAM
    from pytorch_grad_cam.ablation_layer import AblationLayer
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    class Some(AblationLayer):
        def activations_to_be_ablated(
            self, activations: np.ndarray, ratio_channels_to_ablate: float = 1.0
        ) -> np.ndarray:
            self.indices = np.arange(ABLATED)
            return self.indices

    module = deepcopy(module)
    cam = AblationCAM(model=module, target_layers=[last_layer(module)], ablation_layer=Some())
    return lambda x: cam(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)] * len(x))
