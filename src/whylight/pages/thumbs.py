"""The small pictures of a page, kept in the results folder, so that the next page need not make them again."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from whylight.errors import WhylightError, WriteError
from whylight.images import decode
from whylight.jobs.folder import place_in, put
from whylight.jsontext import dumps, loads
from whylight.pipeline.ahead import Source, ahead
from whylight.pipeline.workers import Workers
from whylight.render.thumbnail import thumbnail

FOLDER = ".page"  # hidden, and its files have no suffix: nobody takes them for pictures or results
_MOST = 1 << 22  # bytes of a thumbnail or a list of classes; ours have far fewer


class Thumbs:
    """Small pictures by name, of which each tells what it is made of: the same name is the same picture.

    Args:
        folder: the results folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        """Whether it is there."""
        return self._path(name) is not None

    def get(self, name: str) -> bytes | None:
        """The bytes of a WebP file; None where there is none: what else lies in its place goes on no page."""
        data = self._read(name)
        return data if data is not None and data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None

    def keep(self, name: str, data: bytes) -> None:
        """Write one down; threads may."""
        put(self.folder, f"{FOLDER}/{name}", data)

    def keep_list(self, name: str, words: Collection[str]) -> None:
        """Write down a list of words."""
        self.keep(name, dumps(list(words)).encode())

    def get_list(self, name: str) -> list[str] | None:
        """A list of words; None where there is none."""
        data = self._read(name)
        try:
            words = None if data is None else loads(data)
        except ValueError:
            return None
        return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None

    def make(self, wanted: Mapping[str, str], workers: Workers, check: Callable[[], None] = lambda: None) -> None:
        """Make those that are missing from files; one that cannot be read has none.

        Args:
            wanted: name → path of a picture.
            workers: the threads in which they are decoded, as many at once as memory is meant for.
            check: called after each; what it raises ends the work, and what is made is kept.
        """
        missing = [name for name in wanted if not self.has(name)]

        def made(place: int, source: Source, pixels: int) -> int:
            self.keep(missing[place], thumbnail(decode(source)))  # type: ignore[arg-type]  # paths alone
            return pixels

        def failed(source: Any, error: WhylightError) -> None:
            if isinstance(error, WriteError):
                raise error

        for pixels in ahead([wanted[name] for name in missing], made, workers, workers.count, failed):
            if pixels is not None:
                workers.give(pixels)
            check()

    def sweep(self, used: Collection[str]) -> None:
        """Delete all that are not among these."""
        folder = self.folder / FOLDER
        if folder.is_symlink() or not folder.is_dir():
            return
        for name in set(os.listdir(folder)) - set(used):
            if not (folder / name).is_dir():
                (folder / name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path | None:
        """Where a file of ours lies; None where there is none: through a link, somebody else's would get on the page."""
        try:
            path = place_in(self.folder, f"{FOLDER}/{name}")
            facts = path.lstat()
        except (OSError, WriteError):
            return None
        return path if stat.S_ISREG(facts.st_mode) and facts.st_size <= _MOST else None

    def _read(self, name: str) -> bytes | None:
        path = self._path(name)
        return None if path is None else path.read_bytes()


def name_of(*facts: Any) -> str:
    """The name of what is made of some facts.

    >>> name_of("a.jpg", 1) == name_of("a.jpg", 1) != name_of("a.jpg", 2)
    True
    """
    return hashlib.sha256(dumps(facts).encode()).hexdigest()[:32]
