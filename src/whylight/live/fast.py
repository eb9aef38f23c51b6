"""The same model on a faster engine: exported for OpenVINO when it is first needed, and kept for the next time."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

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
    if not isinstance(model, Model) or getattr(model, "is_exported", False) or model.device.type != "cpu":
        return model
    if method not in _METHODS or model.linear is None:
        return model
    from whylight.models.exported import load_openvino

    path = cache_folder() / "openvino" / f"{_digest(model)}.xml"
    try:
        if not path.is_file():
            from whylight.export import export

            tell("preparing the model for OpenVINO, once")
            export(model, path)
        found = load_openvino(path)
    except (ModelError, WriteError) as error:
        tell(f"PyTorch is used, which takes longer: {error}")
        return model
    found.name = model.name
    return found


def _digest(model: Model) -> str:
    """Tells a network, its weights and its preprocessing from all others."""
    found = hashlib.blake2b(digest_size=16)
    about = [
        version("whylight"),
        str(model.module),
        model.classes,
        vars(model.preprocessing),
        model.layer,
        model.multilabel,
    ]
    found.update(dumps(about).encode())
    for name, value in sorted(model.module.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()
