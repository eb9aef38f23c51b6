"""Which classes say that there is nothing to locate."""

from __future__ import annotations

import pytest

from whylight.localize.location import is_background, opposite


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("no face", True),
        ("No_Face", True),
        ("not a-cat", True),
        ("background", True),
        ("__background__", True),
        ("face", False),
        ("no entry", False),  # a traffic sign: there is no class "entry"
        ("no", False),
        ("nothing", False),
        ("notary", False),
        ("", False),
    ],
)
def test_background(label: str, expected: bool) -> None:
    classes = ["face", "a cat", "notary", "ary", "thing", "face no", label]
    assert is_background(label, classes) == expected


def test_opposite_keeps_the_name_as_it_is() -> None:
    assert opposite("no_red_bus", ["Red Bus", "no_red_bus"]) == "Red Bus"
    assert opposite("red bus", ["Red Bus"]) is None
