"""What a row of a map store holds, and how explanations become rows and rows explanations again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from whylight.cells import Span
from whylight.errors import WhylightError
from whylight.explanation import Explanation
from whylight.images import read
from whylight.images.preprocess import Region
from whylight.jsontext import dumps
from whylight.mapstore.arrow import arrow
from whylight.shown import shown

VERSION = 1  # of the columns
OK, FAILED = "ok", "failed"
_BOX = ("x0", "y0", "x1", "y1", "score")

Row = dict[str, Any]


def schema(run: str) -> Any:
    """The columns, with the run's fingerprint as the file's metadata.

    `map` is (map_height, map_width) float16 in little-endian bytes, row by row, in units of `map_unit`: 16 bits reach neither
    far down nor far up, and maps have any size. Of a row that failed all but the first columns are null.
    """
    pa = arrow()
    text, number, whole = pa.string(), pa.float32(), pa.int32()
    columns = [
        ("row", pa.int64()),  # the picture's place in the plan
        ("picture", text),
        ("status", text),
        ("error", text),
        ("method", text),
        ("asked", text),  # the target as it was typed; null: the most probable class
        ("target", whole),
        ("label", text),
        ("score", number),
        ("probability", number),
        ("width", whole),  # of the picture, in its own pixels, as are peak and boxes
        ("height", whole),
        ("peak_x", number),
        ("peak_y", number),
        ("boxes", pa.list_(pa.struct([(name, number) for name in _BOX]))),
        ("flat", text),  # "blank" or "constant": the map says nothing about places
        ("map_height", whole),
        ("map_width", whole),
        ("map_unit", number),
        ("map", pa.binary()),
        ("level", number),
        ("region", pa.list_(number)),  # x0, y0, x1, y1: what the network saw, in pixels of the picture as it was read
        ("span", pa.list_(number)),  # top, left, bottom, right: over which share of that the map's cells are spread
        ("units", text),
        ("scale", text),
        ("model", text),
        ("details", text),  # JSON
    ]
    return pa.schema(columns, metadata={"whylight.schema": str(VERSION), "whylight.run": run})


def row_of(place: int, picture: str, explanation: Explanation, asked: str | None, boxes: bool) -> Row:
    """An explanation as a row."""
    raw = explanation.map.numpy().astype(np.float32)
    most = float(np.abs(raw).max()) or 1.0
    peak = explanation.peak
    return {
        "row": place,
        "picture": picture,
        "status": OK,
        "method": explanation.method,
        "asked": asked,
        "target": explanation.target,
        "label": explanation.label,
        "score": explanation.score,
        "probability": explanation.probability,
        "width": explanation.size[0],
        "height": explanation.size[1],
        "peak_x": None if peak is None else peak[0],
        "peak_y": None if peak is None else peak[1],
        "boxes": [{name: getattr(box, name) for name in _BOX} for box in explanation.boxes()] if boxes else None,
        "flat": explanation.flat,
        "map_height": raw.shape[0],
        "map_width": raw.shape[1],
        "map_unit": most,
        "map": (raw / np.float32(most)).astype("<f2").tobytes(),
        "level": explanation.level,
        "region": list(explanation.region),
        "span": list(explanation.span),
        "units": explanation.units,
        "scale": str(explanation.scale),
        "model": explanation.model,
        "details": dumps(dict(sorted(explanation.details.items())), compact=True),
    }


def failed_row(place: int, picture: str, error: str) -> Row:
    """A picture that could not be explained, as a row."""
    return {"row": place, "picture": picture, "status": FAILED, "error": error}


def table_of(rows: Sequence[Row], run: str) -> Any:
    """Rows as a table of Arrow."""
    found = schema(run)
    return arrow().Table.from_pylist(list(rows), schema=found)


def map_of(row: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The raw map of a row: (h, w) float32, in the method's units."""
    cells = np.frombuffer(row["map"], "<f2").astype(np.float32) * np.float32(row["map_unit"])
    return cells.reshape(row["map_height"], row["map_width"])


def explanation_of(row: Mapping[str, Any]) -> Explanation:
    """The explanation of a row; its picture is read again.

    Raises:
        WhylightError: if the picture cannot be read any more, or is another.
    """
    picture, size, times = read(row["picture"])
    if size != (row["width"], row["height"]):
        was = f"{row['width']} × {row['height']}"
        raise WhylightError(
            f"{shown(row['picture'])}: is {size[0]} × {size[1]} pixels now, and was {was} when it was explained"
        )
    return explained(row, picture, size if times > 1 else None)


def explained(row: Mapping[str, Any], picture: Image.Image, original: tuple[int, int] | None) -> Explanation:
    """The explanation of a row about a picture that is open."""
    scale = row["scale"]
    return Explanation(
        map=torch.from_numpy(map_of(row)),
        score=row["score"],
        probability=row["probability"],
        target=row["target"],
        label=row["label"],
        method=row["method"],
        units=row["units"],
        picture=picture,
        region=Region(*row["region"]),
        source=row["picture"],
        details=json.loads(row["details"]),
        level=row["level"],
        scale=scale if scale in ("max", "robust", "minmax", "signed") else float(scale),
        span=Span(*row["span"]),
        model=row["model"],
        original=original,
    )
