"""What a page shows of boxes: where each is, what its figures mean, and the looks that led to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from whylight.web.tasks.results import Result
from whylight.web.tasks.showing import stage
from whylight.work.words import percent, place


@dataclass(frozen=True)
class Box:
    """One box.

    Attributes:
        number: from 1.
        x, y, width, height: in units of the page's stage.
        words: where it is and how large.
        sure: what the model says of what is in it, alone.
        strength: how strong its evidence is, beside the strongest of the map.
    """

    number: int
    x: float
    y: float
    width: float
    height: float
    words: str
    sure: str
    strength: str


@dataclass(frozen=True)
class Look:
    """One look of a search: how probable the class was before and after what it found was erased."""

    number: int
    before: str
    after: str


def boxes(result: Result) -> list[Box]:
    """All boxes of a result."""
    record = result.first
    width, height = record["picture_size"]
    times = stage(width, height).width / width
    return [_box(number, one, times, (width, height)) for number, one in enumerate(record["boxes"], start=1)]


def looks(result: Result) -> list[Look]:
    """Each look of the search."""
    steps = result.first["steps"]
    return [
        Look(number, _told(one["probability_before"]), _told(one["probability_after"]))
        for number, one in enumerate(steps, start=1)
    ]


def table(result: Result) -> str:
    """The boxes as lines of CSV, for spreadsheets."""
    rows = ["label,x0,y0,x1,y1,score,probability"]
    label = '"' + result.first["label"].replace('"', '""') + '"'
    for one in result.first["boxes"]:
        sides = [str(one[side]) for side in ("x0", "y0", "x1", "y1")]
        sure = one.get("probability")
        rows.append(",".join([label, *sides, f"{one['score']:.6g}", "" if sure is None else f"{sure:.6g}"]))
    return "\n".join(rows) + "\n"


def _box(number: int, one: dict[str, Any], times: float, size: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = (one[side] for side in ("x0", "y0", "x1", "y1"))
    where = place((x0 + x1) / 2 / size[0], (y0 + y1) / 2 / size[1])
    return Box(
        number,
        x0 * times,
        y0 * times,
        (x1 - x0) * times,
        (y1 - y0) * times,
        f"{where}: x {x0} to {x1}, y {y0} to {y1}, {x1 - x0} × {y1 - y0} pixels",
        _told(one.get("probability")),
        percent(one["score"]),
    )


def _told(share: float | None) -> str:
    return "" if share is None else percent(share)
