"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from whylight.errors import WriteError


@contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[IO[bytes]]:
    """Open a file to write; its bytes take their name in one step at the end, or not at all after an error or a kill.

    Args:
        path: the file; what was there stays until the new one is whole. Its folder must exist. A link is replaced, not followed:
            who can put one into a folder of results must not be able to write elsewhere.
        durable: wait until the bytes are on the disk, so that a power cut cannot leave an empty file either.

    Raises:
        OSError: if it cannot be written.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe or a device has no whole to appear; a folder is refused
        with open(path, "wb", opener=_without_waiting) as file:
            yield file
        return
    new = path.with_name(f".{secrets.token_hex(8)}.part")  # short, so that it fits where the name itself does
    try:
        with new.open("x+b") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _without_waiting(path: str, flags: int) -> int:
    """Open a pipe that somebody reads; one that nobody reads would be waited for without end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@contextmanager
def named_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Say which file it was: the system's own error for a full disk does not.

    Raises:
        WriteError: in place of each OSError.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from error
