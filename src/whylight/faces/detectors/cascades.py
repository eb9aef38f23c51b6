"""Haar cascades: from a folder of the user's, else from the OpenCV wheel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2

from whylight.errors import FaceError

PREFIX = "haarcascade_"


def load(name: str, folder: Path | None = None) -> Any:
    """Read a cascade, such as `"frontalface_alt2"`.

    Args:
        name: without `haarcascade_` and `.xml`.
        folder: a folder with `haarcascade_*.xml` files. Cascades that it does not hold come from OpenCV.

    Returns:
        A `cv2.CascadeClassifier`. It must not be used by two threads at a time.

    Raises:
        FaceError: code 2, if the folder is missing or holds no cascades at all, or if the file is missing or broken.
    """
    path = _path(name, folder)
    if not path.is_file():
        where = "OpenCV comes without it" if folder is None else f"neither OpenCV nor {folder} has it"
        raise FaceError(
            2, f"{path.name}: no such cascade: {where}; name a folder that holds it (OpenCV 5 comes without any)"
        )
    try:
        cascade = cv2.CascadeClassifier(os.fspath(path))
        broken = cascade.empty()
    except (cv2.error, SystemError):  # XML that is none ends in one, XML without a cascade in the other
        broken = True
    if broken:
        raise FaceError(2, f"{path}: not a Haar cascade that OpenCV can read; copy it again")
    return cascade


def has(name: str, folder: Path | None = None) -> bool:
    """Whether there is such a cascade, in the folder or in OpenCV.

    Raises:
        FaceError: code 2, if the folder is missing or holds no cascades at all.
    """
    return _path(name, folder).is_file()


def _path(name: str, folder: Path | None) -> Path:
    file = f"{PREFIX}{name}.xml"
    if folder is not None:
        check(folder)
        if (folder / file).exists():
            return folder / file
    return Path(getattr(getattr(cv2, "data", None), "haarcascades", "")) / file


def check(folder: Path) -> None:
    """Refuse a folder that cannot be one of cascades.

    Raises:
        FaceError: code 2, if it is missing, unreadable, no folder, or holds no `haarcascade_*.xml`.
    """
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise FaceError(2, f"{folder}: the cascades cannot be loaded: {error.strerror}; name a folder") from None
    if not any(name.startswith(PREFIX) and name.endswith(".xml") for name in names):
        raise FaceError(2, f"{folder}: no cascades in this folder; it should hold {PREFIX}NAME.xml files")
