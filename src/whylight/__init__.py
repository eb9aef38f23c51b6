"""whylight: why did the model say that, and where in the picture did it look?

Names load when they are first used, so that `import whylight` and every `--help` cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whylight import errors, faces, methods, targets
    from whylight._api import explain, explain_each
    from whylight._concepts import Concepts, concepts
    from whylight._locate import locate, locate_each
    from whylight.allocator import tune_allocator
    from whylight.evaluate.verify import Receipt, verify
    from whylight.explanation import Explanation
    from whylight.localize import Box
    from whylight.location import Location
    from whylight.models.blackbox import BlackBox, wrap_callable
    from whylight.models.detector import detector
    from whylight.models.load import load
    from whylight.models.model import Model, wrap
    from whylight.models.onnx import load_onnx
    from whylight.models.segmentation import segmenter
    from whylight.preprocess import Preprocess

__version__ = "0.1.0"

__all__ = [
    "BlackBox",
    "Box",
    "Concepts",
    "Explanation",
    "Location",
    "Model",
    "Preprocess",
    "Receipt",
    "__version__",
    "concepts",
    "detector",
    "errors",
    "explain",
    "explain_each",
    "faces",
    "load",
    "load_onnx",
    "locate",
    "locate_each",
    "methods",
    "segmenter",
    "targets",
    "tune_allocator",
    "verify",
    "wrap",
    "wrap_callable",
]

_HOMES = {
    "BlackBox": "whylight.models.blackbox",
    "Box": "whylight.localize",
    "Concepts": "whylight._concepts",
    "Explanation": "whylight.explanation",
    "Location": "whylight.location",
    "Model": "whylight.models.model",
    "Preprocess": "whylight.preprocess",
    "Receipt": "whylight.evaluate.verify",
    "concepts": "whylight._concepts",
    "detector": "whylight.models.detector",
    "explain": "whylight._api",
    "explain_each": "whylight._api",
    "load": "whylight.models.load",
    "load_onnx": "whylight.models.onnx",
    "locate": "whylight._locate",
    "locate_each": "whylight._locate",
    "segmenter": "whylight.models.segmentation",
    "tune_allocator": "whylight.allocator",
    "verify": "whylight.evaluate.verify",
    "wrap": "whylight.models.model",
    "wrap_callable": "whylight.models.blackbox",
}
_MODULES = ("errors", "faces", "methods", "targets")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"whylight.{name}")
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'whylight' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
