"""From anything a user calls a picture to upright RGB pixels, or to an error that names the file.

Files come from cameras, scanners, web pages and strangers, so each format is opened by its own reader after its
signature was recognised (no reader that starts other programs, none that nobody asked for), and what the header says it
will cost is checked before a single pixel is decoded.
"""

from __future__ import annotations

import os
from typing import IO, NamedTuple

import numpy as np
from PIL import AvifImagePlugin, ExifTags, Image, ImageFile, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from whylight.images.files import DAMAGE, blaming
from whylight.images.formats import jpeg, png, tiff
from whylight.images.formats.heic import HeicFile
from whylight.images.formats.opening import PILLOWS, Asked, opened, opener_for
from whylight.images.limits import MAX_PIXELS, MAX_SCANNED, MAX_SCANS, MAX_SIDE, allowed, check_size
from whylight.images.pixels import SIDEWAYS, from_array, to_rgb
from whylight.images.sources import Picture, can_go_back, is_file, name_of, stream_of
from whylight.images.walking import FORMATS, SUFFIXES, walk

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "MAX_SCANNED",
    "MAX_SCANS",
    "MAX_SIDE",
    "SUFFIXES",
    "Picture",
    "Read",
    "decode",
    "name_of",
    "pixels_in",
    "read",
    "size_of",
    "walk",
]


class Read(NamedTuple):
    """A picture as it was read.

    Attributes:
        picture: upright, RGB, 8 bits a channel.
        size: its own (width, height), upright, which boxes are told in pixels of.
        times: how many times smaller the sides of `picture` are: 1, but for very large JPEGs.
    """

    picture: Image.Image
    size: tuple[int, int]
    times: int = 1


_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode(source: Picture, *, max_pixels: int | None = None) -> Image.Image:
    """Read a picture as upright RGB, 8 bits a channel.

    Transparent parts lie over white; 16-bit, integer and float greys are scaled to 8 bits, not clipped; of an animation
    or a document the first frame counts. The EXIF orientation of a file, or of a picture just opened with
    `PIL.Image.open`, is applied; a PIL picture that was converted or edited since is taken as it stands. Colour
    profiles are not applied.

    A JPEG of more than `MAX_PIXELS` (100 million) is read at a half, a quarter or an eighth of its size, up to 2 billion
    pixels; `read` tells its own size. Other files of more are refused, unless `allowing` allows them.

    No picture may have a side above `MAX_SIDE` (100,000) pixels. A JPEG that comes in several scans, as progressive ones
    do, may have `MAX_SCANS` (100), and scans times pixels may be `MAX_SCANNED` (2 billion). What Pillow decodes slowly
    has limits of its own: 50 million values in a PNM that spells them out, 5 million pixels in a BMP with run-length
    encoding. AVIF and HEIC take a quarter more memory, and may have 80 million pixels. Notes, profiles and thumbnails may
    take 32 MB, EXIF data 4 MB of them. At its peak decoding takes 9 bytes for each pixel, the result included, and 32 MB
    besides; 10 for a progressive JPEG in full colour resolution, and for a lossless WebP as many more as it was compressed to.

    Args:
        source: a path, the bytes of a file, an open file, a PIL picture, or a uint8 array: (H,W,3) RGB, (H,W,4) RGBA,
            (H,W) or (H,W,1) grey.
        max_pixels: the most pixels a file may hold; checked on its header, before anything is decoded, and nothing is
            read reduced. Default: what `allowing` allows.

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
    return read(source, max_pixels=max_pixels).picture


def read(source: Picture, *, max_pixels: int | None = None) -> Read:
    """The same with the picture's own size, which a very large JPEG is not read at.

    Examples:
        >>> from whylight.images import allowing, read
        >>> with allowing(megapixels=0.1):
        ...     read("examples/astronaut.jpg")
        Read(picture=<PIL.Image.Image image mode=RGB size=256x256 at 0x...>, size=(512, 512), times=2)
    """
    name = name_of(source)
    with blaming(name):
        if isinstance(source, np.ndarray):
            return _whole(from_array(source))
        if isinstance(source, Image.Image):
            return _from_pil(source, max_pixels)
        with stream_of(source) as stream:
            return _from_stream(stream, _asked(source, max_pixels))


def size_of(source: Picture, *, max_pixels: int | None = None) -> tuple[int, int]:
    """Read the picture's own (width, height), upright, from its header.

    Raises:
        ImageError: the picture is missing, empty, too large or not a picture. Damage behind the header may go
            unnoticed.

    Examples:
        >>> size_of("examples/astronaut.jpg")
        (512, 512)
    """
    if isinstance(source, Image.Image):
        return source.size
    if isinstance(source, np.ndarray):
        return int(source.shape[1]), int(source.shape[0])
    with blaming(name_of(source)), stream_of(source) as stream:
        return _size_in(stream, _asked(source, max_pixels))


def pixels_in(source: Picture) -> int:
    """Count the pixels that a picture takes memory for while it is decoded, from the header where it is a file.

    Those of a JPEG that is read reduced are fewer than it has; one in several scans is held whole beside them. An open file
    that cannot be gone back in counts as 0.

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
    if is_file(source) and not can_go_back(source):
        return 0
    with blaming(name_of(source)), stream_of(source) as stream, opened(stream, _asked(source, None)) as picture:
        times = _times(picture, None)
        held = picture.held // 4 if isinstance(picture, jpeg.JpegFile) and times > 1 else 0
        return -(-picture.width // times) * -(-picture.height // times) + held


def _asked(source: object, max_pixels: int | None) -> Asked:
    return Asked(name_of(source) if isinstance(source, str | os.PathLike) else "", max_pixels)


def _whole(picture: Image.Image) -> Read:
    return Read(picture, picture.size)


def _from_stream(stream: IO[bytes], asked: Asked) -> Read:
    with opened(stream, asked) as picture:
        return _upright(picture, asked.max_pixels, ours=True)


def _size_in(stream: IO[bytes], asked: Asked) -> tuple[int, int]:
    with opened(stream, asked) as picture:
        _times(picture, asked.max_pixels)
        width, height = picture.size
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            width, height = tiff.stored_size(picture)
        turn = _turn_of_png(stream) if isinstance(picture, PngImagePlugin.PngImageFile) else _turn(picture)
    return (height, width) if turn in SIDEWAYS else (width, height)


def _times(picture: ImageFile.ImageFile, max_pixels: int | None) -> int:
    """How many times smaller than it is a picture is read; refuses one that is too large for that."""
    if max_pixels is None and isinstance(picture, jpeg.JpegFile):
        return jpeg.times_smaller(picture.size, allowed())
    if not isinstance(
        picture, AvifImagePlugin.AvifImageFile | HeicFile
    ):  # those were held against it when they were opened
        check_size(picture.size, allowed() if max_pixels is None else max_pixels)
    return 1


def _from_pil(picture: Image.Image, max_pixels: int | None) -> Read:
    if not isinstance(picture, ImageFile.ImageFile):
        check_size(picture.size, None)
        return _whole(_plain(to_rgb(picture)))
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
            asked = _asked(name_of(picture), max_pixels)
            found = _from_stream(picture.fp, asked) if opener_for(picture.fp) is not None else None
        finally:
            picture.fp.seek(here)
        if found is not None:
            if found.times == 1:
                picture.load()  # as Pillow would have done it: it lets go of its file with that
            return found
    return _upright(picture, max_pixels)


def _upright(picture: ImageFile.ImageFile, max_pixels: int | None, *, ours: bool = False) -> Read:
    times, size = _times(picture, max_pixels), picture.size
    if times > 1:
        picture.draft(None, (size[0] // times, size[1] // times))
    if isinstance(picture, TiffImagePlugin.TiffImageFile) and picture.tile:
        tiff.prepare(picture)
    picture.load()
    turn = _turn(picture)
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        tiff.forget(picture)
    if ours and turn is None and picture.mode == "RGB" and "transparency" not in picture.info:
        made = _plain(picture._new(picture.im))  # nobody else holds the pixels: a copy would take as much again
    else:
        made = _plain(to_rgb(picture, turn))
    if times == 1:
        return _whole(made)
    return Read(made, size[::-1] if turn in SIDEWAYS else size, times)


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
