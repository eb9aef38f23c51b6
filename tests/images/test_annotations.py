"""Files of boxes are read as they are meant, and every wrong line is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from squares import HEADER, write
from whylight.errors import DataError, ImageError
from whylight.images import decode, size_of
from whylight.images.annotations import Drawn, read_boxes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two pictures of 40 × 30 pixels, one of them stored lying down."""
    (tmp_path / "images").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "a.png")
    lying = Image.new("RGB", (40, 30))
    exif = lying.getexif()
    exif[274] = 6  # to be turned by 90° to stand upright
    lying.save(tmp_path / "images" / "b.jpg", exif=exif)
    return tmp_path


def test_boxes_by_picture(folder: Path) -> None:
    file = write(
        folder / "boxes.csv",
        ["images/a.png,cat,1,2,10.5,20", "images/b.jpg,dog,0,0,30,40", "", "images/a.png, dog ,0,0,40.8,30"],
    )
    assert read_boxes(file, folder) == {
        "images/a.png": [Drawn("cat", (1, 2, 10.5, 20)), Drawn("dog", (0, 0, 40, 30))],  # cut at the rim
        "images/b.jpg": [Drawn("dog", (0, 0, 30, 40))],  # upright it is 30 × 40
    }
    # Names count from the folder of the pictures, or else from that of the file; what lies elsewhere is left out.
    assert list(read_boxes(file, folder / "images")) == ["a.png", "b.jpg"]
    Image.new("RGB", (40, 30)).save(folder / "c.png")
    file = write(file, ["images/a.png,cat,1,2,3,4", "c.png,cat,1,2,3,4"])
    assert list(read_boxes(file, folder / "images")) == ["a.png"]


def test_columns_in_any_order_with_others_between(folder: Path) -> None:
    file = folder / "boxes.csv"
    file.write_text("﻿y1,x1,hard,y0,x0,label,file\n4,3,no,2,1,cat,images/a.png\n", encoding="utf-8")
    assert read_boxes(file, folder) == {"images/a.png": [Drawn("cat", (1, 2, 3, 4))]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "images/a.png,cat,10,2,5,20",
            r"line 3: the box \(10, 2, 5, 20\) of images/a.png is inverted or empty: .*upper left",
        ),
        ("images/a.png,cat,10,2,10,20", r"line 3: .* inverted or empty: .*first pixel outside"),
        ("images/a.png,cat,10,2,50,20", r"line 3: .* reaches out of the picture, which has 40 × 30 pixels"),
        ("images/a.png,cat,-2,2,5,20", r"line 3: .* reaches out"),
        ("images/a.png,cat,40.5,2,40.9,20", r"line 3: .* reaches out"),
        ("images/b.jpg,cat,0,0,40,30", r"line 3: .* which has 30 × 40 pixels"),
        ("images/a.png,cat,1,2,x,20", r"line 3: x0, y0, x1, y1 must be four numbers"),
        ("images/a.png,cat,1,2,3", r"line 3: x0, y0, x1, y1 must be four numbers"),
        ("images/a.png,cat,1,2,nan,20", r"line 3: .* must be finite"),
        ("images/a.png,,1,2,3,4", r"line 3: the label is empty"),
        ("images/z.png,cat,1,2,3,4", r"line 3: there is no file images/z.png in .*; add it, or remove the line"),
        ("boxes.csv,cat,1,2,3,4", r"line 3: .*boxes.csv: not a picture"),
    ],
)
def test_wrong_lines(folder: Path, line: str, said: str) -> None:
    file = write(folder / "boxes.csv", ["images/a.png,cat,1,2,3,4", line])
    with pytest.raises(DataError, match=said) as caught:
        read_boxes(file, folder)
    assert str(file) in str(caught.value)


def test_all_problems_at_once_but_not_for_ever(folder: Path) -> None:
    file = write(folder / "boxes.csv", ["images/a.png,cat,5,5,1,1"] * 13)
    with pytest.raises(DataError) as caught:
        read_boxes(file, folder)
    assert str(caught.value).count("inverted") == 10
    assert str(caught.value).endswith("and 3 more")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty; it needs a header"),
        (HEADER + "\n", "it holds no boxes, only a header"),
        (
            "file,label,x,y,w,h\na.png,cat,1,2,3,4\n",
            "line 1: the header has no x0, y0, x1, y1; it must name the columns file",
        ),
    ],
)
def test_wrong_files(folder: Path, text: str, said: str) -> None:
    (folder / "boxes.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        read_boxes(folder / "boxes.csv", folder)


def test_files_that_cannot_be_read(folder: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: this file of boxes cannot be read: No such file"):
        read_boxes(folder / "none.csv", folder)
    (folder / "boxes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        read_boxes(folder / "boxes.csv", folder)
    file = write(folder / "boxes.csv", ["images/a.png,cat,1,2,3,4"])
    (folder / "other").mkdir()
    with pytest.raises(DataError, match=r"its one box is of a file outside .*other"):
        read_boxes(file, folder / "other")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "bmp", "gif"])
@pytest.mark.parametrize("orientation", [None, 3, 6, 8])
def test_sizes_are_those_of_the_decoded_picture(tmp_path: Path, suffix: str, orientation: int | None) -> None:
    picture = Image.fromarray(np.zeros((20, 33, 3), np.uint8))
    exif = picture.getexif()
    if orientation is not None:
        exif[274] = orientation
    path = tmp_path / f"a.{suffix}"
    picture.save(path, **({"exif": exif} if suffix in ("png", "jpg", "webp", "tiff") else {}))
    assert size_of(path) == decode(path).size


def test_sizes_of_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(ImageError, match=r"a\.png: not a picture"):
        size_of(tmp_path / "a.png")
    with pytest.raises(ImageError, match="no such file"):
        size_of(tmp_path / "b.png")
    Image.new("RGB", (30, 30)).save(tmp_path / "c.png")
    with pytest.raises(ImageError, match="above the limit"):
        size_of(tmp_path / "c.png", max_pixels=899)
