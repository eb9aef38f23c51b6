"""What is no picture is told by what it is, with a command that helps; what lies in a folder beside pictures is counted."""

from __future__ import annotations

import shlex
import struct
from pathlib import Path

import numpy as np
import pytest

from pictures import tiff
from whylight.errors import ImageError
from whylight.images import decode, walk
from whylight.images.kinds import words

GREY = np.zeros((4, 4), np.uint8)
MP4 = struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"mp41") + bytes(40)
FILES = {
    "a.mp4": (MP4, "this is a video", "ffmpeg -i {} -vf fps=1 frames/%05d.png"),
    "a.mov": (struct.pack(">I4s4s", 20, b"ftyp", b"qt  ") + bytes(40), "this is a video", "ffmpeg -i {}"),
    "a.avi": (b"RIFF\0\0\0\0AVI LIST" + bytes(40), "this is a video", "ffmpeg -i {}"),
    "a.webm": (b"\x1a\x45\xdf\xa3" + bytes(40), "this is a video", "ffmpeg -i {}"),
    "a.cr2": (tiff(GREY)[:8] + b"CR\2\0" + tiff(GREY)[12:], "this is a raw photograph", "darktable-cli {} a.jpg"),
    "a.nef": (tiff(GREY), "this is a raw photograph", "darktable-cli {} a.jpg"),
    "named.tif": (tiff(GREY, change={50706: (4, [1])}), "this is a raw photograph", "darktable-cli {} named.jpg"),
    "preview.tif": (tiff(GREY, change={254: (4, [1]), 330: (4, [8])}), "this is a raw photograph", "darktable-cli {}"),
    "a.cr3": (struct.pack(">I4s4s", 20, b"ftyp", b"crx ") + bytes(40), "this is a raw photograph", "darktable-cli {}"),
    "a.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(40), "this is a raw photograph", "darktable-cli {}"),
    "a.psd": (b"8BPS\0\1" + bytes(40), "this is a Photoshop file", "magick {}'[0]' a.png"),
    "a.pdf": (b"%PDF-1.7" + bytes(40), "this is a PDF document", "pdftoppm -png -r 150 {} a"),
    "a.svg": (
        b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="">',
        "this is a drawing in SVG",
        "rsvg-convert -o a.png {}",
    ),
    "a.jxl": (b"\xff\x0a" + bytes(40), "this is a picture in JPEG XL or JPEG 2000", "magick {} a.png"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_picture_is_told_with_a_way_on(name: str, tmp_path: Path) -> None:
    content, what, how = FILES[name]
    path = tmp_path / "it's" / name
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        decode(path)
    assert str(caught.value).startswith(f"{path}: {what}, no picture that whylight reads: ")
    assert how.format(shlex.quote(str(path))) in str(caught.value)
    if name != "a.nef":  # whose bytes are those of any TIFF
        with pytest.raises(ImageError, match=rf"<bytes>: {what}.* FILE"):
            decode(content)


def test_pages_and_tiffs_are_no_raw_photographs() -> None:
    assert decode(tiff(GREY, change={330: (4, [8])})).size == decode(tiff(GREY, change={254: (4, [1])})).size == (4, 4)


def test_an_xml_that_is_no_drawing_is_nothing_that_is_known() -> None:
    with pytest.raises(ImageError, match=r"not a picture whylight reads; it should be JPEG, .* AVIF or HEIC"):
        decode(b'<?xml version="1.0"?><rss></rss>')


def test_what_lies_beside_pictures_is_counted_by_kind() -> None:
    assert words([]) == words(["Thumbs.db", "a/.DS_Store", "a/photo.xmp", "b/desktop.ini"]) == ""
    assert words(["b/x.CR2", "a.nef", "c.dng"]) == "3 raw photographs (.cr2, .dng, .nef)"
    assert words(["a.txt", "README", *(f"x.{one}" for one in "bcdefgh")]) == "9 other files (.b, .c, .d, .e, .f, .g, …)"
    told = words(["p/some film.mp4", "a.txt"])
    assert told.startswith("1 video (.mp4), 1 other file (.txt); take single pictures out of a video")
    assert told.endswith("ffmpeg -i 'p/some film.mp4' -vf fps=1 frames/%05d.png")


def test_a_search_tells_what_it_passes_over(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.mp4", "sub/c.txt", ".hidden.mp4", "sub/d.AVIF"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    told: list[Path] = []
    assert [one.name for one in walk([tmp_path], on_skip=told.append)] == ["a.jpg", "d.AVIF"]
    assert sorted(one.name for one in told) == ["b.mp4", "c.txt"]
    told.clear()
    walk([f"{tmp_path}/*"], on_skip=told.append)
    assert sorted(one.name for one in told) == ["b.mp4", "c.txt"]
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "sub" / "d.AVIF").unlink()
    with pytest.raises(ImageError, match=r"no picture in this folder .*; it holds 1 video .*, 1 other file .*ffmpeg"):
        walk([tmp_path])
