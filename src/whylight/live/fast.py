"""The same model on a faster engine: exported for OpenVINO when it is first needed, and kept for the next time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from whylight.errors import ModelError, WriteError
from whylight.jsontext import dumps
from whylight.models.base import Classifier
from whylight.models.model import Model

VARIABLE = "WHYLIGHT_CACHE"
_METHODS = frozenset({"cam", "gradcam", "hirescam"})


def cache_folder() -> Path:
    """Where what can be made again is kept: `WHYLIGHT_CACHE`, else the user's own cache."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whylight"


def faster(model: Classifier, method: str, tell: Callable[[str], None]) -> Classifier:
    """The model as OpenVINO runs it, where that gives the same maps; else the model itself, with a word why.

    Args:
        model: as it was loaded.
        method: what is asked of it.
        tell: is called with a sentence where it takes a while, or is not done.
    """
    if not isinstance(model, Model) or model.device.type != "cpu" or method not in _METHODS or model.linear is None:
        return model
    from whylight.graphs.export import export
    from whylight.models.adapters.exported import load_exported

    path = cache_folder() / "openvino" / f"{_digest(model)}.xml"
    try:
        if not path.is_file():
            tell("preparing the model for OpenVINO, once")
            export(model, path, resize=False)
        found = load_exported(path)
    except (ModelError, WriteError) as error:
        tell(f"PyTorch is used, which takes longer: {error}")
        return model
    found.name = model.name
    return found


def _digest(model: Model) -> str:
    """Tells a network, its weights and its preprocessing from all others."""
    from whylight.graphs.network import digest

    told = [
        version("whylight"),
        str(model.module),
        model.classes,
        vars(model.preprocessing),
        model.layer,
        model.multilabel,
    ]
    return hashlib.sha256(dumps([*told, digest(model.module)]).encode()).hexdigest()[:32]
