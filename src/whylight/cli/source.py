"""The model that a command was asked for: what it is told apart by, and how it is loaded."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.errors import ModelError
from whylight.models.bundled import file_of

if TYPE_CHECKING:
    from whylight.models.base import Classifier


@dataclass(frozen=True)
class Source:
    """Everything on the command line that says which model is meant."""

    name: str
    pretrained: bool = True
    weights: Path | None = None
    classes: Path | None = None
    layer: str | None = None
    device: str = "auto"
    multilabel: bool = False
    precision: str = "auto"

    @property
    def default_method(self) -> str:
        """The method where none is named: an ONNX file can only be asked from outside."""
        return "rise" if self.name.lower().endswith(".onnx") else "gradcam"

    def identity(self) -> dict[str, Any]:
        """What decides the results, without loading anything: names, and size and date of the files behind them."""
        facts: dict[str, Any] = {"model": self.name, "layer": self.layer, "pretrained": self.pretrained}
        if self.multilabel:
            facts["multilabel"] = True
        if self.precision != "auto":
            facts["precision"] = self.precision
        bundled = file_of(self.name)
        if bundled is not None:  # as in load: the name wins over a file or folder that is called the same
            # By contents: each installation gives the file a date and a place of its own.
            facts["bundled"] = hashlib.sha256(bundled.read_bytes()).hexdigest()[:16]
        file = Path(self.name) if bundled is None else None
        if file is not None and file.is_dir():
            file = file / "model.safetensors"
        for key, path in (("model_file", file), ("weights", self.weights)):
            if path is not None and path.is_file():
                facts[key] = [os.path.abspath(path), path.stat().st_size, path.stat().st_mtime_ns]
        if self.classes is not None:
            facts["classes"] = hashlib.sha256("\n".join(self.class_names() or ()).encode()).hexdigest()[:16]
        return facts

    def class_names(self) -> tuple[str, ...] | None:
        """The names in `--classes`, one a line; None where it was not given.

        Raises:
            ModelError: if the file cannot be read or holds no names.
        """
        if self.classes is None:
            return None
        try:
            lines = self.classes.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"--classes {self.classes}: cannot be read as text: {error}") from error
        while lines and not lines[-1].strip():
            lines.pop()
        if not lines:
            raise ModelError(f"--classes {self.classes}: the file is empty; it needs one class name a line")
        return tuple(line.strip() for line in lines)

    def load(self) -> Classifier:
        """Load it.

        Raises:
            ModelError: if that fails.
        """
        import whylight

        return whylight.load(
            self.name,
            pretrained=self.pretrained,
            weights=self.weights,
            classes=self.class_names(),
            device=self.device,
            layer=self.layer,
            multilabel=self.multilabel,
        )
