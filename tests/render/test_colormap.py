"""Colour tables: against matplotlib, and what makes a colormap honest."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from whylight.errors import WhylightError
from whylight.render import DEFAULT, colorize
from whylight.render.colormap import table


@pytest.mark.parametrize("name", ["plasma", "inferno", "magma", "viridis", "cividis", "turbo", "gray", "plasma_r"])
def test_colours_are_those_matplotlib_gives(name: str) -> None:
    wanted = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3].astype(int)
    assert np.abs(table(name).astype(int) - wanted).max() <= 1


def test_the_default_rises_evenly_in_lightness_so_that_it_reads_in_grey() -> None:
    grey = table(DEFAULT).astype(float) @ [0.299, 0.587, 0.114]
    assert (np.diff(grey[::8]) > 0).all()
    assert grey[-1] - grey[0] > 180


def test_values_are_rounded_to_the_nearest_step_and_clipped() -> None:
    heat = np.array([[-1.0, 0.0, 0.5 / 255 - 1e-4, 0.5 / 255 + 1e-4, 1.0, np.inf]])
    steps = [0, 0, 0, 1, 255, 255]
    assert (colorize(heat, "gray")[0, :, 0] == table("gray")[steps, 0]).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_float_and_any_layout_of_memory(dtype: type) -> None:
    heat = (np.arange(35) / 34).reshape(5, 7).astype(dtype)
    plain = np.ascontiguousarray(heat[::2, ::-1]).astype(np.float64)
    assert (colorize(heat[::2, ::-1]) == colorize(plain)).all()


def test_an_unknown_name_is_answered_with_near_ones() -> None:
    with pytest.raises(WhylightError, match="'virids' is not known: did you mean viridis"):
        colorize(np.zeros((2, 2)), "virids")


@pytest.mark.parametrize(
    ("heat", "complaint"),
    [(np.zeros(3), "shape"), (np.zeros((0, 4)), "shape"), (np.full((2, 2), np.nan), "not numbers")],
)
def test_what_is_no_heat_map_is_refused(heat: np.ndarray, complaint: str) -> None:
    with pytest.raises(WhylightError, match=complaint):
        colorize(heat)


def test_the_cached_table_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        table()[0] = 0
