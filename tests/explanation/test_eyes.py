"""What is drawn of a map for people to look at: smooth, with a sign where asked, and nothing where no place stands out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.interpolate import PchipInterpolator
from torch import Tensor

import whylight
from whylight import render
from whylight.cells import Span, slopes
from whylight.explanation.heat import Heat, is_diffuse
from whylight.images.preprocess import Placed, Region, Smooth

SIZE = (90, 120)  # width, height
WHOLE = Region(0, 0, *SIZE)


def explained(values: Tensor, **more: object) -> whylight.Explanation:
    facts = {"score": 1.0, "probability": 0.9, "target": 0, "label": "cat", "method": "gradcam", "units": "logit"}
    picture = Image.new("RGB", SIZE, (90, 120, 60))
    return whylight.Explanation(
        map=values,
        picture=picture,
        region=WHOLE,
        source="a picture",
        **facts,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("cells", [(1, 1), (1, 5), (7, 7), (4, 9)])
def test_it_never_leaves_the_cells_around_and_keeps_each(cells: tuple[int, int], seed: int) -> None:
    raw = torch.randn(cells, generator=torch.Generator().manual_seed(seed)) ** 3
    picture = (cells[1] * 9, cells[0] * 9)  # the middle of each cell is the middle of a pixel
    placed = Smooth(raw, Region(0, 0, *picture), picture).rows(slice(None))
    assert torch.allclose(placed[4::9, 4::9], raw, atol=1e-5)
    bilinear_low, bilinear_high = (_around(raw, picture, most) for most in (False, True))
    assert (placed >= bilinear_low - 1e-5).all()
    assert (placed <= bilinear_high + 1e-5).all()
    row, column = divmod(int(raw.argmax()), cells[1])
    assert float(placed[9 * row + 4, 9 * column + 4]) == pytest.approx(float(placed.max()), abs=1e-5)


def _around(raw: Tensor, picture: tuple[int, int], most: bool) -> Tensor:
    """The least or the most of the four cells around each pixel."""
    rows, columns = ((torch.arange(side) + 0.5) / 9 - 0.5 for side in (picture[1], picture[0]))
    found = []
    for down in (rows.floor(), rows.ceil()):
        for across in (columns.floor(), columns.ceil()):
            i = down.long().clamp(0, raw.shape[0] - 1)
            found.append(raw[i][:, across.long().clamp(0, raw.shape[1] - 1)])
    both = torch.stack(found)
    return both.amax(0) if most else both.amin(0)


def test_along_one_side_it_is_the_known_monotone_interpolant() -> None:
    values = torch.tensor([0.0, 0.2, 3.0, 2.5, 2.4, -1.0, -1.0, 4.0])
    padded = np.concatenate([values[:1], values, values[-1:]]).astype(float)  # it goes on as it ends
    known = PchipInterpolator(np.arange(-1, len(values) + 1), padded)
    at = (np.arange(400) + 0.5) / 400 * len(values) - 0.5
    mine = Smooth(values[None], Region(0, 0, 400, 1), (400, 1)).rows(slice(None))[0]
    assert np.allclose(mine, known(at), atol=1e-5)
    assert slopes(values[None], 1)[0, [0, -1]].tolist() == [0, 0]


def test_rows_are_the_same_a_few_at_a_time_and_nothing_lies_outside() -> None:
    raw = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    placed = Smooth(raw, Region(10, 20, 70, 110), SIZE, span=Span(0.1, 0.0, 0.9, 1.0))
    every = placed.rows(slice(None))
    assert torch.equal(every[:20], torch.zeros(20, SIZE[0]))
    assert torch.equal(every[:, 70:], torch.zeros(SIZE[1], 20))
    parts = torch.cat([placed.rows(slice(top, top + 7)) for top in range(0, SIZE[1], 7)])
    assert torch.allclose(parts, every, atol=1e-6)


def test_what_is_measured_stays_bilinear() -> None:
    ex = explained(torch.randn(7, 7, generator=torch.Generator().manual_seed(1)))
    expected = Placed(ex.map, WHOLE, SIZE).rows(slice(None)).clamp(min=0)
    assert torch.allclose(ex.heatmap(), expected / expected.max(), atol=1e-6)
    bands = torch.cat([band for _, band in Heat(ex.map, 0.0, WHOLE, SIZE, (SIZE[1], SIZE[0]), "max").bands()])
    assert torch.equal(bands, ex.heatmap())
    fine = torch.rand(80, 100, generator=torch.Generator().manual_seed(2))  # so many cells are drawn as they are
    drawn = [
        torch.cat([band for _, band in Heat(fine, 0.0, WHOLE, SIZE, (SIZE[1], SIZE[0]), "max", for_eyes=eyes).bands()])
        for eyes in (False, True)
    ]
    assert torch.equal(*drawn)


def test_signed_colours_show_what_speaks_for_and_against() -> None:
    values = torch.zeros(3, 3)
    values[0, 0], values[2, 2] = 2.0, -1.0
    ex = explained(values)
    heat = ex.heatmap(scale="signed")
    assert [float(heat[0, 0]), float(heat[-1, -1]), float(heat[60, 45])] == pytest.approx([1.0, 0.25, 0.5], abs=1e-3)
    assert ex.limits("signed") == (-2.0, 2.0)
    pixels = np.asarray(ex.overlay(scale="signed")).astype(int)
    ground = np.array([90, 120, 60])
    assert (pixels[60, 45] == ground).all()  # where there is none, nothing is drawn
    red, blue = pixels[2, 2] - ground, pixels[-3, -3] - ground
    assert red[0] > 0 > red[1]
    assert blue[2] > 0
    assert blue[2] > blue[0]


def test_evidence_against_alone_is_shown_where_it_is_asked_for() -> None:
    ex = explained(-torch.eye(3))
    assert ex.is_blank
    assert np.array_equal(np.asarray(ex.overlay()), np.asarray(ex.picture))
    assert not np.array_equal(np.asarray(ex.overlay(scale="signed")), np.asarray(ex.picture))
    constant = explained(torch.full((3, 3), -2.0))
    assert np.array_equal(np.asarray(constant.overlay(scale="signed")), np.asarray(constant.picture))
    assert ex.colours("jet", "signed") == render.SIGNED
    assert ex.colours("jet") == "jet"


def test_what_all_places_share_is_not_drawn() -> None:
    """A map of an absence: strong all over."""
    dice = torch.Generator().manual_seed(0)
    ex = explained(1 + 0.02 * torch.rand(7, 7, generator=dice))
    assert ex.is_diffuse
    assert not ex.is_blank
    assert np.abs(np.asarray(ex.overlay()).astype(int) - np.asarray(ex.picture)).max() <= 2
    assert float(ex.heatmap().min()) > 0.9  # the figures stay
    nearly = torch.ones(14, 14)  # a dog and a cat, said by the bundled model to be no face: weak on a few cells
    nearly[4:9, 5:10] = 0.4
    assert is_diffuse(nearly)
    some = torch.rand(7, 7, generator=dice) ** 3
    assert not is_diffuse(some)
    assert not is_diffuse(-some)


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(
        whylight.errors.WhylightError, match="scale: expected 'max', 'robust', 'minmax' or a number, or 'signed'"
    ):
        explained(torch.eye(3)).overlay(scale="best")  # type: ignore[arg-type]
