"""Each format's own reader, chosen by the file's signature: none that starts other programs, none that nobody asked for."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import IO, cast

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from whylight.images.files import Metered, length_of
from whylight.images.formats import jpeg, png, tiff
from whylight.images.formats.pnm import PnmFile
from whylight.images.formats.webp import WebPFile
from whylight.images.limits import MAX_RUN_LENGTH, Refusal
from whylight.images.walking import FORMATS

Opener = Callable[[IO[bytes]], ImageFile.ImageFile]

# Pillow's doubts about tags and chunks nobody asked it for. The pixels are good or they are not: then it raises an error.
# Neither it nor its log may go to the terminal by themselves.
logging.getLogger("PIL").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.(TiffImagePlugin|PngImagePlugin)")


def _metered(reader: Opener, stream: IO[bytes]) -> ImageFile.ImageFile:
    stream.seek(0)
    meter = Metered(stream)
    picture = reader(cast("IO[bytes]", meter))
    meter.release()
    return picture


def _jpeg(stream: IO[bytes]) -> ImageFile.ImageFile:
    jpeg.check(stream)
    return _metered(JpegImagePlugin.JpegImageFile, stream)


def _png(stream: IO[bytes]) -> ImageFile.ImageFile:
    png.check(stream)
    return _metered(PngImagePlugin.PngImageFile, stream)


def _bmp(stream: IO[bytes]) -> ImageFile.ImageFile:
    picture = _metered(BmpImagePlugin.BmpImageFile, stream)
    pixels = picture.width * picture.height
    if picture.tile[0][0] == "bmp_rle":  # a loop in Python, over single bytes
        if pixels > MAX_RUN_LENGTH or length_of(stream) > 2 * (pixels + picture.height) + 65_536:
            raise Refusal(
                f"{pixels / 1e6:,.1f} million pixels in run-length encoding, or very many runs of nothing; above "
                f"{MAX_RUN_LENGTH / 1e6:,.0f} million that is too slow to decode: save it without compression, or as PNG"
            )
        picture.fp = stream
    return picture


def _gif(stream: IO[bytes]) -> ImageFile.ImageFile:
    return _metered(GifImagePlugin.GifImageFile, stream)


def _webp(stream: IO[bytes]) -> ImageFile.ImageFile:
    return _metered(WebPFile, stream)


def _pnm(stream: IO[bytes]) -> ImageFile.ImageFile:
    return _metered(PnmFile, stream)


_OPENERS: tuple[tuple[bytes, Opener], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _webp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    *((signature, tiff.opened) for signature in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
    (b"BM", _bmp),
    *((b"P" + digit, _pnm) for digit in (b"1", b"2", b"3", b"4", b"5", b"6")),
)
PILLOWS = (  # Pillow's own readers for the same
    *(JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile, WebPImagePlugin.WebPImageFile),
    *(GifImagePlugin.GifImageFile, TiffImagePlugin.TiffImageFile, BmpImagePlugin.BmpImageFile),
    PpmImagePlugin.PpmImageFile,
)


def opened(stream: IO[bytes]) -> ImageFile.ImageFile:
    """Open a picture, which costs no more than its header.

    Raises:
        Refusal: it is empty, no picture, cut short, or above a limit; damage raises one of `whylight.images.files.DAMAGE`.
    """
    opener = opener_for(stream)
    if opener is not None:
        return opener(stream)
    stream.seek(0)
    head = stream.read(16)
    if not head:
        raise Refusal("the file is empty; copy it again from where it came")
    also = "; HEIC and AVIF files have to be converted first" if head[4:8] == b"ftyp" else ""
    raise Refusal(f"not a picture whylight reads; it should be {FORMATS}{also}")


def opener_for(stream: IO[bytes]) -> Opener | None:
    """The reader for what is in a stream; None where it is nothing that we read."""
    stream.seek(0)
    head = stream.read(16)
    opener = next((opener for signature, opener in _OPENERS if head.startswith(signature)), None)
    return None if opener is _webp and head[8:12] != b"WEBP" else opener  # RIFF also holds sound and video
