"""Folders of small pictures, and runs over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from whylight.jobs import Job
from whylight.jobs import run as run_job

pytest.importorskip("pyarrow")


@pytest.fixture
def photos(tmp_path: Path, photo: Path) -> Path:
    """Nine pictures in two folders, one of them broken."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    dice = np.random.default_rng(0)
    with Image.open(photo) as opened:
        whole = opened.convert("RGB")
    for number in range(8):
        shown = whole.crop((10 * number, 0, 300 + 10 * number, 300)) if number % 2 else None
        if shown is None:
            shown = Image.fromarray(dice.integers(0, 255, (60, 80, 3), dtype=np.uint8))
        shown.save(folder / ("more" if number > 4 else ".") / f"{number}.png")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, photos: Path) -> Run:
    """Does a job of the kind `maps` over the pictures, in parts of three."""

    def call(
        *inputs: Path | str, out: str = "run", questions: Any = None, overwrite: bool = False, **settings: Any
    ) -> Any:
        given = [str(one) for one in inputs or (photos,)]
        settings = {"part_size": 3, **settings}
        job = Job("maps", given, str(tmp_path / out), "face", questions or {}, settings)
        return run_job(job, overwrite=overwrite)

    return call
