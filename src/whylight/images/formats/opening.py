"""Each format's own reader, chosen by the file's signature: none that starts other programs, none that nobody asked for."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import IO, NamedTuple, cast

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from whylight.images import kinds
from whylight.images.files import Metered, length_of
from whylight.images.formats import avif, heic, jpeg, png, tiff
from whylight.images.formats.pnm import PnmFile
from whylight.images.formats.webp import WebPFile
from whylight.images.limits import MAX_FILE, MAX_RUN_LENGTH, Refusal, allowed, too_much
from whylight.images.walking import FORMATS


class Asked(NamedTuple):
    """How a picture is to be opened: its name, "" where it has none; and the most pixels, None for what is allowed at present."""

    name: str = ""
    max_pixels: int | None = None


Opener = Callable[[IO[bytes], Asked], ImageFile.ImageFile]

_HEAD = 512  # bytes by which a file is told


# Pillow's doubts about tags and chunks nobody asked it for. The pixels are good or they are not: then it raises an error.
# Neither it nor its log may go to the terminal by themselves.
logging.getLogger("PIL").addHandler(logging.NullHandler())
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.(TiffImagePlugin|PngImagePlugin)")


def _metered(reader: Callable[[IO[bytes]], ImageFile.ImageFile], stream: IO[bytes]) -> ImageFile.ImageFile:
    stream.seek(0)
    meter = Metered(stream)
    picture = reader(cast("IO[bytes]", meter))
    meter.release()
    return picture


def _jpeg(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
    held = jpeg.check(stream)
    picture = _metered(jpeg.JpegFile, stream)
    assert isinstance(picture, jpeg.JpegFile)
    picture.held = held
    return picture


def _png(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
    png.check(stream)
    return _metered(PngImagePlugin.PngImageFile, stream)


def _bmp(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
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


def _gif(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
    return _metered(GifImagePlugin.GifImageFile, stream)


def _webp(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
    return _metered(WebPFile, stream)


def _pnm(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
    return _metered(PnmFile, stream)


def _tiff(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
    if _head(stream)[8:10] == b"CR":  # Canon's, whose first picture is a small one
        raise Refusal(kinds.about(kinds.RAW, asked.name))
    return tiff.opened(stream, asked.name)


def _boxed(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
    reader = _brand(_head(stream))
    assert reader is not None
    if length_of(stream) > MAX_FILE:
        raise too_much(f"more than {MAX_FILE // 2**20} MB")
    stream.seek(0)
    if asked.max_pixels is None:
        return reader.opened(stream.read(), allowed(), reader.cost)
    return reader.opened(stream.read(), asked.max_pixels, 1.0)


class _Boxed(NamedTuple):
    """Who opens the bytes of a file of boxes, with the most pixels and what each costs; and that cost."""

    opened: Callable[[bytes, int, float], ImageFile.ImageFile]
    cost: float


def _brand(head: bytes) -> _Boxed | None:
    """Who reads a file of boxes, by what it says that it is, and may be taken for."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end, 4))]
    for brand in brands:
        if brand in (b"avif", b"avis"):
            return _Boxed(avif.opened, avif.COST)
        if brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"):
            return _Boxed(heic.opened, heic.COST)
    return _Boxed(heic.opened, heic.COST) if b"mif1" in brands or b"msf1" in brands else None


def _head(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(_HEAD)


_OPENERS: tuple[tuple[bytes, Opener], ...] = (
    (b"\xff\xd8\xff", _jpeg),
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"RIFF", _webp),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    *((signature, _tiff) for signature in (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
    (b"BM", _bmp),
    *((b"P" + digit, _pnm) for digit in (b"1", b"2", b"3", b"4", b"5", b"6")),
)
PILLOWS = (  # Pillow's own readers for the same
    *(JpegImagePlugin.JpegImageFile, PngImagePlugin.PngImageFile, WebPImagePlugin.WebPImageFile),
    *(GifImagePlugin.GifImageFile, TiffImagePlugin.TiffImageFile, BmpImagePlugin.BmpImageFile),
    *(PpmImagePlugin.PpmImageFile, AvifImagePlugin.AvifImageFile),
)


def opened(stream: IO[bytes], asked: Asked) -> ImageFile.ImageFile:
    """Open a picture, which costs no more than its header.

    Raises:
        Refusal: it is empty, no picture, cut short, or above a limit; damage raises one of `whylight.images.files.DAMAGE`.
    """
    opener = opener_for(stream)
    if opener is not None:
        return opener(stream, asked)
    head = _head(stream)
    if not head:
        raise Refusal("the file is empty; copy it again from where it came")
    if head[4:8] == b"ftyp" and len(head) < int.from_bytes(head[:4], "big") <= _HEAD:
        raise Refusal("the picture is damaged or cut short (HEIC, AVIF or a film, of which only the head is there)")
    raise Refusal(kinds.advice(head, asked.name) or f"not a picture whylight reads; it should be {FORMATS}")


def opener_for(stream: IO[bytes]) -> Opener | None:
    """The reader for what is in a stream; None where it is nothing that we read."""
    head = _head(stream)
    if head[4:8] == b"ftyp":
        return _boxed if _brand(head) is not None else None
    opener = next((opener for signature, opener in _OPENERS if head.startswith(signature)), None)
    return None if opener is _webp and head[8:12] != b"WEBP" else opener  # RIFF also holds sound and video
