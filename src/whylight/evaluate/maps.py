"""What one heat map tells about one annotated picture, as a record small enough to keep for thousands of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from whylight.evaluate.baselines import BLOB, baseline
from whylight.evaluate.boxes import overlaps
from whylight.evaluate.data import Labelled
from whylight.evaluate.masks import histogram, load
from whylight.evaluate.pointing import NEAR, cover, energy, peak, points_at, points_at_mask
from whylight.explanation import Explanation
from whylight.images.preprocess import Region, place
from whylight.jobs.lines import Record

MOST_PIXELS = (
    1_000_000  # larger pictures are measured on a coarser grid: maps are smooth, and a hundred thresholds are many
)


class Rules(NamedTuple):
    """How maps are measured.

    Attributes:
        tolerance: of the pointing game, pixels of the picture.
        inclusive: overlaps count corners as pixels inside, as wsolevaluation does; see `boxes`.
        ignore: pixels of a mask with this value count neither way.
        seed: decides the random maps.
    """

    tolerance: float = NEAR
    inclusive: bool = False
    ignore: int | None = None
    seed: int = 0


DEFAULT = Rules()


def of_explanation(ex: Explanation, one: Labelled, rules: Rules) -> Record:
    """What an explanation's map tells: see `of_heat`. Boxes and masks are held against the heat map as it is drawn, the pointing
    and energy games against evidence relative to its maximum, which differs for methods that show single pixels.

    A map that is blank, or the same everywhere, points nowhere and is a miss by every measure; the record says so.
    """
    grid = grid_of(ex.size)
    flat = ex.flat
    heat = np.zeros(grid, np.float32) if flat else ex.heatmap(grid).numpy()
    plain = heat if flat or ex.scale == "max" else ex.heatmap(grid, scale="max").numpy()
    return {**of_heat(heat, plain, ex.size, one, rules), "flat": flat}


def of_heat(
    heat: NDArray[np.float32], plain: NDArray[np.float32], picture_size: tuple[int, int], one: Labelled, rules: Rules
) -> Record:
    """What a heat map tells.

    Args:
        heat: (H, W) in [0, 1], laid over the picture; boxes are cut out of it.
        plain: the same size; positive evidence relative to its maximum.
        picture_size: (width, height) of the picture, which may have more pixels.
        one: the picture, with boxes or a mask.
        rules: how to measure.

    Returns:
        `largest`, `any`: overlaps at each threshold (`boxes.overlaps`), where there are boxes; `pixels`: counts by heat
        (`masks.histogram`), where there is a mask; `inside`, `near`: whether the highest pixel is on the object, or near it;
        `energy`: share of the positive energy on the object; `peak`: the highest pixel.

    Raises:
        DataError: if the mask cannot be read.
    """
    size = (heat.shape[0], heat.shape[1])
    across, down = size[1] / picture_size[0], size[0] / picture_size[1]
    record: Record = {}
    boxes = [(x0 * across, y0 * down, x1 * across, y1 * down) for x0, y0, x1, y1 in one.boxes]
    held = cover(boxes, size)
    if boxes:
        record["largest"], record["any"] = (kept.tolist() for kept in overlaps(heat, boxes, inclusive=rules.inclusive))
    if one.mask is not None:
        inside, counted = load(one.mask, size, rules.ignore)
        record["pixels"] = histogram(heat, inside, counted).tolist()
        held = held if boxes else inside
    point = peak(plain)
    record |= {"energy": round(energy(plain, held), 6), "inside": False, "near": False, "peak": None}
    if point is not None:
        if boxes:
            where = (point[0] + 0.5) / across - 0.5, (point[1] + 0.5) / down - 0.5  # in pixels of the picture
            near = points_at(where, one.boxes, rules.tolerance)
            record |= {"inside": points_at(where, one.boxes, 0.0), "near": near, "peak": where}
        else:
            near = points_at_mask(point, held, rules.tolerance * across)
            record |= {"inside": bool(held[point[1], point[0]]), "near": near, "peak": point}
    return record


def of_baseline(name: str, picture_size: tuple[int, int], one: Labelled, rules: Rules) -> Record:
    """What a map tells that knows nothing of the picture: a blob in its middle, or chance."""
    heat = laid(name, picture_size, one.name, rules.seed)
    return {**of_heat(heat, heat, picture_size, one, rules), "flat": ""}


def laid(name: str, picture_size: tuple[int, int], picture: str, seed: int = 0) -> NDArray[np.float32]:
    """A baseline's heat map (H, W) laid over a picture, its maximum 1; the picture's name and the seed decide the random ones."""
    grid = grid_of(picture_size)
    heat = baseline(name, picture, grid, seed)
    if name != BLOB:  # it has cells of its own
        heat = place(heat, Region(0, 0, *picture_size), picture_size, grid)
    return (heat / heat.max()).numpy()


def grid_of(picture_size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) that maps of a picture of (width, height) pixels are measured at: the picture's own, but for large ones.

    >>> grid_of((500, 375)), grid_of((4000, 3000))
    ((375, 500), (866, 1155))
    """
    width, height = picture_size
    shrink = min(1.0, math.sqrt(MOST_PIXELS / (width * height)))
    return max(1, round(height * shrink)), max(1, round(width * shrink))
