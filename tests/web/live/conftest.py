"""Eyes for the tests of the camera page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight.web.intake import Frame
from whylight.web.live.holding import Eye

See = Callable[..., dict[str, Any]]


@pytest.fixture(scope="package")
def eye() -> Iterator[Eye]:
    """One for all tests that leave it alive."""
    made = Eye(idle=300)
    yield made
    made.close()


@pytest.fixture(scope="package")
def see() -> See:
    """Ask an eye until it has loaded what it needs."""

    def asked(eye: Eye, frame: Frame, target: int | None = None, model: str = "face") -> dict[str, Any]:
        end = time.monotonic() + 120
        while (told := eye.ask(model, target, frame)) is None:
            assert time.monotonic() < end, "the eye does not get ready"
            time.sleep(0.05)
        found: dict[str, Any] = json.loads(told)
        return found

    return asked


@pytest.fixture
def frame(photo: Path) -> Frame:
    """The photograph as a camera would send it: not square."""
    with Image.open(photo) as file:
        picture = file.convert("RGB").resize((320, 240))
    return Frame(240, 320, np.asarray(picture).tobytes())
