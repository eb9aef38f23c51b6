"""Which model is meant: what it is told apart by without loading it, and how it is loaded."""

from __future__ import annotations

import hashlib
import math
import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from whylight.errors import ModelError, WhylightWarning
from whylight.jsontext import dumps
from whylight.models.prepared import GRAPHS
from whylight.models.zoo.bundled import file_of
from whylight.models.zoo.classnames import read_names
from whylight.models.zoo.keeping import made
from whylight.schema import Text

if TYPE_CHECKING:
    from whylight.models.base import Classifier


Precision = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True)
class ModelChoice:
    """Everything that says which model is meant: the arguments of `whylight.load`, as they are typed.

    Attributes:
        name: of a bundled, timm or torchvision network, a run folder, a .safetensors, .onnx or .xml file.
        pretrained, weights, classes, layer, device, multilabel: as for `whylight.load`; `classes` is a file with their names.
        precision: of methods that run the network many times: `auto`, `fp32` or `bf16`.
        size, mean, std, crop: how pictures are prepared, where it differs from the model's own way: numbers with commas between
            them, as for `whylight.load`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: Text = "face"
    pretrained: bool = True
    weights: Text | None = None
    classes: Text | None = None
    layer: Text | None = None
    device: str = "auto"
    multilabel: bool = False
    precision: Precision = "auto"
    size: str | None = None
    mean: str | None = None
    std: str | None = None
    crop: str | None = None

    @property
    def default_method(self) -> str:
        """The method where none is named: a graph without maps can only be asked from outside."""
        return "gradcam" if not self._is_graph or self._has_maps else "rise"

    @property
    def _is_graph(self) -> bool:
        return self.name.lower().endswith(GRAPHS)

    @property
    def _has_maps(self) -> bool:
        """Whether it is a graph with maps in it; a file that cannot be read has none, and says so when it is loaded."""
        from whylight.models.adapters.facts import read_facts

        try:
            facts = read_facts(self.name)
        except ModelError:
            return False
        return facts is not None and facts.grid is not None

    @property
    def _is_fetched(self) -> bool:
        """Whether its weights may come from the network."""
        here = self.weights is not None or not self.pretrained or self._is_graph or file_of(self.name) is not None
        return not here and not os.path.exists(self.name)

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
            stat = bundled.stat()
            facts["bundled"] = _contents(bundled, stat.st_size, stat.st_mtime_ns)
        file = Path(self.name) if bundled is None else None
        if file is not None and file.is_dir():
            file = file / "model.safetensors"
        weights = Path(self.weights) if self.weights is not None else None
        for key, path in (("model_file", file), ("weights", weights)):
            if path is not None and path.is_file():
                facts[key] = [os.path.abspath(path), path.stat().st_size, path.stat().st_mtime_ns]
        if self.classes is not None:
            facts["classes"] = hashlib.sha256("\n".join(self.class_names() or ()).encode()).hexdigest()[:16]
        return facts

    def class_names(self) -> tuple[str, ...] | None:
        """The names in `--classes`; None where it was not given.

        Raises:
            ModelError: if the file cannot be read or holds no names.
        """
        return None if self.classes is None else read_names(self.classes, "--classes")

    @property
    def _input(self) -> dict[str, str | None]:
        return {"size": self.size, "mean": self.mean, "std": self.std, "crop": self.crop}

    def preparation(self, model: Classifier) -> str:
        """How pictures become its input, in words; "" where its own file says so, and nobody else."""
        from whylight.models.zoo.load import own_file

        own = not self._is_graph and not self.name.startswith("hf:") and own_file(self.name) is not None
        return "" if own and not any(self._input.values()) else str(model.preprocessing)

    def load(self) -> Classifier:
        """Load it, unless it is kept from an earlier job, see `models.zoo.keeping`.

        Raises:
            ModelError: if that fails.
        """
        return made((self, dumps(self.identity())), self._load)

    def _load(self) -> Classifier:
        from whylight.models.zoo.architectures import is_known, looked_for
        from whylight.models.zoo.load import load

        if self._is_fetched and is_known(self.name):
            warnings.warn(looked_for(self.name), WhylightWarning, stacklevel=2)
        given = {key: numbers(f"--{key}", text) for key, text in self._input.items() if text is not None}
        model = load(
            self.name,
            pretrained=self.pretrained,
            weights=Path(self.weights) if self.weights is not None else None,
            classes=self.class_names(),
            device=self.device,
            layer=self.layer,
            multilabel=self.multilabel,
            **_arguments(given),
        )
        if model.taken:
            warnings.warn(model.taken, WhylightWarning, stacklevel=2)
        return model


@lru_cache(maxsize=8)
def _contents(file: Path, size: int, mtime_ns: int) -> str:
    """By which a file's contents are known; read once as long as the file is the same."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]


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
    """Arguments of `load`: mean and std as they are, the size as one whole number or two, one share to cut out."""
    found: dict[str, Any] = dict(given)
    if "size" in given:
        sides = given["size"]
        if len(sides) > 2 or any(side != int(side) or side < 1 for side in sides):
            raise ModelError(f"--size {sides}: expected one whole number, or height,width")
        found["size"] = int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))
    if "crop" in given:
        (found["crop"],) = given["crop"] if len(given["crop"]) == 1 else (-1.0,)
        if not 0 <= found["crop"] <= 1:
            raise ModelError(f"--crop {given['crop']}: expected the share of the shorter side to keep, from 0 to 1")
    for name in ("mean", "std"):
        if name in given and len(given[name]) != 3:
            raise ModelError(
                f"--{name} {given[name]}: expected three numbers (red, green, blue), got {len(given[name])}"
            )
    return found
