"""What a page shows of faces: where each is, whose, which features say so, and what the figures mean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whylight.web.tasks.results import Result
from whylight.web.tasks.showing import stage
from whylight.work.words import likeness, percent

_ALIKE = ("similarity", "pair")  # measures that are no probability
_WHAT_TO_TRY = {
    1: "Send another picture.",
    3: "Faces are found best when they look at the camera, upright, and larger than about 40 pixels. Turn the picture, or cut it "
    "closer to the face.",
    4: "Try again; if it stays so, tell whoever runs this site.",
    6: "A face was found, but the evidence lies on no feature of it, so that no feature can be named.",
}
_SOURCES = {"haar": "found", "landmarks": "found", "geometry": "placed by the proportions of a face"}


@dataclass(frozen=True)
class Feature:
    """A part of the face.

    Attributes:
        name: in words.
        score: mean evidence on it, 0 … 100 of the strongest.
        share: of all evidence, in words.
        lift: how many times as dense as over the whole crop.
        counts: whether it is among those that are named.
        source: how its place is known.
    """

    name: str
    score: int
    share: str
    lift: str
    counts: bool
    source: str


@dataclass(frozen=True)
class Face:
    """One face.

    Attributes:
        number: from 1.
        title: who or what it is taken for; "" where nothing was found.
        sure: how alike, where that is measured.
        sentence: in words; meaning: what a likeness is worth.
        problem, advice: what is wrong, and what to try.
        x, y, width, height: of its box, in units of the page's stage.
        top: the nearest people, with their likeness.
        features: of all parts.
        off_face: share of the evidence on hair and background, in words.
        files: what was drawn, by kind.
    """

    number: int
    title: str
    sure: str
    sentence: str
    meaning: str
    problem: str
    advice: str
    box: tuple[float, float, float, float] | None
    top: list[tuple[str, str]]
    features: list[Feature]
    off_face: str
    files: dict[str, str]


def faces(result: Result) -> list[Face]:
    """All faces of a result; where none was found, one entry that says so."""
    return [_face(one, result) for one in result.first["results"]]


def _face(one: dict[str, Any], result: Result) -> Face:
    found, named = one["face"], result.task.picture
    box = None
    if found is not None:
        room = stage(named.width, named.height)
        times = room.width / named.width
        x0, y0, x1, y1 = (side * times for side in found["box"])
        box = (x0, y0, x1 - x0, y1 - y0)
    counted = set(one["significant"])
    features = [
        Feature(
            part["name"].replace("_", " "),
            round(100 * part["score"]),
            percent(part["share"]),
            f"{part['lift']:.1f}",
            part["name"] in counted,
            _SOURCES.get(part["source"], part["source"]),
        )
        for part in sorted(one["features"], key=lambda part: -part["score"])
    ]
    top = one["top"] if one["measure"] in _ALIKE else []
    return Face(
        one["number"] + 1,
        _title(one),
        _sure(one),
        one["sentence"],
        likeness(one).strip(),
        one["message"] if one["code"] else "",
        _WHAT_TO_TRY.get(one["code"], ""),
        box,
        [(person["name"], f"{person['score']:.3g}") for person in top],
        features,
        percent(one["off_face"]) if features else "",
        {kind: Path(file).name for kind, file in one["files"].items()},
    )


def _title(one: dict[str, Any]) -> str:
    if one["face"] is None:
        return ""
    if one["known"] is False and one["measure"] in _ALIKE:
        return "Nobody known"
    return str(one["name"] or "A face")


def _sure(one: dict[str, Any]) -> str:
    score = one["score"]
    if not isinstance(score, float) or one["measure"] not in _ALIKE:  # a probability stands in the sentence
        return ""
    limit = "" if one["limit"] is None else f"; from {one['limit']:.3g} on it counts as the same person"
    return f"likeness {score:.3g} of 1{limit}"
