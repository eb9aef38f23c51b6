"""A progress bar with loss and accuracy; silent where the output is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import rich.progress
from rich.console import Console


class Progress:
    """Shows what a run is doing, on stderr."""

    def __init__(self, shown: bool) -> None:
        self.console = Console(stderr=True)
        self.shown = shown
        self.bar = rich.progress.Progress(
            rich.progress.TextColumn("{task.description}"),
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            console=self.console,
            disable=not (shown and self.console.is_terminal),
        )
        self.current: rich.progress.TaskID | None = None
        self.number = -1

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def say(self, remark: str) -> None:
        """Show a line."""
        if self.shown:
            self.console.print(remark, highlight=False, markup=False, soft_wrap=True)

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """A bar for one piece of work; yields what to call after each of `total` steps."""
        task = self.bar.add_task(name, total=total)
        yield lambda: self.bar.advance(task)
        self.bar.remove_task(task)

    def finished(self, row: Mapping[str, float], epochs: int) -> None:
        """An epoch is over: a line for it, wherever the output goes."""
        if self.current is not None:
            self.bar.remove_task(self.current)
            self.current = None
        self.say(
            f"epoch {row['epoch']:.0f}/{epochs}  loss {row['train_loss']:.4f}  accuracy {row['train_accuracy']:.2%}  "
            f"validation: loss {row['val_loss']:.4f}  accuracy {row['val_accuracy']:.2%}  {row['seconds']:.1f} s"
        )

    def epoch(self, epoch: int, step: int, steps: int, loss: float, accuracy: float) -> None:
        """One more step of an epoch."""
        if self.current is None or self.number != epoch:
            self.current = self.bar.add_task("", total=steps)
            self.number = epoch
        text = f"epoch {epoch + 1:3}  loss {loss:.4f}  accuracy {accuracy:.2%}"
        self.bar.update(self.current, completed=step, description=text)
