"""Resizing in the graph gives the pixels that Pillow gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from whylight.export.resize import Prepare
from whylight.images.preprocess import Interpolation, Preprocess


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("mode", ["squash", "crop"])
@pytest.mark.parametrize("size", [(512, 512), (640, 480), (480, 641), (224, 224), (97, 133)])
def test_pixels_are_those_of_pillow(
    photo: Path, size: tuple[int, int], mode: str, interpolation: Interpolation
) -> None:
    with Image.open(photo) as opened:
        picture = opened.convert("RGB").resize(size)
    one = Preprocess(size=(96, 128), mode=mode, crop_pct=0.9 if mode == "crop" else 1.0, interpolation=interpolation)  # type: ignore[arg-type]
    wanted = one(picture)
    found = Prepare(one)(torch.from_numpy(np.array(picture))[None])[0]
    levels = (found - wanted).abs() * 255 * torch.tensor(one.std).reshape(3, 1, 1)
    assert levels.max() < 1.5  # of 256: a half that is rounded up here and down there
    assert (levels > 0.5).float().mean() < 0.02


def test_a_batch_is_prepared_as_its_pictures_are() -> None:
    pictures = torch.randint(0, 256, (3, 70, 90, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    prepare = Prepare(Preprocess(size=(32, 32)))
    assert torch.equal(prepare(pictures)[1], prepare(pictures[1:2])[0])
