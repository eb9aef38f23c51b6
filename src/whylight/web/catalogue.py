"""The models that the site offers, and what can be asked of each: what `telling` wrote, read by the web process."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from whylight.web.said import Said

NAME = "catalogue.json"
_FEW, _PAIR = 5, 2  # classes that are named where there is little room


@dataclass(frozen=True)
class Method:
    """One method as a model takes it.

    Attributes:
        name, does, reads, cost, units, source: as `whylight methods` tells them.
        slow: whether it runs the model many times.
        of_target: whether its map depends on the class.
        why_not: what keeps the model from it; None: nothing does.
    """

    name: str
    does: str
    reads: str
    cost: str
    units: str
    source: str
    slow: bool
    of_target: bool
    why_not: str | None


@dataclass(frozen=True)
class Offered:
    """One model.

    Attributes:
        name: as it is asked for; title: as it is shown, never a path.
        network, parameters, input: what it is made of.
        classes: their names in order.
        multilabel: whether its classes exclude each other not.
        default: the method where none is named.
        methods: all there are.
    """

    name: str
    title: str
    network: str
    parameters: int
    input: tuple[int, int]
    classes: tuple[str, ...]
    multilabel: bool
    default: str
    methods: dict[str, Method] = field(default_factory=dict)

    @property
    def is_closed(self) -> bool:
        """Whether its maps are a product of its last layers, so that a graph can hold them; of black boxes nobody knows."""
        return self.parameters > 0 and self.methods["cam"].why_not is None

    @property
    def apart(self) -> str:
        """What it tells apart, in words."""
        if len(self.classes) <= _FEW:
            named = sorted(self.classes, key=lambda one: one.startswith(("no ", "not ")))
            return f"tells {' from '.join(named)}" if len(named) == _PAIR else ", ".join(named)
        return f"{len(self.classes):,} classes: {', '.join(self.classes[:_FEW])}, …"

    @property
    def millions(self) -> str:
        """How many parameters it has, in words."""
        return f"{self.parameters / 1e6:.1f} million" if self.parameters >= 1e5 else f"{self.parameters:,}"

    def to_dict(self) -> dict[str, Any]:
        """All of it but where it lies, as plain values."""
        return {key: value for key, value in asdict(self).items() if key != "name"} | {"name": self.title}


@dataclass(frozen=True)
class Catalogue:
    """All that can be asked.

    Attributes:
        models: by the names they are shown under, in the order in which they are offered.
        spelled: methods by how people write them, see `plain`.
        languages: that faces are described in.
        made_of: the same as long as the models and whylight are.
    """

    models: dict[str, Offered]
    spelled: dict[str, str]
    languages: tuple[str, ...]
    made_of: str


def offered() -> Catalogue:
    """What the workers told of.

    Raises:
        Said: no worker has told of them yet.
    """
    file = Path(settings.SITE, NAME)
    try:
        stamp = file.stat().st_mtime_ns
    except FileNotFoundError:
        raise Said(
            503, "the site is starting: its models are being loaded; try again in some seconds", retry=3
        ) from None
    if _read.get("stamp") != stamp:
        told = json.loads(file.read_bytes())
        models = {one.title: one for one in map(_offered, told["models"])}
        _read.update(
            stamp=stamp, catalogue=Catalogue(models, told["spelled"], tuple(told["languages"]), told["made_of"])
        )
    found: Catalogue = _read["catalogue"]
    return found


def model(title: str) -> Offered:
    """One model; "" is the first.

    Raises:
        Said: it is not offered.
    """
    models = offered().models
    if not title:
        return next(iter(models.values()))
    if title not in models:
        raise Said(400, f"model: {title[:60]!r} is not offered here; choose one of {', '.join(models)}")
    return models[title]


def plain(name: str) -> str:
    """A method's name without what people write differently.

    >>> plain("Grad-CAM++"), plain("score_cam")
    ('gradcampp', 'scorecam')
    """
    return re.sub(r"[\W_]+", "", name.casefold().replace("++", "pp").replace("plusplus", "pp"))


_read: dict[str, Any] = {}


def _offered(entry: dict[str, Any]) -> Offered:
    methods = {name: Method(**one) for name, one in entry.pop("methods").items()}
    return Offered(**{**entry, "classes": tuple(entry["classes"]), "input": tuple(entry["input"]), "methods": methods})
