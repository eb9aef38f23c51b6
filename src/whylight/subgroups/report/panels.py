"""Where the model looks, as pictures on a page: mean maps of groups, where two differ, parts, covered regions, galleries."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import WhylightError
from whylight.evaluate.bootstrap import Interval
from whylight.images import decode
from whylight.render.colormap import SIGNED, colorize, table
from whylight.render.overlay import overlay
from whylight.shown import html as escape
from whylight.subgroups.attention import Difference, Figure
from whylight.subgroups.found import Attention, Pair
from whylight.subgroups.hiding import Hiding
from whylight.subgroups.looking.frame import SIDE
from whylight.subgroups.report.forest import SCROLL, small

LONGEST = 224  # pixels of a picture in a gallery
SHOWN = 6  # pictures of one kind


def attention(found: Attention, least: int) -> Iterator[str]:
    """All that is known of where the model looks.

    Args:
        least: groups of fewer pictures are not shown.
    """
    yield "<h2>Where the model looks</h2>"
    yield (
        '<p class="faint">Mean maps of the evidence, each picture counting the same. That a model looks elsewhere for a group is '
        "no proof that it is unfair to it: beside each difference stands what covering a region does to the gap in accuracy.</p>"
    )
    yield from _means(found, least)
    for pair in found.pairs:
        if min(found.sizes(pair)) >= least:
            yield from _pair(found, pair)
    yield from _figures("Shares of the evidence by part", found.parts, "of the evidence", least)
    yield from _figures("How faithful the maps are", found.faithful, "", least)
    yield from _discovered(found)
    yield from _middle(found)


def _means(found: Attention, least: int) -> Iterator[str]:
    shown = [one for one in found.means if one.n >= max(1, least)]
    if not shown:
        return
    most = max(float(np.nanmax(one.map)) for one in shown) or 1.0
    yield '<div class="panels">'
    for one in shown:
        picture = _source(colorize(np.nan_to_num(one.map / most)))
        yield f'<figure><img class="cells" src="{picture}" alt="mean map of {escape(one.group)}: {_hottest(one.map)}">'
        yield f"<figcaption>{escape(one.group)}<br><span class='faint'>n = {one.n:,}</span></figcaption></figure>"
    yield "</div>" + _scale(table(), "no evidence", "most")


def _pair(found: Attention, pair: Pair) -> Iterator[str]:
    yield f"<h3>{escape(pair.names[0])} against {escape(pair.names[1])}</h3>"
    told = pair.difference
    if told is None:
        yield f'<p class="faint">{escape(pair.why_not)}</p>'
        return
    yield from _differing(told, pair.names)
    for here, elsewhere in zip(pair.covered, [*pair.elsewhere, *[None] * len(pair.covered)], strict=False):
        yield f"<p>{_covered(here, elsewhere)}</p>"
    for name, rows in zip(pair.names, pair.telling, strict=True):
        yield from _gallery(found, rows, f"Pictures of {name} in which the difference shows most")


def _differing(told: Difference, names: tuple[str, str]) -> Iterator[str]:
    """Where two mean maps differ, and where beyond chance."""
    cells = float(told.significant.mean())
    most = float(np.abs(told.map).max()) or 1.0
    masked = np.where(told.significant, told.map, 0.0)
    much = f"{cells:.0%}" if cells >= 0.01 else "less than 1%"
    said = f"Maps differ beyond chance in {much} of the frame." if cells else "No cell differs beyond chance."
    yield f"<p>{said} {told.moved:.1%} of the evidence lies elsewhere, chance included."
    yield f'<span class="faint">{escape(told.how)}</span></p>'
    yield '<div class="panels">'
    for text, values in (("difference", told.map), ("where it is beyond chance", masked)):
        picture = _source(colorize(0.5 + 0.5 * values / most, SIGNED))
        yield f'<figure><img class="cells" src="{picture}" alt="{text} of the two mean maps">'
        yield f"<figcaption>{text}</figcaption></figure>"
    yield "</div>" + _scale(table(SIGNED), f"more for {names[1]}", f"more for {names[0]}")


def _covered(one: Hiding, other: Hiding | None) -> str:
    """What covering a region does to the gap, in a sentence."""
    text = (
        f"With {escape(one.region)} covered in everybody's picture the gap in accuracy goes from {100 * one.seen:+.1f} to "
        f"{100 * one.covered:+.1f} points (change {100 * one.change:+.1f}, {100 * one.low:+.1f} to {100 * one.high:+.1f}; "
        f"{one.pictures:,} pictures)"
    )
    if one.levels_down:
        text += "; it closes because the group served better loses, which says that the region is evidence, not that it does harm"
    elif one.closes:
        text += "; it closes"
    else:
        text += "; that it closes is not shown"
    if other is not None:
        text += (
            f". The same hole elsewhere: {100 * other.change:+.1f} ({100 * other.low:+.1f} to {100 * other.high:+.1f})"
        )
    return text + "."


def _figures(title: str, figures: Sequence[Figure], unit: str, least: int) -> Iterator[str]:
    known = [one for one in figures if one.mean is not None and one.mean.n >= least]
    if not known:
        return
    yield f"<h3>{title}</h3>{SCROLL}<table><thead><tr><th>what</th><th>group</th><th>mean {unit}</th><th>interval</th>"
    yield "<th>less all others'</th><th>corrected p</th><th>n</th></tr></thead><tbody>"
    for one in known:
        assert one.mean is not None
        low, high = one.mean.low, one.mean.high
        between = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
        rest = (
            ""
            if one.rest is None
            else f"{one.rest.difference:+.3f}"
            + ("" if one.rest.low is None else f"<small>{one.rest.low:+.3f} to {one.rest.high:+.3f}</small>")
        )
        p = "" if one.p is None else small(one.p)
        few = "" if one.enough else "<small>insufficient evidence</small>"
        yield f'<tr><th scope="row">{escape(one.what)}</th><td>{escape(one.group)}</td><td>{one.mean.mean:.3f}{few}</td>'
        yield f"<td>{between}</td><td>{rest}</td><td>{p}</td><td>{one.mean.n:,}</td></tr>"
    yield "</tbody></table></div>"


def _discovered(found: Attention) -> Iterator[str]:
    told = found.discovery
    if told is None:
        return
    yield "<h2>Groups nobody named</h2>"
    yield (
        f"<p>Clusters of pictures that the model errs on more than on others, found on {told.first:,} pictures and confirmed on "
        f"{told.second:,} that had no part in finding them; of all named, at most {told.level:.0%} are expected to be none.</p>"
    )
    if not told.found:
        yield f"<p>{escape(told.why_not) if told.why_not else 'None was confirmed.'}</p>"
    for number, one in enumerate(told.found, 1):
        traits = (
            "; ".join(
                escape(f"{trait.column} = {trait.value}: {trait.inside:.0%} of them, {trait.outside:.0%} of the others")
                for trait in one.traits
            )
            or "no column tells them apart"
        )
        yield f"<h3>Group {number}: {len(one.members):,} pictures</h3>"
        yield f"<p>{_wrong(one.inside)} wrong, elsewhere {_wrong(one.outside)} (corrected p {small(one.p)}). {traits}.</p>"
        yield from _gallery(found, found.known[one.examples], "Some of them")


def _wrong(one: Interval) -> str:
    ends = "" if one.low is None or one.high is None else f" ({one.low:.0f} to {one.high:.0f} %)"
    return f"{one.mean:.0f} %{ends} of {one.n:,}"


def _middle(found: Attention) -> Iterator[str]:
    told = found.middle
    if told is None or not told.inside.any():
        return
    yield "<h2>The uncertain middle</h2>"
    yield f"<p>{int(told.inside.sum()):,} pictures that the model cannot place: {escape(told.rule)}. "
    yield "That is a finding, not an error.</p>"
    yield from _figures("Who they are", told.who, "in the middle", 1)
    if told.maps is not None:
        yield "<h3>Where it looks in them</h3>"
        yield from _differing(told.maps, ("the uncertain middle", "all others"))
    yield from _gallery(found, found.answered[told.order[: 2 * SHOWN]], "The least certain")


def _gallery(found: Attention, rows: Sequence[int] | NDArray[np.int64], title: str) -> Iterator[str]:
    rows = [int(row) for row in rows][: 2 * SHOWN]
    if not rows:
        return
    yield f'<h3>{escape(title)}</h3><div class="panels">'
    for row in rows:
        path = found.looked.paths[row]
        source = _photo(path, found.looked.maps[row], found.looked.matrices[row], found.looked.aligned[row])
        if source is not None:
            yield f'<figure><img src="{source}" alt="{escape(path.name)}">'
            yield f"<figcaption>{escape(_told(found, row))}</figcaption></figure>"
    yield "</div>"


def _told(found: Attention, row: int) -> str:
    """What the model said of a picture, and what its label says."""
    classes = found.looked.classes

    def name(index: int) -> str:
        return classes[index] if 0 <= index < len(classes) else "nothing"

    said = f"said: {name(int(found.looked.predicted[row]))}"
    return said if found.truth is None else f"{said}; labelled: {name(int(found.truth[row]))}"


def _photo(path: Path, heat: NDArray[np.floating], matrix: NDArray[np.floating], aligned: str) -> str | None:
    """A small copy of a picture, or of the face in it, with its map; None where it cannot be read any more."""
    try:
        picture = decode(path).convert("RGB")
    except WhylightError:
        return None
    if aligned != "picture" and np.isfinite(matrix).all():
        # Pillow asks where a pixel of the result comes from, as the matrix says for a cell.
        cell = SIDE / LONGEST
        (a, b, c), (d, e, f) = matrix.tolist()
        where = (a * cell, b * cell, c, d * cell, e * cell, f)
        picture = picture.transform((LONGEST, LONGEST), Image.Transform.AFFINE, where, Image.Resampling.BICUBIC)
    picture.thumbnail((LONGEST, LONGEST))
    if np.isfinite(heat).all():
        picture = overlay(picture, np.clip(heat, 0.0, 1.0))
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=78)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _source(pixels: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _scale(colours: NDArray[np.uint8], low: str, high: str) -> str:
    return f'<p class="scale">{escape(low)} <img src="{_source(colours[None])}" alt=""> {escape(high)}</p>'


def _hottest(values: NDArray[np.floating]) -> str:
    """Where a map has most of its evidence, in words."""
    if not np.isfinite(values).all():
        return "no evidence"
    y, x = np.unravel_index(int(values.argmax()), values.shape)
    down, across = (min(2, int(3 * at / side)) for at, side in zip((y, x), values.shape, strict=True))
    return f"most in the {('upper', 'middle', 'lower')[down]} {('left', 'centre', 'right')[across]}"
