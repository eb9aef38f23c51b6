"""What comes out is what `whylight.images.decode` gives, pixel for pixel, and nothing else of the upload."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hostile import exif, good, scene
from pictures import encoded
from whylight.images import allowing, decode, read
from whylight.web.intake import Decoders, Limits, Upright


def opened(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        picture.load()
        return picture


@pytest.mark.parametrize("name", good())
def test_pixels_are_the_decoders_own(name: str, decoders: Decoders, tmp_path: Path) -> None:
    wanted = decode(good()[name])
    found = decoders.upright(good()[name], tmp_path, view=False)
    assert found == Upright(*wanted.size, 1, wanted.size)
    data = (tmp_path / "picture.ppm").read_bytes()
    head = b"P6\n%d %d\n255\n" % wanted.size
    assert data == head + wanted.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_upright(orientation: int, decoders: Decoders, tmp_path: Path) -> None:
    data = encoded(scene(64, 48), "PNG", exif=exif(orientation))
    found = decoders.upright(data, tmp_path, view=True)
    assert (found.width, found.height) == ((48, 64) if orientation > 4 else (64, 48))
    assert np.array_equal(np.asarray(opened(tmp_path / "picture.ppm")), np.asarray(decode(data)))
    assert opened(tmp_path / "view.jpg").size == (found.width, found.height)


def test_a_larger_jpeg_is_read_smaller(tmp_path: Path) -> None:
    data = encoded(scene(401, 300), "JPEG", exif=exif(6))
    with Decoders(count=1, limits=Limits(megapixels=0.05)) as small:
        found = small.upright(data, tmp_path, view=False)
    with allowing(0.05):
        wanted = read(data)
    assert found == Upright(*wanted.picture.size, 2, (300, 401))
    assert (tmp_path / "picture.ppm").read_bytes().endswith(wanted.picture.tobytes())


def test_the_view_fits_a_page_and_looks_the_same(decoders: Decoders, tmp_path: Path) -> None:
    data = encoded(scene(2400, 1000), "PNG", compress_level=1)
    decoders.upright(data, tmp_path, view=True)
    view = opened(tmp_path / "view.jpg")
    assert view.size == (1600, 667)
    wanted = decode(data).resize(view.size, Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(view, np.float64) - np.asarray(wanted)).mean() < 4


def test_nothing_that_the_camera_noted_is_kept(decoders: Decoders, tmp_path: Path) -> None:
    secret = b"52.5200N 13.4050E"
    notes = Image.Exif()
    notes[0x010E] = secret.decode()
    data = encoded(scene(64, 48), "JPEG", exif=notes, icc_profile=secret * 9, comment=secret)
    assert data.count(secret) > 9
    decoders.upright(data, tmp_path, view=True)
    view = opened(tmp_path / "view.jpg")
    assert set(view.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert not view.getexif()
    assert all(secret not in path.read_bytes() for path in tmp_path.iterdir())


def test_only_the_owner_can_read_it(decoders: Decoders, tmp_path: Path) -> None:
    decoders.upright(good()["colour.png"], tmp_path, view=True)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"picture.ppm": 0o600, "view.jpg": 0o600}


def test_a_link_is_replaced_and_not_followed(decoders: Decoders, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"as it was")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "picture.ppm").symlink_to(elsewhere)
    decoders.upright(good()["colour.png"], folder, view=False)
    assert elsewhere.read_bytes() == b"as it was"
    assert not (folder / "picture.ppm").is_symlink()


def test_a_frame_is_small_and_written_nowhere(decoders: Decoders) -> None:
    picture = scene(640, 480)
    frame = decoders.pixels(encoded(picture, "JPEG", quality=95, subsampling=0), longest=320)
    assert (frame.height, frame.width, len(frame.rgb)) == (240, 320, 240 * 320 * 3)
    found = np.frombuffer(frame.rgb, np.uint8).reshape(240, 320, 3).astype(np.float64)
    assert np.abs(found - np.asarray(picture.resize((320, 240), Image.Resampling.BILINEAR))).mean() < 4


def test_a_frame_as_it_came(decoders: Decoders) -> None:
    data = good()["lossless.webp"]
    assert decoders.pixels(data, longest=4000).rgb == decode(io.BytesIO(data)).tobytes()
