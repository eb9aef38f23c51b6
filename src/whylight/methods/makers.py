"""The methods as objects with options: `Rise(masks=4000)` is `get("rise", masks=4000)`."""

from functools import partial

from whylight.methods.registry import get

AblationCAM = partial(get, "ablationcam")
AugmentedGradCAM = partial(get, "augmented-gradcam")
CAM = partial(get, "cam")
DFF = partial(get, "dff")
EigenCAM = partial(get, "eigencam")
EigenGradCAM = partial(get, "eigengradcam")
ElementGradCAM = partial(get, "elementgradcam")
FEM = partial(get, "fem")
FinerCAM = partial(get, "finercam")
FullGrad = partial(get, "fullgrad")
GradCAM = partial(get, "gradcam")
GradCAMPlusPlus = partial(get, "gradcam++")
GuidedGradCAM = partial(get, "guided-gradcam")
HiResCAM = partial(get, "hirescam")
InputXGradient = partial(get, "inputxgradient")
IntegratedGradients = partial(get, "integrated-gradients")
KPCACAM = partial(get, "kpcacam")
LayerCAM = partial(get, "layercam")
LeGrad = partial(get, "legrad")
Occlusion = partial(get, "occlusion")
Rise = partial(get, "rise")
Rollout = partial(get, "rollout")
Saliency = partial(get, "saliency")
ScoreCAM = partial(get, "scorecam")
ShapleyCAM = partial(get, "shapleycam")
SmoothGrad = partial(get, "smoothgrad")
SmoothGradCAMPlusPlus = partial(get, "smoothgradcam++")
XGradCAM = partial(get, "xgradcam")
