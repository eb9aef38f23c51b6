"""The model that a command was asked for: what it is told apart by, and how it is loaded."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.errors import ModelError
from whylight.models.zoo.bundled import file_of

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
    size: str | None = None  # this and the next two are an ONNX file's, as they were typed
    mean: str | None = None
    std: str | None = None

    @property
    def default_method(self) -> str:
        """The method where none is named: an ONNX file can only be asked from outside."""
        return "rise" if self._is_onnx else "gradcam"

    @property
    def _is_onnx(self) -> bool:
        return self.name.lower().endswith(".onnx")

    def identity(self) -> dict[str, Any]:
        """What decides the results, without loading anything: names, and size and date of the files behind them."""
        facts: dict[str, Any] = {"model": self.name, "layer": self.layer, "pretrained": self.pretrained}
        if self.multilabel:
            facts["multilabel"] = True
        if self.precision != "auto":
            facts["precision"] = self.precision
        facts.update({key: text for key, text in self._input.items() if text is not None})
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

    @property
    def _input(self) -> dict[str, str | None]:
        return {"size": self.size, "mean": self.mean, "std": self.std}

    def load(self) -> Classifier:
        """Load it.

        Raises:
            ModelError: if that fails.
        """
        import whylight

        if given := {key: numbers(f"--{key}", text) for key, text in self._input.items() if text is not None}:
            if not self._is_onnx:
                raise ModelError(f"--{next(iter(given))}: for ONNX files alone; {self.name} says itself what it takes")
            if self.weights is None and self.layer is None:  # else load says why not
                return whylight.load_onnx(
                    self.name, self.class_names(), multilabel=self.multilabel, **_arguments(given)
                )
        return whylight.load(
            self.name,
            pretrained=self.pretrained,
            weights=self.weights,
            classes=self.class_names(),
            device=self.device,
            layer=self.layer,
            multilabel=self.multilabel,
        )


def numbers(option: str, text: str) -> list[float]:
    """The numbers in "0.5,0.5,0.5".

    Raises:
        ModelError: if something else is between the commas.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        raise ModelError(f"{option} {text!r}: expected numbers with commas between them") from None
    if not all(math.isfinite(number) for number in found):
        raise ModelError(f"{option} {text!r}: expected finite numbers")
    return found


def _arguments(given: dict[str, list[float]]) -> dict[str, Any]:
    """Arguments of `load_onnx`: mean and std as they are, the size as one whole number or two."""
    if "size" not in given:
        return dict(given)
    sides = given["size"]
    if len(sides) > 2 or any(side != int(side) or side < 1 for side in sides):
        raise ModelError(f"--size {sides}: expected one whole number, or height,width")
    return {**given, "size": int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))}
