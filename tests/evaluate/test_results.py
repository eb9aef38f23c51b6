"""Results to disk and back, and the page that people read."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from whylight.errors import DataError, WriteError
from whylight.evaluate.bootstrap import Interval
from whylight.evaluate.figures import shown
from whylight.evaluate.reports.page import page
from whylight.evaluate.reports.plots import GREYS, colours
from whylight.evaluate.results import Cell, Curve, Result

VOID = {"meta", "br", "path", "use", "rect", "line", "circle"}


def result(**changes: object) -> Result:
    cells = [
        Cell("cam", "found", Interval(63.2, 57.2, 69.2, 250), note="at 0.39"),
        Cell("<layer>", "found", Interval(65.2, 59.0, 71.0, 250), note="at 0.44"),
        Cell("blob", "found", Interval(52.8, 46.0, 59.0, 250)),
        Cell("cam", "drop", Interval(0.25, None, None, 1), "", "lower"),
        Cell("blob", "drop", Interval(0.125, None, None, 1), "", "lower"),
        Cell("cam", "blank", Interval(3, None, None, 250), "maps", "lower"),
    ]
    curves = [Curve("threshold", name, [0.0, 0.5, 1.0], [1.0, 60.0, 5.0]) for name in ("cam", "blob")]
    fields = {
        "kind": "localization",
        "title": "Do the maps find the object?",
        "model": "net & co",
        "data": "photos",
        "pictures": 250,
        "protocol": {"thresholds": [0.1, 0.2], "options": {"rise": {"masks": 100}}},
        "cells": cells,
        "curves": curves,
        "figures": {"threshold": ("By threshold", "share", "%")},
        "answers": {"found": "Is it found?"},
        "baselines": ("blob",),
        "remarks": ("One picture only.",),
    }
    return Result(**{**fields, **changes})


class Balanced(HTMLParser):
    """Follows a page's elements: each that is opened is closed, and nothing is loaded from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in {"script", "link", "img", "iframe"}
        assert not any(
            (value or "").startswith("http") for name, value in attrs if name in {"src", "href", "xlink:href"}
        )
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def test_there_and_back(tmp_path: Path) -> None:
    before = result()
    path = before.save(tmp_path / "new" / "out")
    assert path == tmp_path / "new" / "out" / "report.html"
    written = json.loads((tmp_path / "new" / "out" / "results.json").read_text(encoding="utf-8"))
    after = Result.from_dict(written)
    assert after.to_dict() == before.to_dict()
    assert after.cells == before.cells
    assert after.curves == before.curves
    assert after.figures == before.figures
    assert path.read_text(encoding="utf-8") == page(after)


def test_the_best_of_the_methods_and_a_baseline_that_beats_them() -> None:
    found = result()
    assert found.best("found") == {"<layer>"}
    assert not found.beaten("found")
    assert found.best("drop") == set()  # there is one method
    assert found.beaten("drop")
    assert found.methods == ["cam", "<layer>", "blob"]
    assert found.measures == ["found", "drop", "blank"]


def test_the_page() -> None:
    text = page(result())
    reader = Balanced()
    reader.feed(text)
    assert reader.open == []
    words = " ".join(reader.text.split())
    for expected in (
        "Do the maps find the object?",
        "net & co · photos · 250 pictures",
        "One picture only.",
        "A baseline does better than every method by: drop.",
        "Is it found?",
        "<layer> ★",
        "63.2 % 57.2 … 69.2",
        "3 maps",
        "at 0.44",
        "options rise: masks: 100",
        "thresholds 0.1, 0.2",
    ):
        assert expected in words, expected
    assert len(re.findall("<svg", text)) == 1
    assert "var(--ink)" in text[text.index("<svg") :]
    assert "#0a0b0c" not in text  # the stand-ins for the page's own colours
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_without_curves_and_with_one_figure() -> None:
    one = result(cells=[Cell("cam", "x", Interval(0.0, None, None, 1), "")], curves=[], figures={}, pictures=1)
    text = page(one)
    assert "<svg" not in text
    assert "1 picture<" in text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (Interval(63.25, 57.0, 69.0, 9), "%", "63.2 % (57.0 … 69.0)"),
        (Interval(100.0, None, None, 1), "%", "100.0 %"),
        (Interval(0.12345, 0.1, 0.2, 9), "", "0.123 (0.100 … 0.200)"),
        (Interval(-1.0, None, None, 1), "", "-1.000"),
        (Interval(0.0, 0.0, 0.0, 9), "", "0.000 (0.000 … 0.000)"),
        (Interval(0.00042, 0.00031, 0.00056, 9), "", "0.000420 (0.000310 … 0.000560)"),
        (Interval(1.234e-9, 0.0, 2e-9, 9), "", "1.23e-09 (0.00 … 2.00e-09)"),
        (Interval(2, None, None, 9), "maps", "2 maps"),
    ],
)
def test_figures_in_words(value: Interval, unit: str, text: str) -> None:
    assert shown(Cell("cam", "x", value, unit)) == text


def test_correlations_near_0_need_no_more_digits() -> None:
    assert shown(Cell("cam", "x", Interval(-0.0004, -0.03, 0.03, 9), "", "nearer 0")) == "0.000 (-0.030 … 0.030)"


def test_colours_tell_baselines_from_methods() -> None:
    found = colours(["a", "b", "blob"], ["blob"])
    assert found["blob"] == GREYS[0]
    assert len(set(found.values())) == 3


def test_what_is_no_result() -> None:
    with pytest.raises(DataError, match="no results of whylight evaluate"):
        Result.from_dict({"kind": "localization"})


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(WriteError, match="cannot be written"):
        result().save(tmp_path / "out")


def test_intervals_that_say_nothing_are_words() -> None:
    cells = [
        Cell("cam", "found", Interval(50.0, 9.5, 90.5, 2)),
        Cell("layer", "found", Interval(63.2, 57.2, 69.2, 250)),
    ]
    drawn = page(result(cells=cells))
    assert "2 pictures say nothing" in drawn
    assert "9.5" not in drawn
    assert drawn.count('class="whisker"') == 1


def test_wide_tables_scroll_in_themselves_by_keyboard_too() -> None:
    drawn = page(result())
    assert drawn.count("<table>") == drawn.count('<div class="scroll" tabindex="0" role="region" aria-label="')
