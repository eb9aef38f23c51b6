"""What tests of the page that runs a model in the browser do again and again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whylight.models.model import Model

NAMES = ["cat", 'a "dog" & </script>', "tabby 猫"]


@dataclass(frozen=True)
class Static:
    """A page that was written, and is served.

    Attributes:
        url: of the page.
        folder: with its files.
        model: that it was made from.
        asked: every path that was asked for, in order.
    """

    url: str
    folder: Path
    model: Model
    asked: list[str]


_SHOWN = "Number(document.getElementById('device').dataset.shown ?? 0)"


def shown(page: Any) -> int:
    """How many maps were drawn."""
    return int(page.evaluate(_SHOWN))


def more(page: Any, than: int = 0, seconds: float = 120) -> None:
    """Wait until more maps than that were drawn."""
    end = time.monotonic() + seconds
    while shown(page) <= than:
        assert time.monotonic() < end, page.inner_text("[data-stage]")
        page.wait_for_timeout(50)


def started(page: Any, url: str) -> None:
    """The page with its camera on, and the first map drawn."""
    page.goto(url)
    page.get_by_role("button", name="Start the camera").click()
    more(page)


def opened(page: Any, picture: Path) -> None:
    """A file in place of the camera, and its map drawn."""
    count = shown(page)
    page.set_input_files("[data-file]", str(picture))
    more(page, count)
