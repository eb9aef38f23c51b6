"""Pictures for the localisation report: a few hits, near misses and misses, chosen by a rule that leaves no choice to anyone."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.boxes.box import largest_boxes
from whylight.evaluate.boxes import IOUS, SCALE, THRESHOLDS
from whylight.evaluate.data import Labelled
from whylight.evaluate.figures import Example, Examples, Figures
from whylight.evaluate.findings.boxes import Boxes
from whylight.evaluate.labels import Labels
from whylight.evaluate.localization import Setup, key_of
from whylight.evaluate.maps import grid_of
from whylight.explanation import Explanation
from whylight.jobs.store import Store
from whylight.models.base import Classifier
from whylight.pipeline.ahead import OnError
from whylight.pipeline.explain import explain_placed
from whylight.render.boxes import draw_boxes
from whylight.render.fit import fit
from whylight.render.thumbnail import thumbnail

Kind = Literal["hit", "near miss", "miss"]
GOAL, NEAR = IOUS[1], IOUS[0]
EACH, SIDE = 3, 400  # pictures of a kind; pixels of a picture's longer side
FOUND, DRAWN = "#F0E442", "#56B4E9"
MEASURE = "MaxBoxAcc (IoU 0.5)"


class Chosen(NamedTuple):
    """One picture to show."""

    one: Labelled
    kind: Kind
    overlap: float


def examples(
    model: Classifier,
    pictures: Sequence[Labelled],
    setup: Setup,
    store: Store,
    result: Figures,
    *,
    on_error: OnError | None = None,
) -> Examples | None:
    """Explain a few pictures once more, by the method with the best MaxBoxAcc at its best threshold, and draw both boxes.

    Args:
        model, pictures, setup, store: as for `localization`, whose work is done.
        result: what it found.
        on_error: is told of a picture that cannot be read any more; the rest is shown.

    Returns:
        None where nothing has boxes, or maps of the pictures' own classes were not asked for.
    """
    cells = [cell for name in setup.methods if (cell := result.cell(name, MEASURE)) is not None]
    if not cells:
        return None
    method = max(cells, key=lambda cell: cell.value.mean).method
    boxed = [one for one in pictures if one.boxes and one.label is not None]
    known = [(one, record) for one in boxed if (record := store.get((*key_of(one), method, "true"))) is not None]
    nothing = [0] * len(THRESHOLDS)
    overlaps = np.array([record.get("largest", nothing) for _, record in known], dtype=np.int64)  # (n, T)
    threshold = Boxes(overlaps, [one.name for one, _ in known]).best(GOAL).threshold
    at = overlaps[:, round(100 * threshold) - 1]
    chosen = [Chosen(known[place][0], kind, at[place] / SCALE) for place, kind in choose(at)]
    indices = [Labels(model.classes).index(shown.one.label or "") for shown in chosen]
    explained = explain_placed(
        model,
        [shown.one.path for shown in chosen],
        methods=[setup.methods[method]],
        targets=[indices],
        on_error=on_error,
    )
    drawn = tuple(_drawn(chosen[place], found[0], threshold) for place, found in explained)
    counts: dict[str, int] = {kind: int(inside.sum()) for kind, inside in kinds(at).items()}
    return Examples(method, threshold, counts, drawn)


def kinds(at: NDArray[np.int64]) -> dict[Kind, NDArray[np.bool_]]:
    """Which overlaps, in units of 1 / `SCALE`, are hits, near misses and misses."""
    goal, near = round(GOAL * SCALE), round(NEAR * SCALE)
    return {"hit": at >= goal, "near miss": (at >= near) & (at < goal), "miss": at < near}


def choose(at: NDArray[np.int64]) -> Iterator[tuple[int, Kind]]:
    """Places of the pictures that are shown: of hits and misses, ordered by overlap, the middle ones of three equal parts; of near
    misses those that missed by least.

    >>> list(choose(np.array([9000, 8000, 7000, 4900, 3000, 100])))
    [(0, 'hit'), (1, 'hit'), (2, 'hit'), (3, 'near miss'), (4, 'near miss'), (5, 'miss')]
    """
    for kind, inside in kinds(at).items():
        places = np.flatnonzero(inside)
        places = places[np.argsort(-at[places], kind="stable")]
        if len(places) > EACH and kind != "near miss":
            places = places[[len(places) * (2 * part + 1) // (2 * EACH) for part in range(EACH)]]
        yield from ((int(place), kind) for place in places[:EACH])


def _drawn(shown: Chosen, ex: Explanation, threshold: float) -> Example:
    """Both boxes on a small copy of the picture, and in words."""
    height, width = grid_of(ex.picture.size)
    (box,) = largest_boxes(ex.heatmap((height, width)), [threshold]) if not ex.flat else [np.full(4, np.nan)]
    found = None if np.isnan(box).any() else box * (np.array(ex.picture.size * 2) / (width, height, width, height))
    small = fit(ex.picture, SIDE)
    scale = small.width / ex.picture.width
    marked = [("annotated", DRAWN, one) for one in shown.one.boxes]
    if found is not None:
        marked.insert(1, ("found", FOUND, tuple(found.tolist())))
    boxes = [[side * scale for side in one] for _, _, one in marked]
    texts, colours = (
        [text for text, _, _ in marked[:2]],
        [colour for _, colour, _ in marked],
    )  # others annotated by colour alone
    picture = base64.b64encode(thumbnail(draw_boxes(small, boxes, texts, colours=colours), SIDE)).decode()
    return Example(shown.kind, shown.one.name, shown.one.label or "", shown.overlap, found is not None, picture)
