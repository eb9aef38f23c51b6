"""The explanation methods: pure functions from activations, gradients and weights to a raw map, one short file each."""

from whylight.methods.ablationcam import ablationcam
from whylight.methods.cam import cam
from whylight.methods.eigencam import eigencam
from whylight.methods.gradcam import gradcam
from whylight.methods.gradcam_plusplus import gradcam_plusplus
from whylight.methods.hirescam import hirescam
from whylight.methods.layercam import layercam
from whylight.methods.registry import Function, Maps, Method, get, names, register, unregister
from whylight.methods.xgradcam import xgradcam

__all__ = [
    "Function",
    "Maps",
    "Method",
    "ablationcam",
    "cam",
    "eigencam",
    "get",
    "gradcam",
    "gradcam_plusplus",
    "hirescam",
    "layercam",
    "names",
    "register",
    "unregister",
    "xgradcam",
]
