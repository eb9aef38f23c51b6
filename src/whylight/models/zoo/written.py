"""What a model file says about its model, as types: whatever is read is held against them before anything is made of it."""

from __future__ import annotations

from typing import Annotated, Any, Required

from typing_extensions import TypedDict

from whylight.models.prepared import Prepared
from whylight.schema import Schema, Text, Within


class _Fields(TypedDict, total=False):
    """A model's spec, as a file tells it: see `ModelSpec`."""

    format: Required[int]
    arch: Required[Text]
    classes: Required[list[Text]]
    preprocess: Required[Prepared]
    output_stride: Required[Annotated[int, Within(1, 64)] | None]
    options: Required[dict[Text, Any]]
    training: Required[dict[Text, Any]]
    boxes: dict[Text, Any] | None
    localization: dict[Text, Any] | None


WRITTEN = Schema(_Fields)
