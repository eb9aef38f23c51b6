"""Graphs that are kept: a model is exported when its graph is first needed, and found again by its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from whylight.cache import cache_folder
from whylight.graphs.export import Format, export
from whylight.graphs.network import digest
from whylight.jsontext import dumps
from whylight.models.model import Model

_SUFFIX: dict[Format, Literal[".onnx", ".xml"]] = {"onnx": ".onnx", "openvino": ".xml"}


def kept(model: Model, form: Format, tell: Callable[[], None] = lambda: None, *, folder: Path | None = None) -> Path:
    """The graph of a model for pictures of its input's size: as it is kept, else made now.

    Args:
        model: in float32, with maps in closed form.
        form: for which runtime.
        tell: called where it is made now, which takes some seconds.
        folder: where graphs are kept; default: in the cache.

    Raises:
        ModelError: it cannot be exported.
        WriteError: it cannot be written.
    """
    path = (folder or cache_folder()) / form / f"{_named(model)}{_SUFFIX[form]}"
    if not path.is_file():
        tell()
        export(model, path, resize=False)
    return path


def _named(model: Model) -> str:
    """Tells a network, its weights and its preprocessing from all others."""
    told = [
        version("whylight"),
        str(model.module),
        model.classes,
        vars(model.preprocessing),
        model.layer,
        model.multilabel,
    ]
    return hashlib.sha256(dumps([*told, digest(model.module)]).encode()).hexdigest()[:32]
