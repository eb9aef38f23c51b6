"""An experiment as a file: what all runs share, the factors in which they differ, the seeds, and what is measured."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from whylight.errors import TrainError
from whylight.train import TrainConfig
from whylight.train.setting_types import wrong_type

_START = ("weights", "pretrained", "scratch")


@dataclass(frozen=True)
class Level:
    """One choice of a factor: what it is called, and the settings of `whylight train` that it makes."""

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Factor:
    """What runs differ in."""

    name: str
    levels: tuple[Level, ...]

    @property
    def numbers(self) -> list[float] | None:
        """The levels as numbers, to draw them along an axis; None where one is none."""
        try:
            return [float(level.name.removesuffix("%").strip()) for level in self.levels]
        except ValueError:
            return None


@dataclass(frozen=True)
class Arm:
    """One combination of levels; its runs differ in the seed alone."""

    levels: tuple[str, ...]
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As the report calls it."""
        return ", ".join(self.levels)

    @property
    def folder(self) -> str:
        """As its folder is called."""
        plain = re.sub(r"[^\w.-]+", "-", self.name.replace("%", "pc").replace(", ", "_")).strip("-._")
        return plain or hashlib.sha256(self.name.encode()).hexdigest()[:8]


@dataclass(frozen=True)
class Measure:
    """What is measured on the stored models.

    Attributes:
        split: `val`, `test`, or `auto`: `test` where there is one.
        boxes: a CSV file of boxes, for localisation; relative to the data's folder.
        method: whose maps are looked at; `auto`: `cam` where the network's head allows it, else `gradcam`.
        mistakes: how many of the most confident mistakes are shown of each arm.
    """

    split: str = "auto"
    boxes: str | None = None
    method: str = "auto"
    mistakes: int = 8


@dataclass(frozen=True)
class Recipe:
    """A whole experiment."""

    title: str
    question: str
    settings: Mapping[str, Any]
    factors: tuple[Factor, ...]
    seeds: tuple[int, ...] = (0,)
    measure: Measure = Measure()
    data: str | None = None
    weights: str | None = None  # what stands in for the library's pretrained ones

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Every combination of levels, the last factor changing fastest."""
        return tuple(
            Arm(
                tuple(level.name for level in levels),
                {**self.settings, **{key: value for level in levels for key, value in level.settings.items()}},
            )
            for levels in itertools.product(*(factor.levels for factor in self.factors))
        )

    def config(self, arm: Arm, seed: int, data: str, out: str, device: str) -> TrainConfig:
        """The settings of one run."""
        settings = {**arm.settings, "data": data, "out": out, "seed": seed, "device": device}
        if settings.get("pretrained") and self.weights is not None:
            settings |= {"pretrained": False, "weights": self.weights}
        if settings.get("unfreeze") == "all":
            settings["unfreeze"] = None
        return TrainConfig.from_dict(settings)

    def with_weights(self, weights: str) -> Self:
        """Start from a file of weights wherever the recipe starts from the library's pretrained ones.

        Raises:
            TrainError: if there is no such file, or no arm that starts from pretrained weights.
        """
        if not Path(weights).exists():
            raise TrainError(f"weights: {weights}: no such file")
        if not any(arm.settings.get("pretrained") for arm in self.arms):
            raise TrainError("weights: none of the recipe's arms starts from pretrained weights")
        return replace(self, weights=str(Path(weights).resolve()))

    def with_settings(self, settings: Mapping[str, Any]) -> Self:
        """Change settings of every run.

        Raises:
            TrainError: if the runs differ in one of them, or a value cannot be used.
        """
        for factor in self.factors:
            for key in settings:
                if any(key in level.settings for level in factor.levels):
                    raise TrainError(f"--set {key}: the levels of {factor.name!r} set it; change the recipe instead")
        changed = replace(self, settings={**self.settings, **settings})
        changed.check()
        return changed

    def with_seeds(self, count: int) -> Self:
        """So many seeds: the recipe's own first, then others."""
        more = (seed for seed in itertools.count() if seed not in self.seeds)
        return replace(self, seeds=(*self.seeds, *itertools.islice(more, max(0, count - len(self.seeds))))[:count])

    def check(self) -> None:
        """Find what is wrong before anything is trained, hours before it would show.

        Raises:
            TrainError: naming the arm, the setting, and what is wrong.
        """
        from whylight.models.zoo.architectures import is_known

        for arm in self.arms:
            for key, value in arm.settings.items():
                if not (key == "unfreeze" and value == "all") and (why := wrong_type(TrainConfig, key, value)):
                    raise TrainError(f"{arm.name}: {why}")
            if "arch" not in arm.settings:
                raise TrainError("settings: arch is missing")
            if not is_known(arm.settings["arch"]):
                raise TrainError(
                    f"{arm.name}: no architecture is called {arm.settings['arch']!r}; see `whylight models`"
                )
            if not any(arm.settings.get(key) for key in _START):
                raise TrainError(
                    f"{arm.name}: say where the weights start: pretrained = true, scratch = true, or weights"
                )
            for key in ("weights", "teacher"):
                path = arm.settings.get(key)
                if path is not None and not Path(path).exists() and (key == "weights" or "/" in path):
                    raise TrainError(f"{arm.name}: {key}: {path}: no such file")
            try:
                self.config(arm, self.seeds[0], "data", "out", "auto")
            except TrainError as error:
                raise TrainError(f"{arm.name}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return dict(json.loads(json.dumps(asdict(self))))
