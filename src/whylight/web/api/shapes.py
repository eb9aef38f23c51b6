"""Shapes of what the API answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import BeforeValidator, Field


def _flag(value: object) -> object:
    if value in (True, "true"):
        return True
    if value in (False, "false"):
        return False
    raise ValueError("expected true or false")


Flag = Annotated[bool, BeforeValidator(_flag)]  # `true` or `false`, and nothing else that might be meant


class Error(Schema):
    """What is wrong and what to do, in a sentence."""

    error: str


class Method(Schema):
    """A method as a model takes it; `why_not` says what keeps the model from it, null: nothing does."""

    name: str
    does: str
    reads: str
    cost: str
    units: str
    source: str
    slow: bool
    of_target: bool
    why_not: str | None


class Model(Schema):
    """A model on offer: `default` is the method where none is named, `input` the (height, width) that pictures are brought to."""

    name: str
    network: str
    parameters: int
    input: tuple[int, int]
    classes: list[str]
    multilabel: bool
    default: str
    methods: dict[str, Method]


class Box(Schema):
    """Pixels of the picture, half-open: x0 ≤ x < x1. `score` ranks the boxes of one map, `probability` says how sure it is."""

    x0: int
    y0: int
    x1: int
    y1: int
    score: float
    probability: float | None = None


class Explanation(Schema):
    """One explanation. `map` is (h, w), raw, in `units`, as Python has it bit for bit; `region` are the pixels (x0, y0, x1, y1)
    that the network saw, `span` over which part of them the cells lie (top, left, bottom, right; null: all), `level` the value
    that means no evidence, `peak` the centre of the highest cell. All pixels are those of the picture as it is kept: upright, its
    sides `reduced` times smaller than they were sent, which is 1 but for very large JPEGs."""

    label: str
    probability: float | None
    score: float | None
    target: int | None
    method: str
    model: str
    units: str
    map: list[list[float]]
    width: int
    height: int
    reduced: int
    blank: bool
    flat: str
    diffuse: bool
    peak: tuple[float, float] | None
    region: tuple[float, float, float, float]
    span: tuple[float, float, float, float] | None
    level: float
    boxes: list[Box]
    details: dict[str, Any]
    sentence: str
    verified: dict[str, Any] | None


class Explained(Explanation):
    """The answer to a question: the first target's explanation, and in `answers` those of all. `picture` is the picture's id where
    it was kept, else null."""

    job: str | None
    picture: str | None
    answers: list[Explanation]


class Look(Schema):
    """One look of a search: what it found, and the class's probability before and after that is erased."""

    boxes: list[Box]
    probability_before: float | None
    probability_after: float | None


class Located(Schema):
    """Boxes around the objects of a class, why the search ended, and each look of it."""

    label: str
    target: int
    method: str
    model: str
    threshold: float
    probability: float | None
    width: int
    height: int
    reduced: int
    boxes: list[Box]
    steps: list[Look]
    stopped: str
    sentence: str
    job: str | None
    picture: str | None


class Faces(Schema):
    """What is said of each face, as `whylight face` writes it, or why there is none."""

    results: list[dict[str, Any]]
    width: int
    height: int
    reduced: int
    sentence: str
    job: str | None
    picture: str | None


class Picture(Schema):
    """A picture that is kept: its size, when it is deleted, and what was asked about it."""

    id: str
    width: int
    height: int
    reduced: int
    expires: datetime
    jobs: list[str]


State = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(Schema):
    """A question and what has become of it: `done` of `total` forwards of a slow method, `ahead` questions before it, `served`:
    whether a worker is there to answer. `result` is where the answer is, once it is done."""

    id: str
    kind: str
    question: dict[str, Any]
    picture: str
    state: State
    reason: str
    done: int
    total: int
    ahead: int
    served: bool
    created: datetime
    ended: datetime | None
    result: str | None
    shared: str | None


class Key(Schema):
    """A key for programs; `start` are its first characters, by which you know it."""

    id: int
    name: str
    start: str
    created: datetime


class NewKey(Key):
    """The key itself is told once, and not kept."""

    key: str


class Name(Schema):
    """What a key is called."""

    name: str = Field(min_length=1, max_length=60, json_schema_extra={"pattern": r"^[ -~]*[!-~][ -~]*$"})


class Shared(Schema):
    """Where anybody sees a result, and how long."""

    url: str
    until: datetime


ANY = (400, 401)  # what every call can be answered
THEIRS = (*ANY, 404)  # where one thing is named
CHANGE = (*ANY, 403)  # where something is changed
ASK = (*CHANGE, 404, 409, 413, 415, 422, 429, 503)


def answers(
    good: Any, *, status: int = 200, more: dict[int, Any] | None = None, bad: tuple[int, ...] = ANY
) -> dict[int, Any]:
    """Every answer that a call can have, for its description."""
    return {status: good, **(more or {}), **dict.fromkeys(sorted(bad), Error)}


def file(*kinds: str) -> dict[str, Any]:
    """What the description of a call says that is answered by a file of one of these kinds."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {"responses": {200: {"content": content}}}
