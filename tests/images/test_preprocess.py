"""A picture becomes an input, and a map goes back onto the picture, half a pixel nowhere lost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess, Region, place


def picture(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.mark.parametrize("size", [(300, 200), (200, 301), (224, 224), (97, 450), (1, 1)])
def test_crop_equals_torchvision(size: tuple[int, int]) -> None:
    prepared = Preprocess(size=(224, 224), mode="crop", crop_pct=0.875)(picture(*size))
    reference = v2.Compose(
        [
            v2.Resize(256),
            v2.CenterCrop(224),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )
    torch.testing.assert_close(prepared, torch.as_tensor(reference(picture(*size))))


def test_a_very_long_picture_is_not_scaled_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 × 1 pixels, shorter side to 256, would be 6.5 billion of them; the crop is all that is made."""
    prepare = Preprocess(size=(224, 224), mode="crop", crop_pct=0.875)
    assert prepare(Image.new("RGB", (100_000, 1), "red")).shape == (3, 224, 224)
    long = picture(2000, 60)
    part = np.asarray(prepare.restore(prepare(long)), np.float32)
    monkeypatch.setattr("whylight.images.preprocess._STRETCHED", 10**9)
    whole = np.asarray(prepare.restore(prepare(long)), np.float32)
    rim = 8
    assert np.abs(part - whole)[rim:-rim, rim:-rim].max() <= 1, (
        "the same picture, but for the filter's reach at the rim"
    )


def test_squash_sees_everything() -> None:
    preprocess = Preprocess(size=(64, 96))
    assert preprocess(picture(300, 200)).shape == (3, 64, 96)
    assert preprocess.region((300, 200)) == Region(0, 0, 300, 200)


def test_restore_is_the_inverse() -> None:
    preprocess = Preprocess(size=(20, 30))
    shown = preprocess.restore(preprocess(picture(30, 20)))
    assert np.array_equal(np.asarray(shown), np.asarray(picture(30, 20)))


def test_dict_round_trip() -> None:
    preprocess = Preprocess(size=(64, 96), mode="crop", crop_pct=0.9, interpolation="bicubic", mean=(0.5, 0.5, 0.5))
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess


@pytest.mark.parametrize(("height", "width"), [(20, 30), (7, 7), (5, 3), (1, 1)])
def test_place_is_bilinear_with_half_pixel_centres(height: int, width: int) -> None:
    raw = torch.randn(7, 7, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(raw[None, None], (height, width), mode="bilinear", align_corners=False)[0, 0]
    torch.testing.assert_close(place(raw, Region(0, 0, width, height), (width, height)), expected)


def test_place_leaves_what_was_cropped_away_empty() -> None:
    region = Preprocess(size=(100, 100), mode="crop").region((300, 100))
    assert region == Region(100, 0, 200, 100)
    placed = place(torch.ones(4, 4), region, (300, 100))
    assert (placed[:, 100:200] == 1).all()
    assert (placed[:, :100] == 0).all()
    assert (placed[:, 200:] == 0).all()


@pytest.mark.parametrize("mode", ["squash", "crop"])
@pytest.mark.parametrize("size", [(640, 360), (360, 640), (500, 500), (70, 50)])
def test_there_and_back(mode: str, size: tuple[int, int]) -> None:
    """A spot in the picture, seen by the preprocessing, and put back by `place`, lands on itself to within a pixel.

    The 'network' here is an average over 8 × 8 pixels of the input, so that nothing but geometry is under test.
    """
    width, height = size
    preprocess = Preprocess(size=(224, 224), mode=mode, crop_pct=0.875)  # type: ignore[arg-type]
    for share_x, share_y in [(0.5, 0.5), (0.4, 0.55), (0.6, 0.35)]:
        spot = (share_x * width, share_y * height)
        ys, xs = np.mgrid[0:height, 0:width] + 0.5
        radius = 0.06 * min(size)
        blob = np.exp(-((xs - spot[0]) ** 2 + (ys - spot[1]) ** 2) / (2 * radius**2))
        shown = Image.fromarray((255 * np.repeat(blob[:, :, None], 3, 2)).astype(np.uint8))
        x = preprocess(shown)
        raw = F.avg_pool2d(x[None, :1] - x.min(), 8)[0, 0]  # (28, 28)
        placed = place(raw, preprocess.region(size), size)
        assert centre_of_mass(placed) == pytest.approx(spot, abs=1.0)


def centre_of_mass(placed: Tensor) -> tuple[float, float]:
    weight = placed**2
    rows = torch.arange(placed.shape[0]) + 0.5
    columns = torch.arange(placed.shape[1]) + 0.5
    return float((weight.sum(0) * columns).sum() / weight.sum()), float((weight.sum(1) * rows).sum() / weight.sum())


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("mode", "stretch", "mode must be 'squash' or 'crop', not 'stretch'"),
        ("crop_pct", 0.0, r"crop_pct must lie in \(0, 1\], not 0.0"),
        ("interpolation", "best", "interpolation must be one of nearest, bilinear"),
        ("size", (0, 4), "both at least 1"),
    ],
)
def test_bad_fields(field: str, value: object, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        Preprocess(**{field: value})  # type: ignore[arg-type]
