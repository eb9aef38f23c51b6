"""What a model file says about its model, as types: whatever is read is held against them before anything is made of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Required

from typing_extensions import TypedDict

from whylight.schema import Schema, Text, Within

Side = Annotated[int, Within(1, 1 << 14)]


class _Prepared(TypedDict, total=False):
    """`Preprocess`, as a file tells it."""

    __pydantic_config__ = {"extra": "forbid"}  # type: ignore[misc]  # noqa: RUF012

    size: Required[tuple[Side, Side]]
    mode: Literal["squash", "crop"]
    crop_pct: float
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class _Fields(TypedDict, total=False):
    """A model's spec, as a file tells it: see `ModelSpec`."""

    format: Required[int]
    arch: Required[Text]
    classes: Required[list[Text]]
    preprocess: Required[_Prepared]
    output_stride: Required[Annotated[int, Within(1, 64)] | None]
    options: Required[dict[Text, Any]]
    training: Required[dict[Text, Any]]
    boxes: dict[Text, Any] | None
    localization: dict[Text, Any] | None


WRITTEN = Schema(_Fields)
