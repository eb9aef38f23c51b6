"""Shapes of what the API answers."""

from __future__ import annotations

from ninja import Schema


class Method(Schema):
    """A method as a model takes it."""

    name: str
    does: str
    cost: str
    slow: bool
    why_not: str | None


class Model(Schema):
    """A model on offer."""

    name: str
    network: str
    classes: list[str]
    input: tuple[int, int]
    default: str
    methods: dict[str, Method]


class Error(Schema):
    """What is wrong, in a sentence."""

    error: str
