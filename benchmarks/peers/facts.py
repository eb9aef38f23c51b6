"""What is known of other libraries' methods: where each is, and how it departs from its paper or from what is done here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple


class Difference(NamedTuple):
    """A difference, the file of the peer's code that makes it, and a part of the line; "" where it is not installed."""

    text: str
    file: str
    code: str


def _version(package: str, otherwise: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return otherwise


PEERS = {
    "pytorch-grad-cam": _version("grad-cam", "(not installed)"),
    "torch-cam": _version("torchcam", "(not installed)"),
    "captum": _version("captum", "(not installed)"),
    "xplique": "(from its source)",
    "RISE": "(the authors' code)",
}
UNINSTALLED = ("xplique", "RISE")

_PG, _TC, _CA = "pytorch_grad_cam", "torchcam.methods", "captum.attr"
HAVE: dict[str, dict[str, str]] = {
    "pytorch-grad-cam": {
        "ablationcam": f"{_PG}.AblationCAM",
        "dff": f"{_PG}.DeepFeatureFactorization",
        "eigencam": f"{_PG}.EigenCAM",
        "eigengradcam": f"{_PG}.EigenGradCAM",
        "elementgradcam": f"{_PG}.GradCAMElementWise",
        "fem": f"{_PG}.FEM",
        "finercam": f"{_PG}.FinerCAM",
        "fullgrad": f"{_PG}.FullGrad",
        "gradcam": f"{_PG}.GradCAM",
        "gradcam++": f"{_PG}.GradCAMPlusPlus",
        "guided-gradcam": f"{_PG}.GuidedBackpropReLUModel",
        "hirescam": f"{_PG}.HiResCAM",
        "kpcacam": f"{_PG}.KPCA_CAM",
        "layercam": f"{_PG}.LayerCAM",
        "scorecam": f"{_PG}.ScoreCAM",
        "shapleycam": f"{_PG}.ShapleyCAM",
        "xgradcam": f"{_PG}.XGradCAM",
    },
    "torch-cam": {
        "cam": f"{_TC}.CAM",
        "finercam": f"{_TC}.FinerCAM",
        "gradcam": f"{_TC}.GradCAM",
        "gradcam++": f"{_TC}.GradCAMpp",
        "layercam": f"{_TC}.LayerCAM",
        "legrad": f"{_TC}.LeGrad",
        "scorecam": f"{_TC}.ScoreCAM",
        "smoothgradcam++": f"{_TC}.SmoothGradCAMpp",
        "xgradcam": f"{_TC}.XGradCAM",
    },
    "captum": {
        "gradcam": f"{_CA}.LayerGradCam",
        "guided-gradcam": f"{_CA}.GuidedGradCam",
        "inputxgradient": f"{_CA}.InputXGradient",
        "integrated-gradients": f"{_CA}.IntegratedGradients",
        "occlusion": f"{_CA}.Occlusion",
        "saliency": f"{_CA}.Saliency",
        "smoothgrad": f"{_CA}.NoiseTunnel",
    },
    "xplique": {
        "fem": "FEM",
        "gradcam": "GradCAM",
        "gradcam++": "GradCAMPP",
        "inputxgradient": "GradientInput",
        "integrated-gradients": "IntegratedGradients",
        "occlusion": "Occlusion",
        "rise": "Rise",
        "saliency": "Saliency",
        "smoothgrad": "SmoothGrad",
    },
    "RISE": {"rise": "RISE"},
}

_XPLIQUE = "github.com/deel-ai/xplique: xplique/attributions"
DIFFERENCES: dict[tuple[str, str], Difference] = {
    ("pytorch-grad-cam", "ablationcam"): Difference(
        "divides by the score, also where it is 0; and everything before the layer runs again for every channel.",
        "pytorch_grad_cam/ablation_cam.py",
        "(original_scores - weights) / original_scores",
    ),
    ("pytorch-grad-cam", "dff"): Difference(
        "starts at random, and takes each channel's minimum away where the paper factorises rectified activations.",
        "pytorch_grad_cam/feature_factorization/deep_feature_factorization.py",
        "init='random'",
    ),
    ("pytorch-grad-cam", "eigencam"): Difference(
        "takes each channel's mean away before the decomposition, and leaves the sign to chance; what is negative is cut off.",
        "pytorch_grad_cam/utils/svd_on_activations.py",
        "projection = reshaped_activations @ VT[0, :]",
    ),
    ("pytorch-grad-cam", "eigengradcam"): Difference(
        "centred, and with a sign left to chance, as its Eigen-CAM.",
        "pytorch_grad_cam/utils/svd_on_activations.py",
        "projection = reshaped_activations @ VT[0, :]",
    ),
    ("pytorch-grad-cam", "fem"): Difference(
        "weighs whole channels by how many of their places are strong; the paper adds up the strong places.",
        "pytorch_grad_cam/fem.py",
        "weights = binary_mask.mean(axis=axis)",
    ),
    ("pytorch-grad-cam", "finercam"): Difference(
        "α is 1 by default, and the compared classes are weighed by their probabilities, which are differentiated too. Here the "
        "mean is plain.",
        "pytorch_grad_cam/utils/model_targets.py",
        "prob = torch.softmax(model_output, dim=-1)",
    ),
    ("pytorch-grad-cam", "gradcam++"): Difference(
        "adds 10⁻⁶ to a denominator that is about 2 g²: where gradients are below a thousandth α is no ratio any more.",
        "pytorch_grad_cam/grad_cam_plusplus.py",
        "eps = 0.000001",
    ),
    ("pytorch-grad-cam", "guided-gradcam"): Difference(
        "guided backpropagation alone, to be multiplied by hand; guides `nn.ReLU` layers only, and leaves new ones in their place.",
        "pytorch_grad_cam/guided_backprop.py",
        "torch.nn.ReLU())",
    ),
    ("pytorch-grad-cam", "hirescam"): Difference(
        "cuts off what is negative, so that the sum is no longer the score's.",
        "pytorch_grad_cam/base_cam.py",
        "cam = np.maximum(cam, 0)",
    ),
    ("pytorch-grad-cam", "kpcacam"): Difference(
        "the sign is the decomposition's, and what is negative is cut off.",
        "pytorch_grad_cam/utils/svd_on_activations.py",
        "projection = kpca.fit_transform(reshaped_activations)",
    ),
    ("pytorch-grad-cam", "layercam"): Difference(
        "several layers are fused by the mean of maps scaled one by one; the paper takes the maximum of scaled maps.",
        "pytorch_grad_cam/base_cam.py",
        "result = np.mean(cam_per_target_layer, axis=1)",
    ),
    ("pytorch-grad-cam", "scorecam"): Difference(
        "enlarges masks with corners aligned, and makes the masked pictures of all channels at once.",
        "pytorch_grad_cam/score_cam.py",
        "torch.nn.UpsamplingBilinear2d(",
    ),
    ("torch-cam", "cam"): Difference(
        "takes the only linear layer there is for the one behind the pooling, untested.",
        "torchcam/methods/activation.py",
        "fc_name = lin_layers[0]",
    ),
    ("torch-cam", "gradcam++"): Difference(
        "divides a copy of α and goes on with g² undivided; and sums A · g³ where the paper has ΣA · g³.",
        "torchcam/methods/gradient.py",
        "alpha[idx][mask].div_(d[mask] + eps)",
    ),
    ("torch-cam", "legrad"): Difference(
        "reads each block's score from the mean of all tokens, as the authors do. Here it is read as the network's own head does.",
        "torchcam/methods/gradient.py",
        "return heads(norm(tokens.mean(dim=1)))",
    ),
    ("torch-cam", "scorecam"): Difference(
        "scales masks to 0 … 1 before they are enlarged, and not after.",
        "torchcam/methods/activation.py",
        "activations = [self._normalize(act.clone(), act.ndim - 2) for act in self.hook_a]",
    ),
    ("torch-cam", "smoothgradcam++"): Difference(
        "relu(D¹) is the last copy's alone; noise is 0.3 in units of the input, whatever its range, and has no seed.",
        "torchcam/methods/gradient.py",
        "return [a.mul_(torch.relu(grad))",
    ),
    ("captum", "gradcam"): Difference(
        "without the rectifier unless told otherwise.",
        "captum/attr/_core/layer/grad_cam.py",
        "relu_attributions: bool = False",
    ),
    ("captum", "guided-gradcam"): Difference(
        "enlarges Grad-CAM without interpolation by default, and guides `nn.ReLU` layers only: MobileNetV2's ReLU6 are not.",
        "captum/attr/_core/guided_grad_cam.py",
        'interpolate_mode: str = "nearest"',
    ),
    ("captum", "saliency"): Difference(
        "returns each colour's absolute value; the paper takes the largest.",
        "captum/attr/_core/saliency.py",
        "torch.abs(gradient)",
    ),
    ("captum", "smoothgrad"): Difference(
        "the noise's standard deviation is 1 in units of the input by default; the paper has 10 to 20 % of the input's range.",
        "captum/attr/_core/noise_tunnel.py",
        "stdevs: Union[float, Tuple[float, ...]] = 1.0",
    ),
    ("xplique", "gradcam++"): Difference(
        "has the mean of A in the denominator where the paper has the sum.", f"{_XPLIQUE}/grad_cam_pp.py", ""
    ),
    ("xplique", "rise"): Difference(
        "divides by the sum of the masks, plus 10⁻⁴, where the paper divides by their expectation.",
        f"{_XPLIQUE}/rise.py",
        "",
    ),
    ("xplique", "smoothgrad"): Difference(
        "the noise is 0.2 in units of the input, whatever its range.",
        f"{_XPLIQUE}/gradient_statistics/gradient_statistic.py",
        "",
    ),
}
