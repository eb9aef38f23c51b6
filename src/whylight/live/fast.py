"""The same model on a faster engine: exported for OpenVINO when it is first needed, and kept for the next time."""

from __future__ import annotations

from collections.abc import Callable

from whylight.errors import ModelError, WriteError
from whylight.models.base import Classifier
from whylight.models.model import Model

_METHODS = frozenset({"cam", "gradcam", "hirescam"})


def faster(model: Classifier, method: str, tell: Callable[[str], None]) -> Classifier:
    """The model as OpenVINO runs it, where that gives the same maps; else the model itself, with a word why.

    Args:
        model: as it was loaded.
        method: what is asked of it.
        tell: is called with a sentence where it takes a while, or is not done.
    """
    if not isinstance(model, Model) or model.device.type != "cpu" or method not in _METHODS or model.linear is None:
        return model
    from whylight.graphs.kept import kept
    from whylight.models.adapters.exported import load_exported

    try:
        path = kept(model, "openvino", lambda: tell("preparing the model for OpenVINO, once"))
        found = load_exported(path)
    except (ModelError, WriteError) as error:
        tell(f"PyTorch is used, which takes longer: {error}")
        return model
    found.name = model.name
    return found
