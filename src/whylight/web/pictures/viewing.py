"""The smaller picture that pages show."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from whylight.web.intake import Limits
from whylight.web.pictures import store
from whylight.web.said import Gone


def opened(token: str) -> BinaryIO:
    """Its file, JPEG; made now, where nobody thought that a page would show it.

    Raises:
        Gone: the picture is deleted.
    """
    folder = store.of_picture(token)
    path = folder / store.VIEW
    try:
        if not path.is_file():
            _make(folder / store.PICTURE, path)
        return path.open("rb")
    except FileNotFoundError:
        raise Gone("picture") from None


def _make(whole: Path, path: Path) -> None:
    limits, part = Limits(), path.with_name(f".{secrets.token_hex(8)}.part")
    with Image.open(whole, formats=["PPM"]) as picture:
        picture.thumbnail((limits.side, limits.side))
        picture.save(part, "JPEG", quality=limits.quality)
    part.replace(path)
