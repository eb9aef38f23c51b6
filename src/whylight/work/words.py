"""Results in words, for the terminal and for pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def evidence(record: Mapping[str, Any]) -> str:
    """Where the evidence of an explanation is: the end of a sentence."""
    if record["blank"]:
        same = record.get("flat") == "constant"
        return "a map that is the same everywhere" if same else "no positive evidence for it anywhere"
    if record.get("diffuse"):  # it has a highest cell, which says nothing
        return "evidence all over, in no place in particular"
    x, y = record["peak_x"], record["peak_y"]
    return (
        f"the evidence peaks at x={x:.0f} y={y:.0f}, {place(x / record['width'], y / record['height'])} of the picture"
    )


def certainty(record: Mapping[str, Any]) -> str:
    """How sure the model is: a probability, or a score where there is none."""
    sure = record["probability"]
    return percent(sure) if sure is not None else f"score {record['score']:.4g}"


def found(record: Mapping[str, Any]) -> str:
    """Which boxes a search has found."""
    from whylight.localize.location import NOTHING

    boxes, label = record["boxes"], record["label"]
    if record["stopped"].startswith(NOTHING):
        return f"{label}: {record['stopped']}"
    if not boxes:
        return f"no {label} found ({record['stopped']})"
    where = ", ".join(f"x={box['x0']}…{box['x1']} y={box['y0']}…{box['y1']}{_alone(box)}" for box in boxes[:5])
    more = f" and {len(boxes) - 5} more" if len(boxes) > 5 else ""
    return f"{len(boxes)} × {label} at {where}{more}"


def _alone(box: Mapping[str, Any]) -> str:
    """How probable the class is in a box alone."""
    sure = box.get("probability")
    return "" if sure is None else f" ({percent(sure)} alone)"


def likeness(record: Mapping[str, Any]) -> str:
    """What a similarity is worth, for networks that were measured."""
    strangers, same = record.get("strangers"), record.get("same")
    if record.get("measure") not in ("similarity", "pair"):
        return ""
    if strangers is None:
        return " How often strangers are so alike was not measured for this network."
    if same is not None:
        alike = f"about {percent(strangers)} are so alike or more, of the same person about {percent(same)}"
        return f" Of pairs of different people {alike}."
    return f" Of strangers, about {percent(strangers)} are so alike or more to the nearest in a gallery of this size."


def place(x: float, y: float) -> str:
    """A place in a picture in words, from its share of the width and of the height.

    >>> place(0.5, 0.2), place(0.9, 0.5), place(0.5, 0.5)
    ('upper middle', 'right middle', 'centre')
    """
    column = ("left", "middle", "right")[min(int(x * 3), 2)]
    row = ("upper", "", "lower")[min(int(y * 3), 2)]
    if not row:
        return "centre" if column == "middle" else f"{column} middle"
    return f"{row} {column}"


def percent(share: float) -> str:
    """99.97 % is not 100 %: as many decimals as it takes to keep certainty apart from near certainty, at most four."""
    for decimals in (1, 2, 3, 4):
        text = f"{100 * share:.{decimals}f}"
        if share in (0.0, 1.0) or float(text) not in (0.0, 100.0):
            return f"{text} %"
    return "> 99.9999 %" if share > 0.5 else "< 0.0001 %"
