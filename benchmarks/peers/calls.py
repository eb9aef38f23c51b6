"""One call of each method of each library on a preprocessed batch, with equal numbers of copies, steps and patches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from torch import Tensor, nn

from benchmarks.common.contenders import plain as plain
from benchmarks.common.networks import TARGET, last_layer

Call = Callable[[Tensor], Any]
Make = Callable[[nn.Module], Call]

STEPS, COPIES, PATCH, STRIDE = 32, 25, 32, 8
MASKS = 400  # of 4,000: RISE's time grows in step with their number
SEEN = 64  # of 1,280 channels, where a library has no faster way


def ours(name: str, options: Mapping[str, Any]) -> Make:
    """A call of a method of ours."""

    def make(module: nn.Module) -> Call:
        import whylight
        from whylight import engine, methods

        model = whylight.wrap(deepcopy(module))
        method = methods.get(name, **options)
        return lambda x: engine.maps(model, x, [method], [TARGET])

    return make


def pytorch_grad_cam(name: str) -> Make:
    """A class of pytorch-grad-cam on the last layer."""

    def make(module: nn.Module) -> Call:
        import pytorch_grad_cam as library
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        module = deepcopy(module)
        layers = [] if name == "FullGrad" else [last_layer(module)]
        cam = getattr(library, name)(module, layers)
        return lambda x: cam(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)] * len(x))

    return make


def pytorch_grad_cam_finer(module: nn.Module) -> Call:
    from pytorch_grad_cam import FinerCAM

    module = deepcopy(module)
    cam = FinerCAM(module, [last_layer(module)])
    return lambda x: cam(input_tensor=x, target_idx=TARGET)


def pytorch_grad_cam_score(module: nn.Module) -> Call:
    """Score-CAM on the first `SEEN` channels."""
    import numpy as np
    from pytorch_grad_cam import ScoreCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    class Some(ScoreCAM):  # type: ignore[misc]
        def get_cam_weights(self, x: Tensor, layer: Any, targets: Any, activations: Any, grads: Any) -> Any:
            weights = super().get_cam_weights(x, layer, targets, activations[:, :SEEN], grads)
            return np.pad(weights, ((0, 0), (0, activations.shape[1] - SEEN)))

    module = deepcopy(module)
    cam = Some(module, [last_layer(module)])
    return lambda x: cam(input_tensor=x, targets=[ClassifierOutputTarget(TARGET)] * len(x))


def pytorch_grad_cam_ablation(module: nn.Module) -> Call:
    from benchmarks.common.contenders import pytorch_grad_cam_ablation as ablation

    return ablation(module)  # on 64 channels, too


def pytorch_grad_cam_guided(module: nn.Module) -> Call:
    from pytorch_grad_cam import GuidedBackpropReLUModel

    guided = GuidedBackpropReLUModel(deepcopy(module))
    cam = pytorch_grad_cam("GradCAM")(module)
    return lambda x: (guided(x.clone(), target_category=TARGET), cam(x))


def pytorch_grad_cam_dff(module: nn.Module) -> Call:
    from pytorch_grad_cam import DeepFeatureFactorization

    module = deepcopy(module)
    dff = DeepFeatureFactorization(module, last_layer(module))
    return lambda x: dff(x, 5)


def torchcam(name: str, **options: Any) -> Make:
    """A class of torch-cam on the last layer."""

    def make(module: nn.Module) -> Call:
        from torchcam import methods

        module = deepcopy(module)
        cam = getattr(methods, name)(module, last_layer(module), **options)
        return lambda x: cam([TARGET] * len(x), module(x))

    return make


def torchcam_score(module: nn.Module) -> Call:
    """Score-CAM on the first `SEEN` channels."""
    import torch
    from torchcam.methods import ScoreCAM

    class Some(ScoreCAM):
        def _get_score_weights(self, activations: list[Tensor], *rest: Any, **named: Any) -> list[Tensor]:
            some = [one[:, :SEEN] for one in activations]
            found = super()._get_score_weights(some, *rest, **named)
            return [torch.nn.functional.pad(w, (0, a.shape[1] - SEEN)) for w, a in zip(found, activations, strict=True)]

    module = deepcopy(module)
    cam = Some(module, last_layer(module))

    def call(x: Tensor) -> Any:
        with torch.no_grad():
            module(x)
        return cam([TARGET] * len(x))

    return call


def captum(name: str, **options: Any) -> Make:
    """A class of captum on the input, or on the last layer."""

    def make(module: nn.Module) -> Call:
        from captum import attr

        module = deepcopy(module)
        if name == "NoiseTunnel":
            method = attr.NoiseTunnel(attr.Saliency(module))
        elif name in ("LayerGradCam", "GuidedGradCam"):
            method = getattr(attr, name)(module, last_layer(module))
        else:
            method = getattr(attr, name)(module)
        return lambda x: method.attribute(x.clone(), target=TARGET, **options)

    return make


_PART = 1280 / SEEN
_SOME = f"measured on {SEEN} of 1,280 channels and scaled up"
_OWN: dict[str, tuple[Mapping[str, Any], float, str]] = {
    "integrated-gradients": ({"steps": STEPS}, 1, f"{STEPS} steps"),
    "smoothgrad": ({"copies": COPIES}, 1, f"{COPIES} copies"),
    "smoothgradcam++": ({"copies": 16}, 1, "16 copies"),
    "occlusion": ({"patch": PATCH, "stride": STRIDE}, 1, "625 patches"),
    "rise": ({"masks": MASKS}, 4000 / MASKS, f"4,000 masks, measured on {MASKS} and scaled up"),
    "scorecam": ({}, 1, "all 1,280 channels"),
    "augmented-gradcam": ({}, 1, "100 copies"),
}
_NAMES = (
    *("gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "elementgradcam", "shapleycam", "finercam", "cam"),
    *("ablationcam", "eigencam", "eigengradcam", "kpcacam", "fem", "dff", "saliency", "inputxgradient"),
    *("guided-gradcam", "fullgrad", *_OWN),
)
_CAPTUM_STEPS = {"n_steps": STEPS, "internal_batch_size": 16}
_CAPTUM_COPIES = {"nt_samples": COPIES, "nt_samples_batch_size": 16, "stdevs": 0.5}
_CAPTUM_PATCHES = {
    "sliding_window_shapes": (3, PATCH, PATCH),
    "strides": (3, STRIDE, STRIDE),
    "perturbations_per_eval": 16,
}

# (library, method) → how to make the call, the factor to scale its time by, and a remark
CALLS: dict[tuple[str, str], tuple[Make, float, str]] = {
    **{
        ("whylight", name): (ours(name, options), part, note)
        for name in _NAMES
        for options, part, note in [_OWN.get(name, ({}, 1.0, ""))]
    },
    **{
        ("pytorch-grad-cam", method): (pytorch_grad_cam(name), 1.0, "")
        for method, name in {
            "gradcam": "GradCAM",
            "gradcam++": "GradCAMPlusPlus",
            "hirescam": "HiResCAM",
            "layercam": "LayerCAM",
            "xgradcam": "XGradCAM",
            "elementgradcam": "GradCAMElementWise",
            "shapleycam": "ShapleyCAM",
            "eigencam": "EigenCAM",
            "eigengradcam": "EigenGradCAM",
            "kpcacam": "KPCA_CAM",
            "fem": "FEM",
            "fullgrad": "FullGrad",
        }.items()
    },
    ("pytorch-grad-cam", "finercam"): (pytorch_grad_cam_finer, 1.0, ""),
    ("pytorch-grad-cam", "ablationcam"): (pytorch_grad_cam_ablation, _PART, _SOME),
    ("pytorch-grad-cam", "scorecam"): (pytorch_grad_cam_score, _PART, _SOME),
    ("pytorch-grad-cam", "guided-gradcam"): (pytorch_grad_cam_guided, 1.0, ""),
    ("pytorch-grad-cam", "dff"): (pytorch_grad_cam_dff, 1.0, ""),
    **{
        ("torch-cam", method): (torchcam(name), 1.0, "")
        for method, name in {
            "gradcam": "GradCAM",
            "gradcam++": "GradCAMpp",
            "layercam": "LayerCAM",
            "xgradcam": "XGradCAM",
            "finercam": "FinerCAM",
            "cam": "CAM",
        }.items()
    },
    ("torch-cam", "smoothgradcam++"): (torchcam("SmoothGradCAMpp", num_samples=16), 1.0, "16 copies"),
    ("torch-cam", "scorecam"): (torchcam_score, _PART, _SOME),
    ("captum", "gradcam"): (captum("LayerGradCam", relu_attributions=True), 1.0, ""),
    ("captum", "guided-gradcam"): (captum("GuidedGradCam", interpolate_mode="bilinear"), 1.0, ""),
    ("captum", "inputxgradient"): (captum("InputXGradient"), 1.0, ""),
    ("captum", "saliency"): (captum("Saliency"), 1.0, ""),
    ("captum", "integrated-gradients"): (captum("IntegratedGradients", **_CAPTUM_STEPS), 1.0, f"{STEPS} steps"),
    ("captum", "smoothgrad"): (captum("NoiseTunnel", **_CAPTUM_COPIES), 1.0, f"{COPIES} copies"),
    ("captum", "occlusion"): (captum("Occlusion", **_CAPTUM_PATCHES), 1.0, "625 patches"),
}
