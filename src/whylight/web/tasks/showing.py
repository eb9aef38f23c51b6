"""What a page shows of an explanation: its maps, the one that is chosen, and all that is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whylight.web.said import Said
from whylight.web.tasks import describing
from whylight.web.tasks.results import Result
from whylight.work.words import certainty

_LONG = 2000  # units of the drawing that reserves a picture's room: more than any screen has


@dataclass(frozen=True)
class Map:
    """One map of a result.

    Attributes:
        place: among the result's.
        label, sure: the class, and how sure the model is of it.
        words, facts: what it shows, in a sentence and as a list.
        flat: `blank` or `constant` where there is nothing to see.
        diffuse: whether it is strong nearly all over.
        boxes: x, y, width and height of each, in units of `sides`.
        heat: where the heat alone lies.
    """

    place: int
    label: str
    sure: str
    words: str
    facts: list[str]
    flat: str
    diffuse: bool
    boxes: list[tuple[float, float, float, float]]
    heat: str


@dataclass(frozen=True)
class Stage:
    """The room that a picture takes, before any of it has come.

    Attributes:
        width, height: with the picture's proportions, and larger than any screen, so that small pictures are enlarged.
    """

    width: int
    height: int


def stage(width: int, height: int) -> Stage:
    """The room of a picture of so many pixels."""
    times = _LONG / max(width, height)
    return Stage(max(1, round(width * times)), max(1, round(height * times)))


def maps(result: Result, heat_at: Any) -> list[Map]:
    """All maps of an explanation; `heat_at` says under which address the heat of a place is had."""
    return [_map(result, place, heat_at(place)) for place in range(len(result.records))]


def chosen(result: Result, place: int | None) -> int:
    """A place among a result's maps.

    Raises:
        Said: it has no such place.
    """
    if place is None:
        return 0
    if place >= len(result.records):
        raise Said(404, f"class: this result has {len(result.records)}, numbered from 0; there is no {place}")
    return place


def _map(result: Result, place: int, heat: str) -> Map:
    record = result.records[place]
    room = stage(record["width"], record["height"])
    times = room.width / record["width"]
    boxes = [
        (one["x0"] * times, one["y0"] * times, (one["x1"] - one["x0"]) * times, (one["y1"] - one["y0"]) * times)
        for one in record.get("boxes") or []
    ]
    flat = (record.get("flat") or "blank") if record["blank"] else ""
    return Map(
        place,
        record["label"],
        certainty(record),
        result.told(place),
        describing.facts(result, place),
        flat,
        bool(record.get("diffuse")),
        boxes,
        heat,
    )
