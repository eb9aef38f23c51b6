"""One line of JSON for each frame."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import IO, Any, Self

from whylight.errors import WriteError
from whylight.images.files import why
from whylight.jsontext import dumps
from whylight.live.stream import Seen
from whylight.shown import shown


def line_of(seen: Seen) -> dict[str, Any]:
    """What is told of a frame: times in seconds, places in its pixels."""
    explanation = seen.explanation
    return {
        "source": seen.frame.source,
        "frame": seen.frame.number,
        "time": round(seen.frame.time, 6),
        "label": explanation.label,
        "target": explanation.target,
        "probability": explanation.probability,
        "score": explanation.score,
        "peak": None if explanation.peak is None else [round(value, 1) for value in explanation.peak],
        "boxes": [
            {"id": number, "box": [round(side, 1) for side in box]}
            for number, box in zip(seen.ids, seen.boxes, strict=True)
        ],
        "stability": None if seen.stability is None else round(seen.stability, 4),
    }


class Lines:
    """Writes a line for each frame to a file, or to standard output (`-`); used in a `with` block."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None or self._path == "-":
            return
        try:
            self._file.close()
        except OSError as again:  # what could not be written before is tried again; that was told then
            if error is None:
                raise WriteError(f"{shown(self._path)}: cannot be written: {why(again)}") from again

    def write(self, seen: Seen) -> None:
        """Write one."""
        try:
            if (
                self._file is None
            ):  # not before there is something to write: what was there stays where a source cannot be opened
                self._file = sys.stdout if self._path == "-" else open(self._path, "w", encoding="utf-8")  # noqa: SIM115  # see __exit__
            self._file.write(dumps(line_of(seen), compact=True).rstrip("\n") + "\n")
            self._file.flush()  # whoever reads along sees it now, and a kill loses nothing
        except OSError as error:
            raise WriteError(f"{shown(self._path)}: cannot be written: {why(error)}") from error
