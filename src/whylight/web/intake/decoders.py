"""A few child processes that decode uploads, one at a time each; a child that dies takes one upload with it and is replaced."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from pebble import ProcessExpired, ProcessPool

from whylight.web.intake import child
from whylight.web.intake.child import Frame, Upright
from whylight.web.intake.limits import Limits
from whylight.web.intake.refused import Refused, busy, damaged, not_stored, too_slow
from whylight.web.intake.signatures import HEAD, refusal, sniff

__all__ = ["Decoders", "Frame", "Limits", "Upright"]

PICTURE, VIEW = "picture.ppm", "view.jpg"
_log = logging.getLogger(__name__)
_SLACK = 1.0  # seconds; a pool that gives no answer for so long after it must have is stuck
_WARM = 0.05  # seconds for which a child is kept busy, so that the next question goes to another
_Answer = TypeVar("_Answer", Upright, Frame)


class Decoders:
    """The child processes. They start with the first question, or with `warm`; any thread may ask.

    Args:
        count: how many children.
        limits: what an upload may cost.

    Examples:
        >>> from whylight.web.intake import Decoders
        >>> with Decoders(count=1) as decoders, open("examples/astronaut.jpg", "rb") as file:
        ...     decoders.pixels(file.read(), longest=256)[:2]
        (256, 256)
    """

    def __init__(self, count: int = 2, limits: Limits = Limits()) -> None:  # noqa: B008  # a tuple cannot change
        self.count, self.limits = count, limits
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def warm(self, *, wait: bool = True) -> None:
        """Start the children, so that the first upload does not wait for them.

        Args:
            wait: come back when each of them is ready, rather than at once.
        """
        pool = self._running().pool
        futures = [pool.schedule(child.ready, args=(_WARM,)) for _ in range(self.count)]
        for future in futures if wait else ():
            future.result()

    def close(self) -> None:
        """Stop the children. Whatever is asked later starts new ones."""
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is not None:
            kept.stop(wait=True)

    def upright(self, data: bytes, folder: Path, *, view: bool) -> Upright:
        """Decode an upload and write it into a folder: `picture.ppm`, upright RGB in lossless form, and nothing else of it.

        Args:
            data: the whole upload.
            folder: an existing folder, for this upload alone.
            view: write `view.jpg` too, small enough for a page.

        Raises:
            Refused: it is not taken. The folder is as it was before.
        """
        self._check(data)
        token = secrets.token_hex(8)
        parts = {name: folder / f".{token}.{name}.part" for name in ((VIEW, PICTURE) if view else (PICTURE,))}
        done: list[Path] = []
        try:
            small = os.fspath(parts[VIEW]) if view else None
            found = self._ask(child.upright, (data, os.fspath(parts[PICTURE]), small))
            for name, part in parts.items():  # the picture last: where it is, all of it is there
                done.append(part.replace(folder / name))
        except BaseException as error:
            for path in (*parts.values(), *done):
                with suppress(OSError):
                    path.unlink()
            if isinstance(error, OSError):
                raise not_stored() from error
            raise
        return found

    def pixels(self, data: bytes, longest: int) -> Frame:
        """Decode a camera's frame of at most 1 megapixel; nothing is written.

        Args:
            data: the whole frame.
            longest: its longest side is made no longer than that.

        Raises:
            Refused: it is not taken.
        """
        self._check(data)
        return self._ask(child.pixels, (data, longest))

    def _check(self, data: bytes) -> None:
        if not data:
            raise Refused(400, "the file is empty; choose it again, or send another")
        if len(data) > self.limits.size:
            raise Refused(413, f"the file has more than {self.limits.size / 2**20:g} MB; send a smaller picture")
        if sniff(data[:HEAD]) is None:
            raise Refused(415, refusal(data[:HEAD]))

    def _ask(self, function: Callable[..., _Answer | Refused], args: tuple[object, ...]) -> _Answer:
        """Have a child do something.

        Raises:
            Refused: it said so, it died of it, or there is none.
        """
        start_by = time.monotonic() + self.limits.patience
        for _ in range(2):  # a pool that breaks takes with it what its other children had in hand
            kept = self._running()
            try:
                future = kept.pool.schedule(function, args=(start_by, *args), timeout=self.limits.seconds + _SLACK)
                error = future.exception(start_by - time.monotonic() + self.limits.seconds + _SLACK)
            except TimeoutError:  # no child has answered, though each would have been killed by now
                self._retire(kept)
                raise busy() from None
            except RuntimeError:  # it broke before
                error = BrokenProcessPool()
            if not isinstance(error, BrokenProcessPool):
                break
            self._retire(kept)
        if error is None:
            answer = future.result()
            if isinstance(answer, Refused):
                raise answer
            return answer
        code = error.exitcode if isinstance(error, ProcessExpired) else None
        if isinstance(error, TimeoutError) or code in (-signal.SIGALRM, -signal.SIGXCPU):
            raise too_slow()
        if isinstance(error, BrokenProcessPool) or code in (
            -signal.SIGKILL,
            -signal.SIGTERM,
        ):  # somebody outside did that
            raise busy()
        if code is None:  # it is ours, and nothing is told of it but its kind: words could hold what was sent
            _log.error("decoding an upload failed with %s", type(error).__name__)
        raise damaged() from error

    def _running(self) -> _Kept:
        with self._lock:
            if self._kept is None or self._kept.process != os.getpid() or not self._kept.pool.active:
                if self._kept is not None and self._kept.process == os.getpid():
                    self._kept.stop(wait=False)
                self._kept = _Kept(self.count, self.limits)
            return self._kept

    def _retire(self, kept: _Kept) -> None:
        with self._lock:
            if self._kept is kept:
                self._kept = None
        kept.stop(wait=False)


class _Kept:
    """A pool, and the thread that starts and stops it: children die with the thread that started them."""

    def __init__(self, count: int, limits: Limits) -> None:
        self.process = os.getpid()
        self.pool = ProcessPool(
            max_workers=count,
            max_tasks=limits.uses,
            initializer=child.prepare,
            initargs=(limits, self.process),
            context=get_context("spawn"),
        )
        self._started, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep, name="decoders", daemon=True)
        self._thread.start()
        self._started.wait()

    def _keep(self) -> None:
        try:
            assert self.pool.active  # asking starts it
        finally:
            self._started.set()
        self._over.wait()
        self.pool.stop()  # type: ignore[no-untyped-call]
        self.pool.join()

    def stop(self, *, wait: bool) -> None:
        self._over.set()
        if wait:
            self._thread.join()
