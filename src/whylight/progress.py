"""Progress bars on stderr where that is a terminal: pictures done, and the forwards of a method that takes many."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Bars:
    """Silent bars; `bars` gives ones that show where there is somebody to see them."""

    def picture(self) -> None:
        """One picture is done."""

    def step(self, done: int, total: int) -> None:
        """So many forwards of the present method on the present picture are done."""


@contextmanager
def bars(total: int | None, what: str, *, slow: bool = False) -> Iterator[Bars]:
    """Show progress while the block runs, if stderr is a terminal.

    Args:
        total: number of pictures; None where it is not known.
        what: a word for what is done.
        slow: one picture alone takes long enough for a bar of its own.
    """
    if (total is not None and total < 2 and not slow) or not sys.stderr.isatty():
        yield Bars()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        pictures = shown.add_task(what, total=total)
        steps = shown.add_task("  forwards", total=None, visible=False)

        class Shown(Bars):
            def picture(self) -> None:
                shown.advance(pictures)
                shown.update(steps, visible=False)

            def step(self, done: int, total: int) -> None:
                shown.update(steps, completed=done, total=total, visible=done < total)

        yield Shown()
