"""Faces: who is it, where did the model look, and say it in words.

    query = whylight.faces.FaceQuery(whylight.faces.ByGallery(gallery, embedder))
    print(query("photo.jpg")[0].sentence)

Names load when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whylight.faces.align import crop
    from whylight.faces.conversion import convert
    from whylight.faces.detect import detector
    from whylight.faces.embed import Embedder, embedder_of, load_embedder
    from whylight.faces.enrolment import enroll
    from whylight.faces.facemesh import FaceMesh
    from whylight.faces.gallery import Gallery
    from whylight.faces.identify import ByClassifier, ByGallery, ByPicture, FaceOnly
    from whylight.faces.parts import parts_of
    from whylight.faces.query import FaceQuery, compare
    from whylight.faces.result import FaceResult
    from whylight.faces.vggface import load_vggface

__all__ = [
    "ByClassifier",
    "ByGallery",
    "ByPicture",
    "Embedder",
    "FaceMesh",
    "FaceOnly",
    "FaceQuery",
    "FaceResult",
    "Gallery",
    "compare",
    "convert",
    "crop",
    "detector",
    "embedder_of",
    "enroll",
    "load_embedder",
    "load_vggface",
    "parts_of",
]

_HOMES = {
    "ByClassifier": "identify",
    "ByGallery": "identify",
    "ByPicture": "identify",
    "Embedder": "embed",
    "FaceMesh": "facemesh",
    "FaceOnly": "identify",
    "FaceQuery": "query",
    "FaceResult": "result",
    "Gallery": "gallery",
    "compare": "query",
    "convert": "conversion",
    "crop": "align",
    "detector": "detect",
    "embedder_of": "embed",
    "enroll": "enrolment",
    "load_embedder": "embed",
    "load_vggface": "vggface",
    "parts_of": "parts",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
