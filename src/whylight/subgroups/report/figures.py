"""An audit's drawings as files of their own, for a paper or a slide: accuracy by group as SVG, maps as PNG."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from whylight.jobs.names import safe
from whylight.render.colormap import SIGNED, colorize
from whylight.render.page import FAINT, INK, printable
from whylight.subgroups.found import Attention
from whylight.subgroups.report.forest import MOST, name
from whylight.subgroups.telling.rows import INSUFFICIENT
from whylight.subgroups.telling.told import Told

_COLOURS = {"worse": "#b3261e", "better": "#1b7f4b"}
_CELL = 8  # pixels of a picture for each cell of a map


def figures(audit: Told, least: int) -> dict[str, bytes]:
    """Each file's name and content.

    Args:
        audit: what was found.
        least: maps of fewer pictures are not drawn.
    """
    found: dict[str, bytes] = {}
    everyone = audit.groups[0] if audit.groups and not audit.groups[0]["group"] else None
    for which in audit.parts:
        columns = audit.name(which)
        rows = [row for row in audit.groups if set(row["group"]) == set(columns) and row["interval"] is not None]
        if columns and rows and everyone is not None:
            found[_free(found, f"accuracy {' x '.join(columns)}", "svg")] = _forest(
                rows, everyone, audit.settings.level
            )
    if isinstance(audit.attention, Attention):
        for title, picture in maps(audit.attention, least):
            found[_free(found, title, "png")] = picture
    return found


def _free(taken: dict[str, bytes], title: str, suffix: str) -> str:
    """A file name that is not taken: two titles may differ in signs that no file name has."""
    stem, number = safe(title), 1
    while (file := f"{stem}{'' if number == 1 else f'-{number}'}.{suffix}") in taken:
        number += 1
    return file


def _forest(rows: Sequence[dict[str, Any]], everyone: dict[str, Any], level: float) -> bytes:
    whole = everyone["accuracy"]
    rows = sorted(rows, key=lambda row: -abs(row["accuracy"] - whole))[:MOST] if len(rows) > MOST else rows
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "whylight", "font.size": 9, "text.parse_math": False}):
        figure = Figure(figsize=(6.4, 0.9 + 0.3 * len(rows)), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.axvline(100 * whole, color=FAINT, lw=1, ls="--")
        for place, row in enumerate(rows):
            low, high = row["interval"]
            verdict = row.get("verdict", "")
            colour = _COLOURS.get(verdict, FAINT if verdict == INSUFFICIENT else INK)
            axes.plot([100 * low, 100 * high], [place, place], color=colour, lw=1.4, marker="|", ms=6)
            axes.plot(100 * row["accuracy"], place, color=colour, marker="s", ms=4)
        axes.set_yticks(range(len(rows)), [printable(f"{name(row['group'])} (n = {row['n']:,})") for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel(f"accuracy in %, with {100 * level:g} % intervals; dashed: everybody", color=INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", alpha=0.25, lw=0.6)
        with io.BytesIO() as file:
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": "whylight"})
            return file.getvalue()


def maps(found: Attention, least: int) -> Iterator[tuple[str, bytes]]:
    """Mean maps on one scale, and where two groups' differ: what each is, and it as a PNG file.

    Args:
        found: what is known of where the model looks.
        least: groups of fewer pictures are not drawn.
    """
    shown = [one for one in found.means if one.n >= max(1, least)]
    most = max((float(np.nanmax(one.map)) for one in shown), default=0.0) or 1.0
    for one in shown:
        yield f"mean map {one.group}", _png(colorize(np.nan_to_num(one.map / most)))
    for pair in found.pairs:
        if pair.difference is not None and min(found.sizes(pair)) >= least:
            values = pair.difference.map
            largest = float(np.abs(values).max()) or 1.0
            yield (
                f"difference {pair.names[0]} less {pair.names[1]}",
                _png(colorize(0.5 + 0.5 * values / largest, SIGNED)),
            )


def _png(cells: Any) -> bytes:
    picture = Image.fromarray(np.asarray(cells, np.uint8))
    with io.BytesIO() as file:
        picture.resize((picture.width * _CELL, picture.height * _CELL), Image.Resampling.NEAREST).save(file, "PNG")
        return file.getvalue()
