"""Who may look: one frame of a visitor in the works, the newest waits, a bounded number of visitors, and all in turn."""

from __future__ import annotations

import threading
import time

import pytest

from whylight.web.live import seats as module
from whylight.web.live.seats import Line, Seats
from whylight.web.said import Said


class Visit:
    """One frame of a visitor in a thread of its own, held until it is let go."""

    def __init__(self, seats: Seats, visitor: str, address: str | None = None) -> None:
        self.go, self.began, self.answer = threading.Event(), threading.Event(), None
        self.thread = threading.Thread(target=self._run, args=(seats, visitor, address))
        self.thread.start()

    def _run(self, seats: Seats, visitor: str, address: str | None) -> None:
        with seats.turn(visitor, address) as mine:
            self.answer = mine
            self.began.set()
            if mine:
                self.go.wait(10)

    def end(self) -> None:
        self.go.set()
        self.thread.join(10)


def test_the_newest_frame_takes_the_place_of_the_one_that_waits() -> None:
    seats = Seats(most=2, of_one=2)
    first = Visit(seats, "ann")
    assert first.began.wait(10)
    second = Visit(seats, "ann")
    assert not second.began.wait(0.2)  # one at a time
    third = Visit(seats, "ann")
    assert second.began.wait(10)
    assert second.answer is False
    assert not third.began.wait(0.2)
    first.end()
    assert third.began.wait(10)
    assert third.answer is True
    third.end()
    second.end()
    with seats.turn("ann", None) as mine:
        assert mine


def test_visitors_do_not_wait_for_each_other() -> None:
    seats = Seats(most=2, of_one=2)
    ann, ben = Visit(seats, "ann"), Visit(seats, "ben")
    assert ann.began.wait(10)
    assert ben.began.wait(10)
    ann.end()
    ben.end()


def test_a_full_site_says_so_and_forgets_who_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT", 0.3)
    seats = Seats(most=1, of_one=1)
    with seats.turn("ann", None):
        time.sleep(0.4)  # a visitor whose frame is in the works is not gone
        with pytest.raises(Said, match="as many cameras") as told, seats.turn("ben", None):
            pass
    assert (told.value.status, told.value.retry) == (503, 5)
    with pytest.raises(Said), seats.turn("ben", None):
        pass
    time.sleep(0.4)
    with seats.turn("ben", None) as mine:
        assert mine


def test_no_address_takes_all_places() -> None:
    seats = Seats(most=3, of_one=2)
    with seats.turn("a", "198.51.100.1"), seats.turn("b", "198.51.100.1"):
        with pytest.raises(Said), seats.turn("c", "198.51.100.1"):
            pass
        with seats.turn("d", "203.0.113.9") as mine:
            assert mine


def test_an_error_in_the_works_frees_the_place() -> None:
    seats = Seats(most=1, of_one=1)
    with pytest.raises(ZeroDivisionError), seats.turn("ann", None):
        raise ZeroDivisionError
    with seats.turn("ann", None) as mine:
        assert mine


def test_the_line_is_kept_in_order() -> None:
    line, order, threads = Line(), [], []

    def wait(number: int) -> None:
        with line:
            order.append(number)

    with line:
        for number in range(20):
            threads.append(threading.Thread(target=wait, args=(number,)))
            threads[-1].start()
            while len(line._waiting) <= number:
                time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert order == list(range(20))
