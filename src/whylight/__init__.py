"""whylight: why did the model say that, and where in the picture did it look?

Names load when they are first used, so that `import whylight` and every `--help` cost next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whylight import errors, faces, jobs, live, methods, targets
    from whylight.allocator import tune_allocator
    from whylight.explanation import Explanation, Explanations, Receipt, grid, view
    from whylight.front.concepts import Concepts, concepts
    from whylight.front.explain import explain, explain_each
    from whylight.front.locate import locate, locate_each
    from whylight.front.verify import verify
    from whylight.graphs.export import export
    from whylight.images.preprocess import Preprocess
    from whylight.localize import Box
    from whylight.localize.location import Location
    from whylight.mapstore.store import open_maps
    from whylight.models.adapters.blackbox import BlackBox, wrap_callable
    from whylight.models.adapters.detector import detector
    from whylight.models.adapters.exported import Exported
    from whylight.models.adapters.onnx import load_onnx
    from whylight.models.adapters.segmentation import segmenter
    from whylight.models.model import Model
    from whylight.models.wrap import wrap
    from whylight.models.zoo.load import load
    from whylight.subgroups.audit import audit
    from whylight.subgroups.result import Audit

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "BlackBox",
    "Box",
    "Concepts",
    "Explanation",
    "Explanations",
    "Exported",
    "Location",
    "Model",
    "Preprocess",
    "Receipt",
    "__version__",
    "audit",
    "concepts",
    "detector",
    "errors",
    "explain",
    "explain_each",
    "export",
    "faces",
    "grid",
    "jobs",
    "live",
    "load",
    "load_onnx",
    "locate",
    "locate_each",
    "methods",
    "open_maps",
    "segmenter",
    "targets",
    "tune_allocator",
    "verify",
    "view",
    "wrap",
    "wrap_callable",
]

_HOMES = {
    "Audit": "whylight.subgroups.result",
    "BlackBox": "whylight.models.adapters.blackbox",
    "Box": "whylight.localize",
    "Concepts": "whylight.front.concepts",
    "Explanation": "whylight.explanation",
    "Explanations": "whylight.explanation",
    "Exported": "whylight.models.adapters.exported",
    "Location": "whylight.localize.location",
    "Model": "whylight.models.model",
    "Preprocess": "whylight.images.preprocess",
    "Receipt": "whylight.explanation",
    "audit": "whylight.subgroups.audit",
    "concepts": "whylight.front.concepts",
    "detector": "whylight.models.adapters.detector",
    "explain": "whylight.front.explain",
    "explain_each": "whylight.front.explain",
    "export": "whylight.graphs.export",
    "grid": "whylight.explanation",
    "load": "whylight.models.zoo.load",
    "load_onnx": "whylight.models.adapters.onnx",
    "locate": "whylight.front.locate",
    "locate_each": "whylight.front.locate",
    "open_maps": "whylight.mapstore.store",
    "segmenter": "whylight.models.adapters.segmentation",
    "tune_allocator": "whylight.allocator",
    "verify": "whylight.front.verify",
    "view": "whylight.explanation",
    "wrap": "whylight.models.wrap",
    "wrap_callable": "whylight.models.adapters.blackbox",
}
_MODULES = ("errors", "faces", "jobs", "live", "methods", "targets")


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
