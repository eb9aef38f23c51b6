"""From a file to a recipe; whatever is wrong is named, with what was probably meant."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

from whylight.errors import TrainError
from whylight.experiment.recipe import Factor, Level, Measure, Recipe
from whylight.localize.locator import NAMES
from whylight.methods import names as method_names
from whylight.train import TrainConfig
from whylight.train.setting_types import fits

SHIPPED = Path(__file__).parent / "recipes"
SETTINGS = tuple(field.name for field in fields(TrainConfig) if field.name not in ("data", "out", "seed", "device"))


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
        if not fits(getattr(recipe.measure, field.name), get_type_hints(Measure)[field.name]):
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


def _known(key: str, names: Iterable[str], what: str) -> None:
    names = list(names)
    if key not in names:
        near = ["seeds"] if key == "seed" else difflib.get_close_matches(key, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
        raise TrainError(f"unknown {what} {key!r}; {hint}")
