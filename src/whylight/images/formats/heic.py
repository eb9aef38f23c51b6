"""HEIC, as iPhones take it: read by pillow-heif where that is installed, without a change to Pillow."""

from __future__ import annotations

import importlib
import io
from typing import Any

from PIL import ImageFile

from whylight.images.formats.boxes import Container
from whylight.images.limits import Refusal

COST = 1.25  # held as brightness and colours, as pixels, and once more as Pillow has them
_MODES = ("RGB", "RGBA", "RGBa", "L", "LA")


class HeicFile(ImageFile.ImageFile):
    """A reader in Pillow's sense. The decoder turns the picture upright by itself, whatever a note of the camera's says too."""

    format = "HEIF"
    format_description = "HEIF image"

    def __init__(self, data: bytes) -> None:
        self._data = data
        super().__init__(io.BytesIO(data))

    def _open(self) -> None:
        self._made: Any = _decoder().open_heif(io.BytesIO(self._data), convert_hdr_to_8bit=True)
        if self._made.mode not in _MODES:
            raise Refusal(f"HEIC pictures in colour mode {self._made.mode} cannot be read; save it as JPEG or PNG")
        self._mode, self._size = self._made.mode, self._made.size
        self.tile = [("raw", (0, 0, *self._size), 0, self._mode)]  # type: ignore[list-item]  # not loaded yet

    def load(self) -> Any:
        """Decode."""
        if self.tile:
            made = self._made.to_pillow()
            if made.size != self._size or made.mode != self._mode:
                raise Refusal("the HEIC picture is damaged (its parts differ in size); copy or export it again")
            self.im, self.tile, self.fp, self._made, self._data = made.im, [], None, None, b""
        return super().load()


def opened(data: bytes, max_pixels: int, cost: float) -> ImageFile.ImageFile:
    """Open the still picture of a HEIC file.

    Raises:
        Refusal: it is cut short, holds none, or more than is allowed; or what reads it is not installed.
    """
    _decoder()
    return HeicFile(Container(data, "HEIC", max_pixels, cost).still)


def _decoder() -> Any:
    try:
        return importlib.import_module("pillow_heif")
    except ImportError:
        raise Refusal("HEIC pictures need one package more: pip install 'whylight[heif]'; or save it as JPEG") from None
