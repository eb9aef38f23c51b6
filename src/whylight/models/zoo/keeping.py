"""What takes long to load, kept from one job to the next: for processes that do many, as workers of a site do."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Kept:
    """Loaded things by what tells them apart; the one that was not wanted for longest goes first.

    Args:
        most: how many are kept.

    >>> kept = Kept(most=1)
    >>> with keeping(kept):
    ...     made("model", lambda: ["loaded"]) is made("model", lambda: ["again"])
    True
    """

    def __init__(self, most: int = 6) -> None:
        self._most = most
        self._things: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What has this key; made if it is not there."""
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
                return cast(T, self._things[key])
        thing = make()
        with self._lock:
            self._things[key] = thing
            while len(self._things) > self._most:
                self._things.popitem(last=False)
        return thing


_kept: ContextVar[Kept | None] = ContextVar("whylight_kept", default=None)


@contextmanager
def keeping(kept: Kept) -> Iterator[None]:
    """Within the block, jobs take models from there, and leave there what they load; they come out as they went in.

    A model is the same as long as all that decides about it is: a file that has changed is loaded anew.
    """
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)


def made(key: Hashable, make: Callable[[], T]) -> T:
    """What `make` makes, from what is kept if it is there; outside of `keeping` always anew."""
    kept = _kept.get()
    return make() if kept is None else kept.get(key, make)
