"""One run at a time writes into a folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whylight.errors import WhylightError
from whylight.shown import shown

try:
    import fcntl
except ModuleNotFoundError:  # Windows: two runs at once are not kept apart there
    fcntl = None  # type: ignore[assignment]

NAME = ".explanations.lock"


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, which is made; what was made is taken away again where the run left nothing in it.

    A run that is killed leaves the lock's file behind, but not the lock: the system takes that back.

    Raises:
        WhylightError: if another run writes there.
        OSError: if the folder cannot be made or written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    lock: int | None = None
    try:
        lock = _locked(folder) if fcntl is not None else None
        yield
    finally:
        if lock is not None:
            (folder / NAME).unlink(missing_ok=True)  # while it is still locked: see _locked
            os.close(lock)
        try:
            for path in made:
                path.rmdir()
        except OSError:
            pass  # not empty, as a rule


def _locked(folder: Path) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True)  # the run before may just have taken it away
        try:
            file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise WhylightError(f"{shown(folder / NAME)}: is a link, not a lock; take it away") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The run before takes its file away when it ends; a lock on that file would keep nobody out.
            if os.path.samestat(os.fstat(file), os.stat(folder / NAME)):
                return file
        except BlockingIOError:
            os.close(file)
            raise WhylightError(
                f"{shown(folder)}: another run of whylight writes there; wait for it, or choose another --out"
            ) from None
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                os.close(file)
                raise
            return file  # a file system without locks
        os.close(file)
