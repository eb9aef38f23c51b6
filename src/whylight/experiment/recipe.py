"""An experiment as a file: what all runs share, the factors in which they differ, the seeds, and what is measured."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from whylight._locator import NAMES
from whylight.errors import TrainError
from whylight.methods import names as method_names
from whylight.train import TrainConfig

SHIPPED = Path(__file__).parent / "recipes"
SETTINGS = tuple(field.name for field in fields(TrainConfig) if field.name not in ("data", "out", "seed", "device"))
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
        from whylight.models.architectures import is_known

        for arm in self.arms:
            for key, value in arm.settings.items():
                if why := wrong_type(key, value):
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


def read(source: str | Path) -> Recipe:
    """Read a recipe: a `.toml` file, or the name of one that ships.

    Raises:
        TrainError: naming the key that is unknown and the nearest one, or what is wrong with a value.
    """
    path = Path(source)
    if path.suffix != ".toml":
        path = SHIPPED / f"{source}.toml"
        if not path.exists():
            raise TrainError(
                f"{source}: no such recipe; these ship: {', '.join(shipped())}. Your own is a file NAME.toml"
            )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TrainError(f"{path}: no recipe can be read there ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainError(f"{path}: this is no TOML ({error})") from error
    try:
        return _recipe(values)
    except TrainError as error:
        raise TrainError(f"{path}: {error}") from error


def shipped() -> list[str]:
    """Names of the recipes that ship."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def setting(text: str) -> tuple[str, Any]:
    """`key=value` as it is typed, the value as TOML, or as a string where it is none.

    >>> setting("epochs=3"), setting("arch=resnet18")
    (('epochs', 3), ('arch', 'resnet18'))
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise TrainError(f"--set takes KEY=VALUE, not {text!r}")
    _known(key, SETTINGS, "setting")
    try:
        return key, tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return key, value


def _recipe(values: Mapping[str, Any]) -> Recipe:
    for key in values:
        _known(key, ("title", "question", "data", "seeds", "settings", "factor", "measure"), "key")
    settings = _table(values, "settings")
    for key in settings:
        _known(key, SETTINGS, "setting")
    measure = _table(values, "measure")
    for key in measure:
        _known(key, [field.name for field in fields(Measure)], "key of [measure]")
    seeds = values.get("seeds", [0])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise TrainError("seeds: expected a list of whole numbers, such as [0, 1, 2]")
    if len(set(seeds)) < len(seeds):
        raise TrainError("seeds: one comes twice")
    factors = values.get("factor", [])
    if not isinstance(factors, list) or not factors:
        raise TrainError("what do the runs differ in? At least one [[factor]] is needed")
    recipe = Recipe(
        title=str(values.get("title", "Experiment")),
        question=str(values.get("question", "")),
        settings=settings,
        factors=tuple(map(_factor, factors)),
        seeds=tuple(seeds),
        measure=Measure(**measure),
        data=values.get("data"),
    )
    for field in fields(Measure):
        if not _fits(getattr(recipe.measure, field.name), get_type_hints(Measure)[field.name]):
            raise TrainError(f"measure: {field.name} = {getattr(recipe.measure, field.name)!r}: expected {field.type}")
    if recipe.measure.method != "auto" and recipe.measure.method not in (*method_names(), *NAMES):
        near = difflib.get_close_matches(recipe.measure.method, method_names(), n=1)
        raise TrainError(
            f"measure: unknown method {recipe.measure.method!r}" + (f"; did you mean {near[0]}?" if near else "")
        )
    if recipe.measure.split not in ("auto", "val", "test"):
        raise TrainError(f"measure: split is auto, val or test, not {recipe.measure.split!r}")
    folders = [arm.folder for arm in recipe.arms]
    if twice := {folder for folder in folders if folders.count(folder) > 1}:
        raise TrainError(
            f"two runs would go into one folder ({', '.join(sorted(twice))}): give their levels other names"
        )
    set_by: dict[str, str] = {}
    for factor in recipe.factors:
        for key in {key for level in factor.levels for key in level.settings}:
            if key in set_by:
                raise TrainError(
                    f"{key}: the levels of {set_by[key]!r} and of {factor.name!r} both set it: one of them only"
                )
            set_by[key] = factor.name
    recipe.check()
    return recipe


def _factor(values: Mapping[str, Any]) -> Factor:
    for key in values:
        _known(key, ("name", "setting", "levels"), "key of [[factor]]")
    levels = values.get("levels")
    if not isinstance(levels, list) or len(levels) < 2:
        raise TrainError("a factor needs levels, two at least: levels = [...]")
    single = values.get("setting")
    if single is not None:
        single = str(single)
        _known(single, SETTINGS, "setting")
        made = [Level(_text(level), {single: level}) for level in levels]
        return Factor(str(values.get("name", single.replace("_", " "))), tuple(made))
    if "name" not in values or not all(isinstance(level, dict) and "name" in level for level in levels):
        raise TrainError(
            'a factor is either one setting (setting = "lr", levels = [0.1, 0.01]), or has a name and levels with names: '
            'levels = [{ name = "small", lr = 0.01 }, ...]'
        )
    for level in levels:
        for key in level:
            _known(key, ("name", *SETTINGS), f"setting of level {level['name']!r}")
    return Factor(
        str(values["name"]),
        tuple(Level(str(level["name"]), {k: v for k, v in level.items() if k != "name"}) for level in levels),
    )


def _table(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    table = values.get(key, {})
    if not isinstance(table, dict):
        raise TrainError(f"{key}: expected a table [{key}]")
    return table


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def wrong_type(key: str, value: Any) -> str | None:
    """What is wrong with the kind of a setting's value, or None.

    >>> wrong_type("epochs", 2.5)
    'epochs = 2.5: expected int'
    """
    hint = get_type_hints(TrainConfig)[key]
    if (key == "unfreeze" and value == "all") or _fits(value, hint):
        return None
    name = str(hint).replace("typing.", "").replace("Literal", "one of ") if get_origin(hint) else hint.__name__
    return f"{key} = {value!r}: expected {name}"


def _fits(value: Any, hint: Any) -> bool:
    if get_origin(hint) in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        inner = kinds[:1] * len(value) if kinds[1:] == (Ellipsis,) and isinstance(value, list | tuple) else kinds
        same = isinstance(value, list | tuple) and len(value) == len(inner)
        return same and all(_fits(one, kind) for one, kind in zip(value, inner, strict=True))
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint


def _known(key: str, names: Iterable[str], what: str) -> None:
    names = list(names)
    if key not in names:
        near = ["seeds"] if key == "seed" else difflib.get_close_matches(key, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
        raise TrainError(f"unknown {what} {key!r}; {hint}")
