"""Files on a disk that may be full of holes: every error of the system comes out with the file's name."""

from __future__ import annotations

import errno
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image

from whylight.images.limits import EXTRA, Refusal, named, too_much

# What the readers raise on damaged input. Warning is here for programs that turn warnings into errors.
DAMAGE = (
    *(OSError, SyntaxError, ValueError, TypeError, IndexError, KeyError, EOFError, AttributeError, OverflowError),
    *(
        AssertionError,
        SystemError,
        RuntimeError,
        ZeroDivisionError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
        Warning,
    ),
)
_STEPS = 1_000_000  # reads that it may take to come to the pixels: about a second
_WORDS = {
    errno.ENOENT: "no such file or folder; check the path",
    errno.EACCES: "no permission to read it; check who owns it",
    errno.ENAMETOOLONG: "the name is too long for this system; shorten the path",
    errno.ELOOP: "a link in the path leads round in a circle; give the path of the file itself",
    errno.EIO: "the disk or the network gives an error; copy the file again from where it came",
    errno.ESTALE: "it is gone from the network folder, or was replaced; try again",
}


def why(error: OSError) -> str:
    """The system's reason in words, and what to do about it where that is plain."""
    return _WORDS.get(error.errno or 0) or (error.strerror or str(error) or type(error).__name__)


@contextmanager
def blaming(name: str) -> Iterator[None]:
    """Turn whatever goes wrong with a picture into an ImageError that names it.

    Raises:
        ImageError: for a refusal, damage, an error of the system, or a lack of memory.
    """
    try:
        yield
    except Refusal as error:
        raise named(name, error) from None
    except MemoryError:
        raise named(name, "decoding it needs more memory than there is; make the picture smaller") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:  # without a number it is Pillow's own
            raise named(name, f"this file cannot be read: {why(error)}") from None
        what = str(error) or type(error).__name__
        raise named(name, f"the picture is damaged or cut short ({what}); copy or export it again") from None


def open_file(name: str) -> IO[bytes]:
    """Open a regular file.

    Raises:
        ImageError: there is none, or it cannot be opened.
    """
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise named(name, "this is a folder, not a picture; whylight.images.walk lists the pictures in it")
        if not stat.S_ISREG(mode):  # reading a pipe or a device could wait for ever
            raise named(name, "this is not a regular file; read it yourself and pass its bytes")
        return open(name, "rb")
    except FileNotFoundError:
        raise named(name, missing(name)) from None
    except PermissionError:
        raise named(name, "no permission to read this file; check who owns it") from None
    except OSError as error:
        raise named(name, f"this file cannot be opened: {why(error)}") from None
    except ValueError as error:  # a NUL in the path, or letters that no file name can have
        raise named(name, f"this file cannot be opened: {error}") from None


def missing(name: str) -> str:
    """Why there is nothing behind a name, and what to do."""
    if name.startswith(("http://", "https://")):
        return "this is a web address; download the picture and give its path"
    return "no such file or folder; check the path"


def length_of(stream: IO[bytes]) -> int:
    """How many bytes a stream holds; its place is kept."""
    here = stream.tell()
    stream.seek(0, os.SEEK_END)
    end = stream.tell()
    stream.seek(here)
    return end


class Metered:
    """A stream that will not be read for ever before the first pixel: junk, notes and comments can be of any length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._steps, self._bytes, self._counts = stream, 0, 0, True

    def release(self) -> None:
        """Stop counting: what follows is pixels."""
        self._counts = False

    def read(self, size: int | None = -1) -> bytes:
        """Read as from a file.

        Raises:
            Refusal: if it was too much by now.
        """
        data = self._stream.read(-1 if size is None else size)
        if self._counts:
            self._steps += 1
            self._bytes += len(data)
            if self._steps > _STEPS or self._bytes > EXTRA:
                raise too_much(f"more than {EXTRA // 2**20} MB of notes, or a million pieces of them,")
        return data

    def readinto(self, buffer: memoryview) -> int:
        """Read as from a file, pixels only."""
        return int(self._stream.readinto(buffer))  # type: ignore[attr-defined]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._stream.tell()

    def close(self) -> None:
        """Nothing: the stream is closed by whoever opened it."""
