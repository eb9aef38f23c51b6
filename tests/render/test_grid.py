"""Grids: every tile's own pixels, in its place, however many and however long the words."""

from __future__ import annotations

import numpy as np
import pytest

from whylight.errors import WhylightError
from whylight.render.grid import Legend, Row, Tile, grid

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)]


def tile(number: int, size: tuple[int, int] = (60, 80), caption: str = "", note: str = "") -> Tile:
    return Tile(np.full((*size, 3), COLOURS[number], np.uint8), caption, note)


def pixels(rows: list[Row], columns: list[str], **options: object) -> np.ndarray:
    return np.asarray(grid(rows, columns, **options))  # type: ignore[arg-type]


def boxes(drawn: np.ndarray, number: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of all pixels of one colour."""
    rows, columns = np.nonzero((drawn == COLOURS[number]).all(axis=2))
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


def test_tiles_are_shown_one_to_one_in_rows_and_columns() -> None:
    rows = [Row([tile(0, caption="a"), tile(1)], "first"), Row([None, tile(2)], "second")]
    drawn = pixels(rows, ["left", "right"], title="title", subtitle="more")
    found = [boxes(drawn, number) for number in range(3)]
    assert [(x1 - x0, y1 - y0) for x0, y0, x1, y1 in found] == [(80, 60)] * 3
    assert all(((drawn == COLOURS[number]).all(axis=2)).sum() == 80 * 60 for number in range(3)), (
        "nothing lies over them"
    )
    assert found[0][1] == found[1][1], "one row"
    assert found[1][0] == found[2][0], "one column"
    assert found[0][2] < found[1][0]
    assert found[1][3] < found[2][1]


def test_words_take_room_and_are_cut_with_an_ellipsis() -> None:
    long = "a class name that goes on, and on, and on without any end in sight whatsoever, as those of ImageNet do"
    short, wide = (pixels([Row([tile(0, caption=one)], one)], [one], title=one) for one in ("cat", long))
    assert wide.shape[0] > short.shape[0]
    assert wide.shape[1] == short.shape[1]
    assert boxes(wide, 0)[2] <= wide.shape[1] - 16
    hostile = "US$ / AU$ \\frac{1}{0} <b> 猫 \n $"
    assert pixels([Row([tile(0, caption=hostile, note=hostile)], hostile, hostile)], [hostile], title=hostile).ndim == 3


def test_many_columns_go_on_below_and_the_first_comes_again() -> None:
    many = [tile(1)] + [tile(0)] * 20
    drawn = pixels([Row(many)], [str(number) for number in range(21)], repeated=1)
    assert drawn.shape[1] < 1200
    assert (drawn == COLOURS[0]).all(axis=2).sum() == 20 * 80 * 60
    assert (drawn == COLOURS[1]).all(axis=2).sum() == 3 * 80 * 60


def test_a_note_lies_on_its_tile() -> None:
    plain, noted = (pixels([Row([tile(0, note=note)])], ["map"]) for note in ("", "no positive evidence"))
    x0, y0, x1, y1 = boxes(plain, 0)
    assert plain.shape == noted.shape
    assert (plain[y0:y1, x0:x1] != noted[y0:y1, x0:x1]).any()


def test_the_bar_is_there_for_what_it_stands_for() -> None:
    rows = [Row([tile(0)])]
    bar = pixels(rows, ["map"], legend=Legend((0.0, 2.0), "logit"), colormap="plasma")
    assert (bar == (240, 249, 33)).all(axis=2).any()
    none = pixels(rows, ["map"], legend=Legend(), colormap="plasma")
    assert not (none == (240, 249, 33)).all(axis=2).any(), "one map, and nothing on it"


def test_what_is_too_large_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(WhylightError, match=r"grid: the picture would have .* pixels; give fewer"):
        grid([Row([tile(0, (600, 600))])] * 200, ["map"])
