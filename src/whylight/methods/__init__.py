"""The explanation methods: pure functions from evidence to a raw map, one short file each, and wrappers around them."""

from whylight.methods.ablationcam import ablationcam
from whylight.methods.augmented_gradcam import augmented_gradcam
from whylight.methods.cam import cam
from whylight.methods.dff import dff
from whylight.methods.eigencam import eigencam
from whylight.methods.eigengradcam import eigengradcam
from whylight.methods.elementgradcam import elementgradcam
from whylight.methods.fem import fem
from whylight.methods.finercam import finercam
from whylight.methods.fullgrad import fullgrad
from whylight.methods.gradcam import gradcam
from whylight.methods.gradcam_plusplus import gradcam_plusplus
from whylight.methods.guided_gradcam import guided_gradcam
from whylight.methods.hirescam import hirescam
from whylight.methods.inputxgradient import inputxgradient
from whylight.methods.integrated_gradients import integrated_gradients
from whylight.methods.kpcacam import kpcacam
from whylight.methods.layercam import layercam
from whylight.methods.legrad import legrad
from whylight.methods.makers import (
    CAM,
    DFF,
    FEM,
    KPCACAM,
    AblationCAM,
    AugmentedGradCAM,
    EigenCAM,
    EigenGradCAM,
    ElementGradCAM,
    FinerCAM,
    FullGrad,
    GradCAM,
    GradCAMPlusPlus,
    GuidedGradCAM,
    HiResCAM,
    InputXGradient,
    IntegratedGradients,
    LayerCAM,
    LeGrad,
    Occlusion,
    Rise,
    Rollout,
    Saliency,
    ScoreCAM,
    ShapleyCAM,
    SmoothGrad,
    SmoothGradCAMPlusPlus,
    XGradCAM,
)
from whylight.methods.occlusion import occlusion
from whylight.methods.registry import Function, Maps, Method, Probe, get, meant, names, register, unregister
from whylight.methods.rise import rise
from whylight.methods.rollout import rollout
from whylight.methods.saliency import saliency
from whylight.methods.scorecam import scorecam
from whylight.methods.shapleycam import shapleycam
from whylight.methods.smoothgrad import smoothgrad
from whylight.methods.smoothgradcam_plusplus import smoothgradcam_plusplus
from whylight.methods.wrappers.layers import Fusion, layers
from whylight.methods.wrappers.refine import refine
from whylight.methods.wrappers.smooth import smooth
from whylight.methods.wrappers.spread import spread
from whylight.methods.wrappers.tta import tta
from whylight.methods.xgradcam import xgradcam

__all__ = [
    "CAM",
    "DFF",
    "FEM",
    "KPCACAM",
    "AblationCAM",
    "AugmentedGradCAM",
    "EigenCAM",
    "EigenGradCAM",
    "ElementGradCAM",
    "FinerCAM",
    "FullGrad",
    "Function",
    "Fusion",
    "GradCAM",
    "GradCAMPlusPlus",
    "GuidedGradCAM",
    "HiResCAM",
    "InputXGradient",
    "IntegratedGradients",
    "LayerCAM",
    "LeGrad",
    "Maps",
    "Method",
    "Occlusion",
    "Probe",
    "Rise",
    "Rollout",
    "Saliency",
    "ScoreCAM",
    "ShapleyCAM",
    "SmoothGrad",
    "SmoothGradCAMPlusPlus",
    "XGradCAM",
    "ablationcam",
    "augmented_gradcam",
    "cam",
    "dff",
    "eigencam",
    "eigengradcam",
    "elementgradcam",
    "fem",
    "finercam",
    "fullgrad",
    "get",
    "gradcam",
    "gradcam_plusplus",
    "guided_gradcam",
    "hirescam",
    "inputxgradient",
    "integrated_gradients",
    "kpcacam",
    "layercam",
    "layers",
    "legrad",
    "meant",
    "names",
    "occlusion",
    "refine",
    "register",
    "rise",
    "rollout",
    "saliency",
    "scorecam",
    "shapleycam",
    "smooth",
    "smoothgrad",
    "smoothgradcam_plusplus",
    "spread",
    "tta",
    "unregister",
    "xgradcam",
]
