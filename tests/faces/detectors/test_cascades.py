"""Cascades from a folder or from OpenCV, and folders that hold none."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import pytest

from whylight.errors import FaceError
from whylight.faces.detect import detector
from whylight.faces.detectors import cascades

WHEEL = Path(cv2.data.haarcascades)


def test_without_a_folder_they_come_from_opencv() -> None:
    assert not cascades.load("frontalface_alt2").empty()
    assert cascades.has("eye")
    assert not cascades.has("mcs_nose")


def test_a_folder_adds_its_own_and_opencv_has_the_rest(tmp_path: Path) -> None:
    shutil.copy(WHEEL / "haarcascade_eye.xml", tmp_path / "haarcascade_mine.xml")
    assert cascades.has("mine", tmp_path)
    assert cascades.load("mine", tmp_path).getOriginalWindowSize() == (20, 20)
    assert not cascades.load("frontalface_alt2", tmp_path).empty()


def test_a_file_of_the_folder_wins(tmp_path: Path) -> None:
    shutil.copy(WHEEL / "haarcascade_smile.xml", tmp_path / "haarcascade_eye.xml")
    assert cascades.load("eye", tmp_path).getOriginalWindowSize() == (36, 18)


def test_the_data_sets_folder_holds_parts_only(data_dir: Path) -> None:
    assert not cascades.load("mcs_nose", data_dir / "cascades").empty()
    assert detector("haar", cascades=data_dir / "cascades").name == "haar"


@pytest.mark.parametrize(
    ("made", "message"),
    [("missing", "No such file or directory"), ("file", "Not a directory"), ("empty", "no cascades in this folder")],
)
def test_a_folder_that_is_none(tmp_path: Path, made: str, message: str) -> None:
    folder = tmp_path / "cascades"
    if made == "file":
        folder.write_text("x")
    if made == "empty":
        folder.mkdir()
        (folder / "readme.txt").write_text("x")
    with pytest.raises(FaceError, match=message) as caught:
        detector("haar", cascades=folder)
    assert caught.value.code == 2
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not xml", b"<?xml version='1.0'?><opencv_storage/>", b"\0" * 200, b"half"])
def test_a_broken_cascade_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "haarcascade_frontalface_alt.xml"
    file.write_bytes((WHEEL / file.name).read_bytes()[:100_000] if content == b"half" else content)
    with pytest.raises(FaceError, match=r"haarcascade_frontalface_alt\.xml: not a Haar cascade") as caught:
        detector("haar", cascades=tmp_path)
    assert caught.value.code == 2


def test_a_cascade_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(FaceError, match=r"haarcascade_nothing\.xml: no such cascade: OpenCV comes without it"):
        cascades.load("nothing")
    (tmp_path / "haarcascade_some.xml").touch()
    with pytest.raises(FaceError, match=r"neither OpenCV nor .* has it"):
        cascades.load("nothing", tmp_path)
