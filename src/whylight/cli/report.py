"""What people read while and after a run: lines, a progress bar, a summary. Never mixed with JSON on stdout."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import typer

from whylight.atomic import named_errors
from whylight.errors import WhylightError, WhylightWarning

_SHOWN = 20  # broken pictures named on the screen; all of them are in errors.jsonl


def sentence(record: Mapping[str, Any], folder: Path) -> str:
    """One result in words: what, how sure, where the evidence is, and where the picture of it went."""
    sure = record["probability"]
    certainty = f"{percent(sure)}" if sure is not None else f"score {record['score']:.4g}"
    if record["blank"]:
        where = "no positive evidence for it anywhere"
    else:
        x, y = record["peak_x"], record["peak_y"]
        part = place(x / record["width"], y / record["height"])
        where = f"the evidence peaks at x={x:.0f} y={y:.0f}, {part} of the picture"
    masks = (record.get("details") or {}).get("masks")
    taken = f", from {masks:,} masks" if masks else ""
    return f"{record['picture']}: {record['label']} ({certainty}), {where}{taken} → {folder / record['file']}"


def place(x: float, y: float) -> str:
    """A place in a picture in words, from its share of the width and of the height.

    >>> place(0.5, 0.2), place(0.9, 0.5), place(0.5, 0.5)
    ('upper middle', 'right middle', 'centre')
    """
    column = ("left", "middle", "right")[min(int(x * 3), 2)]
    row = ("upper", "", "lower")[min(int(y * 3), 2)]
    if not row:
        return "centre" if column == "middle" else f"{column} middle"
    return f"{row} {column}"


def percent(share: float) -> str:
    """99.97 % is not 100 %: as many decimals as it takes to keep certainty apart from near certainty, at most four."""
    for decimals in (1, 2, 3, 4):
        text = f"{100 * share:.{decimals}f}"
        if share in (0.0, 1.0) or float(text) not in (0.0, 100.0):
            return f"{text} %"
    return "> 99.9999 %" if share > 0.5 else "< 0.0001 %"


def show_errors(errors: list[dict[str, str]], file: Path) -> None:
    """Name the pictures that failed."""
    for error in errors[:_SHOWN]:
        typer.echo(f"whylight: {error['error']}", err=True)
    if len(errors) > _SHOWN:
        typer.echo(f"whylight: … and {len(errors) - _SHOWN} more, all in {file}", err=True)


class JsonOut:
    """Where `--json` goes: a file, stdout (`-`), or nowhere (None)."""

    def __init__(self, where: str | None) -> None:
        self.to_stdout, self._where = where == "-", where or ""
        self._file: IO[str] | None = None
        if where and not self.to_stdout:
            try:
                self._file = Path(where).open("w", encoding="utf-8")  # noqa: SIM115 (close() closes it)
            except OSError as error:
                raise WhylightError(f"--json {where}: cannot be written: {error.strerror}") from error

    def put(self, value: Mapping[str, Any]) -> None:
        """Write one line."""
        if self.to_stdout:
            typer.echo(json.dumps(value, ensure_ascii=False))
        elif self._file:
            with named_errors(self._where):
                self._file.write(json.dumps(value, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file:
            with named_errors(self._where):
                self._file.close()

    def say(self, text: str) -> None:
        """Print a line for people: on stdout, unless JSON has it."""
        typer.echo(text, err=self.to_stdout)


@contextmanager
def calm_warnings() -> Iterator[None]:
    """Show our own warnings as one plain line on stderr; other libraries' (odd EXIF data, …) only if -W asks.

    Their log lines (each retry of a download, with its address) are silenced too: our error says what was tried.
    """
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", WhylightWarning)

            def show(message: Warning | str, *rest: Any, **more: Any) -> None:
                typer.echo(f"whylight: {message}", err=True)

            warnings.showwarning = show
            logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
