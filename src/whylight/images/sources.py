"""What a user may call a picture: its name, and its bytes where it lies in a file."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, TypeGuard

import numpy as np
from PIL import Image

from whylight.images.files import open_file
from whylight.images.limits import MAX_FILE, Refusal

Picture = str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | np.ndarray


class Named(bytes):
    """The bytes of a picture that came without a file, under a name."""

    name: str

    @classmethod
    def of(cls, data: bytes, name: str) -> Named:
        """These bytes under that name."""
        made = cls(data)
        made.name = name
        return made


def name_of(source: Picture) -> str:
    """What to call a picture: its path as it is, or "<array>", "<bytes>", "<file>" or "<picture>".

    `whylight.shown` makes it fit to print.

    Examples:
        >>> name_of(b"..."), name_of("photos/dog.jpg")
        ('<bytes>', 'photos/dog.jpg')
    """
    if isinstance(source, str | os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, bytes):
        return source.name if isinstance(source, Named) else "<bytes>"
    if isinstance(source, np.ndarray):
        return "<array>"
    if is_file(source):
        return _text(source, "name") or "<file>"
    return _text(source, "filename") or "<picture>"  # only pictures that PIL opened from a path have one


def is_file(source: object) -> TypeGuard[IO[bytes]]:
    """Whether something is an open file, or like one."""
    return callable(getattr(source, "read", None))


@contextmanager
def stream_of(source: str | os.PathLike[str] | bytes | IO[bytes]) -> Iterator[IO[bytes]]:
    """A file that can be read from its beginning, and again.

    Of an open file that is what follows from where it stands; it stands there again afterwards, if it can.

    Raises:
        ImageError, Refusal: it cannot be opened, is no file of bytes, or holds too much.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif is_file(source):
        here = source.tell() if can_go_back(source) else None
        yield io.BytesIO(read_all(source))
        if here is not None:
            source.seek(here)
    elif isinstance(source, str | os.PathLike):
        with open_file(name_of(source)) as stream:
            yield stream
    else:
        raise Refusal(
            "a picture is a path, the bytes of a file, an open file, a PIL picture or a uint8 array, "
            f"not {type(source).__name__}"
        )


def read_all(stream: IO[bytes], most: int = MAX_FILE) -> bytes:
    """All that is left in a file, however it comes in.

    Raises:
        Refusal: it is text, or more than `most` bytes.
    """
    parts: list[bytes] = []
    left = most + 1
    while left > 0 and (part := stream.read(min(left, 2**24))):
        if not isinstance(part, bytes):
            raise Refusal('this file was opened as text; open it with "rb"')
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise Refusal(f"more than {most // 2**20} MB came in; give the path of a file")
    return b"".join(parts)


def can_go_back(stream: Any) -> bool:
    """Whether a file can be read twice."""
    can = getattr(stream, "seekable", None)
    return can is not None and bool(can())


def _text(thing: Any, name: str) -> str:
    """An attribute, where it is text; a file that was opened by its number has a number."""
    found = getattr(thing, name, "")
    return found if isinstance(found, str) else ""
