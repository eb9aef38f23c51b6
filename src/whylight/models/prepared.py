"""How a file tells the way in which pictures are prepared, as types; and which files are graphs. Needs no PyTorch."""

from __future__ import annotations

from typing import Annotated, Literal, Required

from typing_extensions import TypedDict

from whylight.schema import Within

GRAPHS = (".onnx", ".xml")  # how files are called that are a graph of another runtime
Side = Annotated[int, Within(1, 1 << 14)]


class Prepared(TypedDict, total=False):
    """`Preprocess`, as a file tells it."""

    __pydantic_config__ = {"extra": "forbid"}  # type: ignore[misc]  # noqa: RUF012

    size: Required[tuple[Side, Side]]
    mode: Literal["squash", "crop"]
    crop_pct: float
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
