"""From anything a user calls a picture to upright RGB pixels, or to an error that names the file.

Files come from cameras, scanners, web pages and strangers, so each format is opened by its own reader after its
signature was recognised (no reader that starts other programs, none that nobody asked for), and what the header says it
will cost is checked before a single pixel is decoded.
"""

from __future__ import annotations

import io
import os
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageFile, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from whylight.images.files import DAMAGE, blaming, open_file
from whylight.images.formats import png, tiff
from whylight.images.formats.opening import PILLOWS, opened, opener_for
from whylight.images.limits import MAX_PIXELS, MAX_SCANNED, MAX_SCANS, MAX_SIDE, Refusal, check_size
from whylight.images.pixels import SIDEWAYS, from_array, to_rgb
from whylight.images.walking import FORMATS, SUFFIXES, walk

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MAX_SCANNED",
    "MAX_SCANS",
    "MAX_SIDE",
    "SUFFIXES",
    "Picture",
    "decode",
    "name_of",
    "pixels_in",
    "size_of",
    "walk",
]

Picture = str | os.PathLike[str] | bytes | Image.Image | np.ndarray

_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(source: Picture, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture as upright RGB, 8 bits a channel.

    Transparent parts lie over white; 16-bit, integer and float greys are scaled to 8 bits, not clipped; of an animation
    or a document the first frame counts. The EXIF orientation of a file, or of a picture just opened with
    `PIL.Image.open`, is applied; a PIL picture that was converted or edited since is taken as it stands. Colour
    profiles are not applied.

    No picture may have a side above `MAX_SIDE` (100,000) pixels. A JPEG that comes in several scans, as progressive ones
    do, may have `MAX_SCANS` (100), and scans times pixels may be `MAX_SCANNED` (2 billion). What Pillow decodes slowly
    has limits of its own: 50 million values in a PNM that spells them out, 5 million pixels in a BMP with run-length
    encoding. Notes, profiles and thumbnails may take 32 MB, EXIF data 4 MB of them. At its peak decoding takes 9 bytes
    for each pixel, the result included, and 32 MB besides; 10 for a progressive JPEG in full colour resolution, and for
    a lossless WebP as many more as it was compressed to.

    Args:
        source: a path, the bytes of a file, a PIL picture, or a uint8 array: (H,W,3) RGB, (H,W,4) RGBA, (H,W) or
            (H,W,1) grey.
        max_pixels: the most pixels a file may hold; checked on its header, before anything is decoded.

    Returns:
        A new PIL picture in mode RGB. The source is left alone.

    Raises:
        ImageError: the picture is missing, empty, damaged, too large or not a picture. The message names it.

    Examples:
        >>> import numpy as np
        >>> from whylight.images import decode
        >>> decode(np.zeros((2, 3), np.uint8)).size
        (3, 2)
    """
    name = name_of(source)
    with blaming(name):
        if isinstance(source, np.ndarray):
            return from_array(source)
        if isinstance(source, Image.Image):
            return _from_pil(source, max_pixels)
        if isinstance(source, bytes):
            return _from_stream(io.BytesIO(source), max_pixels)
        if not isinstance(source, str | os.PathLike):
            raise Refusal(
                f"a picture is a path, the bytes of a file, a PIL picture or a uint8 array, not {type(source).__name__}"
            )
        with open_file(name) as stream:
            return _from_stream(stream, max_pixels)


def size_of(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Read the (width, height) that `decode` would give a file, from its header.

    Raises:
        ImageError: the picture is missing, empty, too large or not a picture. Damage behind the header may go
            unnoticed.

    Examples:
        >>> size_of("examples/astronaut.jpg")
        (512, 512)
    """
    name = name_of(path)
    with blaming(name), open_file(name) as stream:
        return _size_in(stream, max_pixels)


def pixels_in(source: Picture) -> int:
    """Count the pixels of a picture, from the header where it is a file: what memory decoding it will take depends on them.

    Raises:
        ImageError: as `size_of`.

    Examples:
        >>> pixels_in("examples/astronaut.jpg")
        262144
    """
    if isinstance(source, Image.Image):
        return source.width * source.height
    if isinstance(source, np.ndarray):
        return int(np.prod(source.shape[:2]))
    if isinstance(source, bytes):
        with blaming(name_of(source)):
            width, height = _size_in(io.BytesIO(source), MAX_PIXELS)
    else:
        width, height = size_of(source)
    return width * height


def name_of(source: Picture) -> str:
    """What to call a picture: its path as it is, or "<array>", "<bytes>" or "<picture>"; `whylight.shown` makes it fit to print.

    Examples:
        >>> name_of(b"..."), name_of("photos/dog.jpg")
        ('<bytes>', 'photos/dog.jpg')
    """
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, bytes):
        return "<bytes>"
    if isinstance(source, np.ndarray):
        return "<array>"
    filename = getattr(source, "filename", "")  # only pictures that PIL opened from a path have one
    return filename if isinstance(filename, str) and filename else "<picture>"


def _from_stream(stream: IO[bytes], max_pixels: int) -> Image.Image:
    with opened(stream) as picture:
        return _upright(picture, max_pixels, ours=True)


def _size_in(stream: IO[bytes], max_pixels: int) -> tuple[int, int]:
    with opened(stream) as picture:
        check_size(picture.size, max_pixels)
        width, height = picture.size
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            width, height = tiff.stored_size(picture)
        turn = _turn_of_png(stream) if isinstance(picture, PngImagePlugin.PngImageFile) else _turn(picture)
    return (height, width) if turn in SIDEWAYS else (width, height)


def _from_pil(picture: Image.Image, max_pixels: int) -> Image.Image:
    if not isinstance(picture, ImageFile.ImageFile):
        check_size(picture.size, None)
        return _plain(to_rgb(picture))
    fresh = picture.tile or (isinstance(picture, WebPImagePlugin.WebPImageFile) and picture.fp is not None)
    if (
        fresh
        and picture.fp is not None
        and isinstance(picture, PILLOWS)
        and not picture.decoderconfig
        and not picture.tell()
    ):
        # Not read yet: our own readers begin again, with all that they check.
        here = picture.fp.tell()
        try:
            found = _from_stream(picture.fp, max_pixels) if opener_for(picture.fp) is not None else None
        finally:
            picture.fp.seek(here)
        if found is not None:
            picture.load()  # as Pillow would have done it: it lets go of its file with that
            return found
    return _upright(picture, max_pixels)


def _upright(picture: ImageFile.ImageFile, max_pixels: int, *, ours: bool = False) -> Image.Image:
    check_size(picture.size, max_pixels)
    if isinstance(picture, TiffImagePlugin.TiffImageFile) and picture.tile:
        tiff.prepare(picture)
    picture.load()
    turn = _turn(picture)
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        tiff.forget(picture)
    if ours and turn is None and picture.mode == "RGB" and "transparency" not in picture.info:
        return _plain(picture._new(picture.im))  # nobody else holds the pixels: a copy would take as much again
    return _plain(to_rgb(picture, turn))


def _turn(picture: Image.Image) -> Image.Transpose | None:
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except DAMAGE:
        return None  # the pixels are good; a broken note about the camera is no reason to refuse them
    return _TURN.get(orientation) if isinstance(orientation, int) else None


def _turn_of_png(stream: IO[bytes]) -> Image.Transpose | None:
    try:
        return _turn(png.notes_of(stream))
    except DAMAGE:
        return None


def _plain(picture: Image.Image) -> Image.Image:
    picture.info = {}  # an overlay saved later must not carry the source's profile, orientation or place
    return picture
