"""From anything a user calls a picture to upright RGB pixels, or to an error that names the file.

Files come from cameras, scanners, web pages and strangers, so each format is opened by its own reader after its
signature was recognised (no reader that starts other programs, none that nobody asked for), and the size in the header
is checked before a single pixel is decoded.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from typing import IO

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from whylight.errors import ImageError
from whylight.images.pixels import from_array, to_rgb
from whylight.images.walking import FORMATS, SUFFIXES, missing, walk

__all__ = ["FORMATS", "MAX_PIXELS", "SUFFIXES", "Picture", "decode", "name_of", "size_of", "walk"]

Picture = str | os.PathLike[str] | bytes | Image.Image | np.ndarray

MAX_PIXELS = 100_000_000

_READERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"GIF87a", GifImagePlugin.GifImageFile),
    (b"GIF89a", GifImagePlugin.GifImageFile),
    (b"II*\x00", TiffImagePlugin.TiffImageFile),
    (b"MM\x00*", TiffImagePlugin.TiffImageFile),
    (b"II+\x00", TiffImagePlugin.TiffImageFile),
    (b"MM\x00+", TiffImagePlugin.TiffImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    *((b"P" + digit, PpmImagePlugin.PpmImageFile) for digit in (b"1", b"2", b"3", b"4", b"5", b"6")),
)

# What the readers raise on damaged input. Warning is here for programs that turn warnings into errors.
_DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, AttributeError, OverflowError),
    *(struct.error, zlib.error, Image.DecompressionBombError, Warning),
)

_TURN = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = tuple(_TURN[orientation] for orientation in (5, 6, 7, 8))  # these swap width and height


def decode(source: Picture, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Read a picture as upright RGB, 8 bits a channel.

    Transparent parts lie over white; 16-bit, integer and float greys are scaled to 8 bits, not clipped; of an animation
    or a document the first frame counts. The EXIF orientation of a file, or of a picture just opened with
    `PIL.Image.open`, is applied; a PIL picture that was converted or edited since is taken as it stands. Colour
    profiles are not applied.

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
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, Image.Image):
        return _from_pil(source, name, max_pixels)
    if isinstance(source, bytes):
        return _from_stream(io.BytesIO(source), name, max_pixels)
    if not isinstance(source, str | os.PathLike):
        raise ImageError(
            f"{name}: a picture is a path, the bytes of a file, a PIL picture or a uint8 array, "
            f"not {type(source).__name__}"
        )
    try:
        with _open(name) as stream:
            return _from_stream(stream, name, max_pixels)
    except MemoryError:
        raise ImageError(f"{name}: decoding it needs more memory than there is; make the picture smaller") from None


def size_of(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Read the (width, height) that `decode` would give a file, from its header where the format allows.

    Raises:
        ImageError: the picture is missing, empty, too large or not a picture. Damage behind the header may go
            unnoticed.

    Examples:
        >>> size_of("examples/astronaut.jpg")
        (512, 512)
    """
    name = name_of(path)
    try:
        with _open(name) as stream, _reader_of(stream, name) as picture:
            _check_size(picture, name, max_pixels)
            if isinstance(picture, TiffImagePlugin.TiffImageFile):
                picture.load()  # which turns it upright, so that nothing is left to turn
            turn = _turn(picture)
            width, height = picture.size
    except MemoryError:
        raise ImageError(f"{name}: decoding it needs more memory than there is; make the picture smaller") from None
    except _DAMAGE as error:
        raise _damaged(name, error) from None
    return (height, width) if turn in _SIDEWAYS else (width, height)


def name_of(source: Picture) -> str:
    """What to call a picture in a message: its path, or "<array>", "<bytes>" or "<picture>".

    Examples:
        >>> name_of(b"..."), name_of("photos/dog.jpg")
        ('<bytes>', 'photos/dog.jpg')
    """
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, bytes):
        return "<bytes>"
    if isinstance(source, np.ndarray):
        return "<array>"
    filename = getattr(source, "filename", "")  # only pictures that PIL opened from a path have one
    return filename if isinstance(filename, str) and filename else "<picture>"


def _open(name: str) -> IO[bytes]:
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise ImageError(f"{name}: this is a folder, not a picture; whylight.images.walk lists the pictures in it")
        if not stat.S_ISREG(mode):  # reading a pipe or a device could wait for ever
            raise ImageError(f"{name}: this is not a regular file; read it yourself and pass its bytes")
        return open(name, "rb")
    except FileNotFoundError:
        raise ImageError(f"{name}: {missing(name)}") from None
    except PermissionError:
        raise ImageError(f"{name}: no permission to read this file; check who owns it") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"{name!r}: this file cannot be opened: {reason}") from None


def _from_stream(stream: IO[bytes], name: str, max_pixels: int) -> Image.Image:
    with _reader_of(stream, name) as picture:
        return _upright(picture, name, max_pixels)


def _reader_of(stream: IO[bytes], name: str) -> ImageFile.ImageFile:
    try:
        head = stream.read(16)
        stream.seek(0)
    except OSError as error:
        raise ImageError(f"{name}: this file cannot be read: {error.strerror}") from None
    if not head:
        raise ImageError(f"{name}: the file is empty; copy it again from where it came")
    reader = next((reader for signature, reader in _READERS if head.startswith(signature)), None)
    if reader is WebPImagePlugin.WebPImageFile and head[8:12] != b"WEBP":  # RIFF also holds sound and video
        reader = None
    if reader is None:
        also = "; HEIC and AVIF files have to be converted first" if head[4:8] == b"ftyp" else ""
        raise ImageError(f"{name}: not a picture whylight reads; it should be {FORMATS}{also}")
    try:
        return reader(stream, name)
    except _DAMAGE as error:
        raise _damaged(name, error) from None


def _from_pil(picture: Image.Image, name: str, max_pixels: int) -> Image.Image:
    if isinstance(picture, ImageFile.ImageFile):
        return _upright(picture, name, max_pixels)
    if 0 in picture.size:
        raise ImageError(f"{name}: the picture has no pixels: {picture.width} × {picture.height}")
    return _plain(to_rgb(picture, name))


def _check_size(picture: ImageFile.ImageFile, name: str, max_pixels: int) -> None:
    width, height = picture.size
    if width <= 0 or height <= 0:
        raise ImageError(f"{name}: the picture has no pixels: {width} × {height}")
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width} × {height} is {width * height / 1e6:,.1f} million pixels, above the limit of "
            f"{max_pixels / 1e6:,.1f} million; make the picture smaller"
        )


def _upright(picture: ImageFile.ImageFile, name: str, max_pixels: int) -> Image.Image:
    _check_size(picture, name, max_pixels)
    try:
        picture.load()
    except _DAMAGE as error:
        raise _damaged(name, error) from None
    turn = _turn(picture)
    rgb = to_rgb(picture, name)
    return _plain(rgb if turn is None else rgb.transpose(turn))


def _turn(picture: Image.Image) -> Image.Transpose | None:
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except _DAMAGE:
        return None  # the pixels are good; a broken note about the camera is no reason to refuse them
    return _TURN.get(orientation) if isinstance(orientation, int) else None


def _damaged(name: str, error: BaseException) -> ImageError:
    return ImageError(f"{name}: the picture is damaged or cut short ({error}); copy or export it again")


def _plain(picture: Image.Image) -> Image.Image:
    picture.info = {}  # an overlay saved later must not carry the source's profile, orientation or place
    return picture
