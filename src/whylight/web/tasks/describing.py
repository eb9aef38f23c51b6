"""An explanation in words, for who reads rather than looks: the class, the certainty, and where the evidence lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.web.tasks.results import Result
from whylight.work.words import certainty, place

_NAMED = 3  # parts of the picture that are named
_LITTLE = 0.08  # share of the evidence from which on a part of the picture is


def facts(result: Result, number: int) -> list[str]:
    """What a map shows, a short sentence each."""
    record = result.records[number]
    sure = certainty(record)
    said = [
        f"Class: {record['label']}."
        if record["target"] is not None
        else f"What tells the two apart: {record['label']}.",
        f"Probability: {sure}." if record["probability"] is not None else f"Its {sure}.",
    ]
    if record["blank"]:
        return [*said, "The map is the same everywhere." if record.get("flat") == "constant" else "The map is empty."]
    x, y = record["peak_x"], record["peak_y"]
    if record.get("diffuse"):
        said.append("The map is strong nearly all over: it points at no place in particular.")
    else:
        where = place(x / record["width"], y / record["height"])
        said.append(
            f"The strongest evidence is at x={x:.0f}, y={y:.0f} of {record['width']} × {record['height']} pixels: {where}."
        )
    parts = "; ".join(
        f"{100 * share:.0f} % {name}" for name, share in shares(result, number)[:_NAMED] if share >= _LITTLE
    )
    if parts:
        said.append(f"Of all the evidence, by parts of the picture: {parts}.")
    wide = _wide(result, number)
    said.append(f"Places with at least half of the strongest evidence cover {100 * wide:.0f} % of what the model saw.")
    if boxes := record.get("boxes"):
        told = "; ".join(f"x {one['x0']}…{one['x1']}, y {one['y0']}…{one['y1']}" for one in boxes[:5])
        said.append(f"Boxes around the evidence: {told}{'; and more' if len(boxes) > 5 else ''}.")
    return said


def shares(result: Result, number: int) -> list[tuple[str, float]]:
    """The nine parts of the picture, each with its share of the positive evidence, the largest first."""
    record = result.records[number]
    above = _above(result, number)  # (h, w)
    whole = float(above.sum())
    if whole <= 0:
        return []
    (x0, y0, x1, y1), span, _ = result.region_of(number)
    top, left, bottom, right = span or (0.0, 0.0, 1.0, 1.0)
    height, width = above.shape
    across = (x0 + (left + (np.arange(width) + 0.5) * (right - left) / width) * (x1 - x0)) / record["width"]
    down = (y0 + (top + (np.arange(height) + 0.5) * (bottom - top) / height) * (y1 - y0)) / record["height"]
    columns, rows = (np.clip((3 * line).astype(int), 0, 2) for line in (across, down))
    found = [
        (place((column + 0.5) / 3, (row + 0.5) / 3), float(above[np.ix_(rows == row, columns == column)].sum()) / whole)
        for row in range(3)
        for column in range(3)
    ]
    return sorted(found, key=lambda one: -one[1])


def reach(result: Result, number: int) -> float:
    """How far the map rises above the value that means no evidence, in its own units: what a shared scale is made of."""
    return max(0.0, float(_above(result, number).max()))


def receipt(told: dict[str, Any]) -> tuple[str, str]:
    """The verdict on a map in a few words, and whether that is `good`, `bad` or neither."""
    if told["holds"] is None or told["percentile"] is None:
        return "There is nothing to check.", ""
    if told["holds"]:
        held = "The map holds: its hottest part matters, and it is this model's own."
        return held if told["survives"] else "The map holds, as far as it was checked.", "good"
    if told["percentile"] < 95:
        return "The map does not hold: removing other parts costs the model as much.", "bad"
    return "Take the map with care: a model that has learned nothing gives nearly the same.", "bad"


def _above(result: Result, number: int) -> NDArray[np.float32]:
    with np.load(result.folder / result.records[number]["map"]) as archive:
        above: NDArray[np.float32] = np.clip(archive["map"] - float(archive["level"]), 0, None)
    return above


def _wide(result: Result, number: int) -> float:
    above = _above(result, number)
    return float((above >= 0.5 * above.max()).mean())
