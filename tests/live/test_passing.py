"""Files give every frame, cameras the newest; threads end whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Self

import numpy as np
import pytest

from whylight.errors import WhylightError
from whylight.live.frame import Frame
from whylight.live.passing import Passing

PIXELS = np.zeros((4, 6, 3), np.uint8)


class Counted:
    """A source of numbered frames, some seconds apart, that may break."""

    rate = total = None

    def __init__(self, count: int, *, is_live: bool, each: float = 0.0, breaks: BaseException | None = None) -> None:
        self.name, self.is_live = "counted", is_live
        self._count, self._each, self._breaks = count, each, breaks
        self._over = threading.Event()
        self.is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.is_closed = True

    def stop(self) -> None:
        self._over.set()

    def __iter__(self) -> Iterator[Frame]:
        for number in range(self._count):
            if self._over.wait(self._each):
                return
            yield Frame(PIXELS, number * self._each, number, time.monotonic(), self.name)
        if self._breaks is not None:
            raise self._breaks


def threads() -> set[str]:
    return {one.name for one in threading.enumerate() if one.name.startswith("read ")}


def all_of(passing: Passing, slowly: float = 0.0) -> list[tuple[int, int]]:
    found = []
    while taken := passing.take():
        found += [(place, frame.number) for place, frame in taken]
        time.sleep(slowly)
    return found


def test_every_frame_of_a_file_and_never_many_at_once() -> None:
    source = Counted(40, is_live=False)
    with Passing([source]) as passing:
        time.sleep(0.1)
        assert len(passing._frames[0]) <= 4  # reading waits for whoever takes them
        assert all_of(passing) == [(0, number) for number in range(40)]
        assert passing.is_over
    assert passing.dropped == [0]
    assert source.is_closed


def test_of_a_camera_the_newest_and_the_others_are_counted() -> None:
    with Passing([Counted(60, is_live=True, each=0.005)]) as passing:
        numbers = [number for _, number in all_of(passing, slowly=0.05)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) < 20
    assert numbers[-1] == 59
    assert passing.dropped[0] + len(numbers) == 60


def test_what_waited_is_never_older_than_the_last_frame() -> None:
    with Passing([Counted(100, is_live=True, each=0.005)]) as passing:
        ages = []
        while taken := passing.take():
            ages.append(time.monotonic() - taken[0][1].came)
            time.sleep(0.05)
    assert np.median(ages) < 0.02


def test_it_can_be_told_to_keep_all_of_a_camera_or_to_drop_of_a_file() -> None:
    with Passing([Counted(20, is_live=True)], lossless=True) as passing:
        assert len(all_of(passing)) == 20
    with Passing([Counted(50, is_live=False, each=0.002)], lossless=False) as passing:
        assert len(all_of(passing, slowly=0.03)) < 20


def test_several_sources_come_together() -> None:
    with Passing([Counted(3, is_live=False), Counted(5, is_live=False)]) as passing:
        found = all_of(passing)
    assert sorted(found) == [(0, number) for number in range(3)] + [(1, number) for number in range(5)]


def test_an_error_comes_after_the_frames_before_it() -> None:
    with Passing([Counted(3, is_live=False, breaks=WhylightError("unplugged"))]) as passing:
        got = [passing.take() for _ in range(3)]
        assert all(got)
        with pytest.raises(WhylightError, match="unplugged"):
            passing.take()


def test_a_source_that_breaks_after_its_last_frame_is_not_taken_for_one_that_ended() -> None:
    with Passing([Counted(1, is_live=True, breaks=WhylightError("unplugged"))]) as passing:
        assert passing.take()
        deadline = time.monotonic() + 5
        while not passing.is_over:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(WhylightError, match="unplugged"):
            passing.check()


def test_a_fault_of_ours_is_never_passed_over() -> None:
    with Passing([Counted(0, is_live=False, breaks=KeyError("x")), Counted(99, is_live=True, each=0.05)]) as passing:
        deadline = time.monotonic() + 10

        def look() -> None:
            while time.monotonic() < deadline:
                passing.take(0.01)

        with pytest.raises(KeyError):
            look()


def test_one_that_breaks_leaves_the_others_alone() -> None:
    with Passing([Counted(1, is_live=False, breaks=WhylightError("gone")), Counted(9, is_live=False)]) as passing:
        assert len(all_of(passing)) == 10
        assert passing.failures() == ["gone"]


def test_threads_end_when_the_taker_raises() -> None:
    source = Counted(10_000, is_live=False, each=0.001)

    def fails() -> None:
        with Passing([source]) as passing:
            passing.take()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not threads()
    assert source.is_closed
