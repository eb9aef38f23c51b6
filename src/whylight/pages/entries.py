"""What a page of results shows: pictures, and what was found out about each, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Box = tuple[float, float, float, float]
Fact = tuple[str, str]


@dataclass(frozen=True)
class Question:
    """What was asked about pictures; a page shows the answers to one at a time.

    Attributes:
        name: in the list to choose from.
        facts: name and value of what is true of all its answers.
    """

    name: str
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class View:
    """An answer about a picture.

    Attributes:
        question: its place among the page's questions.
        label: what was found, the class that answers are filtered by.
        value: what answers are sorted by, most often a probability; None where there is none.
        told: the same in words.
        sentence: all of it in words.
        file: of the result, relative to the page.
        layer: name of the thumbnail that is laid over the picture.
        kind: of the layer. `heat`: colours that are transparent where there is no evidence. `drawn`: the picture with the evidence
            on it. `whole`: something else, shown in the picture's place.
        boxes: (x0, y0, x1, y1) each, as shares of the picture's width and height.
        nothing: why there is nothing to be seen over the picture; "" where there is something.
        right: whether the model's answer is the folder's label; None where that cannot be told.
        receipt: what a verification found, in words; "" where there was none.
        holds: whether it speaks for the map.
        facts: name and value of what else is known.
    """

    question: int
    label: str
    value: float | None
    told: str
    sentence: str
    file: str
    layer: str | None = None
    kind: Literal["heat", "drawn", "whole"] = "heat"
    boxes: tuple[Box, ...] = ()
    nothing: str = ""
    right: bool | None = None
    receipt: str = ""
    holds: bool | None = None
    facts: tuple[Fact, ...] = ()


@dataclass
class Entry:
    """A picture with all that was found out about it.

    Attributes:
        name: as it is told and searched for.
        size: (width, height), of which only the ratio counts.
        picture: name of its thumbnail.
        truth: the class that its folder is named after.
        error: why there is no answer, or not all; "" where nothing failed.
        views: the answers.
    """

    name: str
    size: tuple[int, int] = (1, 1)
    picture: str | None = None
    truth: str | None = None
    error: str = ""
    views: list[View] = field(default_factory=list)


@dataclass(frozen=True)
class Gallery:
    """All that a page shows.

    Attributes:
        title: of the page.
        about: a line below it.
        questions: what was asked.
        entries: the pictures, by name.
        strength: how much the strongest evidence covers at first, 0 … 1.
        ranked: what values are, as sorting by them is called.
        overlay: what the switch takes away.
    """

    title: str
    about: str
    questions: tuple[Question, ...]
    entries: list[Entry]
    strength: float = 1.0
    ranked: str = "probability"
    overlay: str = "Overlay"
