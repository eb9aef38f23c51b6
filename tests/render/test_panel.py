"""Panels: legible at every shape of picture, and the same pixels as the parts they show."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from whylight.render import colorize, panel
from whylight.render.page import ticks

GREEN = (30, 200, 30)


def make(size: tuple[int, int], **given: object) -> Image.Image:
    picture = Image.new("RGB", size, GREEN)
    heat = np.ones(size[::-1])
    shown = {"title": "tabby, 97.3 %", "subtitle": "gradcam", "bar_label": "logit", "limits": (0.0, 7.3), **given}
    return panel(picture, heat, Image.new("RGB", size, (200, 30, 30)), **shown)  # type: ignore[arg-type]


def area(page: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.asarray(page) == colour).all(2).sum())


@pytest.mark.parametrize("size", [(224, 224), (1600, 900), (900, 1600), (3000, 200), (200, 3000), (9, 7), (1, 1)])
def test_all_three_parts_are_there_whole_and_unblended(size: tuple[int, int]) -> None:
    page = make(size)
    hot = tuple(colorize(np.ones((1, 1)))[0, 0].tolist())
    picture, overlay, heat = area(page, GREEN), area(page, (200, 30, 30)), area(page, hot)
    assert picture == overlay > 2000  # each tile one to one on the page, no resampling at its edges
    assert heat >= picture  # the colour bar's top has that colour too
    assert 450 <= page.width <= 1500
    assert page.height <= 1500


def test_wide_pictures_are_stacked_and_others_are_not() -> None:
    assert make((3000, 500)).width < 1000
    assert make((500, 500)).width > 1000


def test_a_blank_map_says_so() -> None:
    assert area(make((300, 300), blank="the same everywhere"), (255, 255, 255)) != area(
        make((300, 300)), (255, 255, 255)
    )
    bare, said = (np.asarray(make((300, 300), blank=blank)).astype(int) for blank in ("", "the same everywhere"))
    changed = np.argwhere(np.abs(bare - said).max(2) > 0)
    assert len(changed) > 500  # words, in the middle of the second tile only
    assert bare.shape[1] * 0.3 < changed[:, 1].min() < changed[:, 1].max() < bare.shape[1] * 0.7


def test_without_a_range_there_is_no_bar() -> None:
    assert make((300, 300), limits=None).width == make((300, 300), limits=(0.0, 0.0)).width < make((300, 300)).width


@pytest.mark.parametrize(
    "title",
    ["US$ / AU$ {x}", "猫 tabby", "a" * 400, "many short words " * 30, "", "line\nbreak\x07", r"\alpha_1^2 & % #"],
)
def test_any_class_name_can_be_written(title: str) -> None:
    """Warnings are errors here: a missing glyph or a formula would end the test."""
    page = make((300, 300), title=title)
    edge = np.asarray(page)[:, -4:]
    assert (edge == 255).all()  # nothing runs off the page


def test_neither_the_users_matplotlib_settings_nor_ours_leak() -> None:
    plain = make((100, 100)).tobytes()
    before = dict(mpl.rcParams)
    make((100, 100))
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"figure.facecolor": "black", "savefig.dpi": 30, "figure.dpi": 30, "text.color": "red"}):
        assert make((100, 100)).tobytes() == plain


def test_threads_do_not_disturb_each_other() -> None:
    wanted = [make((60 + 20 * i, 80)).tobytes() for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda i: make((60 + 20 * i, 80)).tobytes(), range(4))) == wanted


@pytest.mark.parametrize(("low", "high"), [(0.0, 7.3), (-0.0021, 0.0042), (0.0, 1e-12), (0.0, 3e8), (2.0, 2.0)])
def test_ticks_are_few_inside_and_even(low: float, high: float) -> None:
    values = ticks(low, high)
    assert 1 <= len(values) <= 5
    slack = 1e-6 * (high - low)
    assert all(low - slack <= value <= high + slack for value in values)
    assert np.allclose(np.diff(values, 2), 0, atol=1e-6 * max(high - low, 1e-30))
