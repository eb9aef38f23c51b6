"""Explanations side by side: methods, classes, models and pictures in one picture with one legend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from whylight import render
from whylight.errors import WhylightError
from whylight.explanation.arranging import AXES, Arrangement, Axis, One, Place, arrange
from whylight.explanation.explanation import Explanation
from whylight.explanation.heat import NOTHING
from whylight.explanation.scales import Scaling, Shown, scales
from whylight.explanation.viewing import over
from whylight.render.grid import Row, Tile
from whylight.render.grid import grid as drawn
from whylight.shown import plural, shown

MOST = 400  # maps in one picture

Several = Explanation | Iterable[Any]  # explanations, or lists of them


def grid(
    explanations: Several | Mapping[str, Several],
    *,
    columns: Axis | None = None,
    scale: Scaling = "shared",
    tile: int = 200,
    alpha: float = 0.5,
    colormap: str = render.DEFAULT,
    note: str = "",
) -> Image.Image:
    """Draw explanations side by side: what differs among them (picture, model, class, method) on labelled rows and columns.

    The picture itself comes first in each row, and under each map stands how sure the model is.

    Args:
        explanations: one, a list, lists of lists; or a dict of these whose keys name the models.
        columns: what lies on columns: `"method"`, `"target"`, `"model"` or `"picture"`; default: the first of these that varies.
        scale: `"shared"`: maps of the same method, model and units are on one scale, from nothing to the most that one of them
            has; others on scales of their own; the legend tells which. `"each"`: every map on its own. A number: all from
            nothing to that raw value.
        tile: longer side of each small picture, in pixels.
        alpha: as for `Explanation.overlay`.
        colormap: as for `Explanation.overlay`.
        note: a sentence more below the legend.

    Returns:
        An RGB picture.

    Raises:
        WhylightError: if there is nothing to draw or more than fits, or an argument cannot be used.

    >>> import numpy, torch, whylight
    >>> cnn = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 8, 3, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    ...     torch.nn.Linear(8, 2))
    >>> model = whylight.wrap(cnn, classes=["cat", "dog"], size=64)
    >>> picture = numpy.zeros((48, 60, 3), numpy.uint8)
    >>> exs = whylight.explain(model, picture, methods=["gradcam", "layercam"], targets=["cat", "dog"])
    >>> whylight.grid(exs).mode
    'RGB'
    """
    parts = grid_parts(explanations, columns=columns, scale=scale, tile=tile, alpha=alpha, colormap=colormap, note=note)
    return drawn(**parts)


def grid_parts(
    explanations: Several | Mapping[str, Several],
    *,
    columns: Axis | None = None,
    scale: Scaling = "shared",
    tile: int = 200,
    alpha: float = 0.5,
    colormap: str = render.DEFAULT,
    note: str = "",
) -> dict[str, Any]:
    """What a grid shows: the arguments of `render.grid.grid`, from those of `grid`."""
    found = named(explanations)
    if not found:
        raise WhylightError("grid: there are no explanations to draw")
    if len(found) > MOST:
        raise WhylightError(f"grid: {plural(len(found), 'map')} do not fit into one picture; give at most {MOST}")
    if not isinstance(tile, int) or not 32 <= tile <= 2000:
        raise WhylightError(f"tile: expected a side from 32 to 2000 pixels, got {tile!r}")
    if isinstance(scale, str) and scale not in ("shared", "each"):
        raise WhylightError(f"scale: expected 'shared', 'each' or a number, got {scale!r}")
    plan = arrange(found, tile, columns)
    ones = list(plan.cells.values())
    laid = [over(one.explanation, one.small) for one in ones]
    methods = [plan.words["method"][one.place[AXES.index("method")]] for one in ones]
    shows, legend = scales(laid, methods, scale)
    tiles = {one.place: _tile(plan, ex, show, alpha, colormap) for one, ex, show in zip(ones, laid, shows, strict=True)}
    heads = [one if plan.varies(plan.columns) else "map" for one in plan.words[plan.columns]]
    rows = _rows(plan, tiles)
    on_columns = plan.columns == "picture"
    constants = [plan.words_of(axis, 0) for axis in ("target", "method", "model", "picture") if not plan.varies(axis)]
    if not (plan.named or plan.varies("target")):
        constants = constants[1:]  # it is another class in each, told under it
    return {
        "rows": [_pictures(plan), *rows] if on_columns else rows,
        "columns": heads if on_columns else ["picture", *heads],
        "title": constants[0] if constants else "",
        "subtitle": " · ".join(constants[1:]),
        "legend": replace(legend, notes=[*legend.notes, *([shown(note)] if note else [])]),
        "colormap": render.SIGNED if all(ex.scale == "signed" for ex in laid) else colormap,
        "repeated": 0 if on_columns else 1,
    }


def named(explanations: Several | Mapping[str, Several]) -> list[Explanation]:
    """Explanations in a flat list, those of a dict with the names of their models.

    Raises:
        WhylightError: if there is something else among them.
    """
    if isinstance(explanations, Mapping):
        return [replace(ex, model=str(name)) for name, some in explanations.items() for ex in named(some)]
    if isinstance(explanations, Explanation):
        return [explanations]
    if isinstance(explanations, str) or not isinstance(explanations, Iterable):
        raise WhylightError(
            f"expected explanations, as whylight.explain returns them, got {type(explanations).__name__}"
        )
    return [ex for one in explanations for ex in named(one)]


def _tile(plan: Arrangement, explanation: Explanation, show: Shown, alpha: float, colormap: str) -> Tile:
    # Where it is one class for all, or one for each row or column, it is written there.
    label = "" if plan.named else shown(explanation.label)
    words = ", ".join(filter(None, (label, explanation.certainty)))
    pixels = np.asarray(explanation.overlay(alpha=alpha, colormap=colormap, scale=show.scale))
    return Tile(pixels, f"{words}\n{show.told}" if show.told else words, NOTHING[explanation.flat])


def _rows(plan: Arrangement, tiles: Mapping[Place, Tile]) -> list[Row]:
    rows, before = [], ""
    for place in plan.row_places():
        cells = [plan.at(place, column) for column in range(len(plan.words[plan.columns]))]
        words = [plan.words[axis][one] for axis, one in zip(plan.rows, place, strict=True)]
        heading = " · ".join(plan.words_of(axis, one) for axis, one in zip(plan.rows[:-1], place[:-1], strict=True))
        shows = [tiles[cell.place] if cell is not None else None for cell in cells]
        if plan.columns != "picture":
            shows = [_plain(next(cell for cell in cells if cell is not None)), *shows]
        rows.append(Row(shows, words[-1] if words else "", heading if heading != before else ""))
        before = heading
    return rows


def _pictures(plan: Arrangement) -> Row:
    """Where pictures lie on columns, the row of the pictures themselves."""
    firsts: dict[int, One] = {}
    for one in plan.cells.values():
        firsts.setdefault(one.place[0], one)
    return Row([_plain(firsts[column]) for column in range(len(plan.words["picture"]))])


def _plain(one: One) -> Tile:
    return Tile(np.asarray(one.small))
