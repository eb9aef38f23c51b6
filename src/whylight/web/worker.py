"""A worker: `python -m whylight.web.worker quick-1`. Loads torch and the models in itself; answers one question at a time."""

from __future__ import annotations

import argparse
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from whylight.web import parent

_NICE = {"quick": 0, "medium": 5, "slow": 10}  # what takes minutes leaves the processor to what somebody waits for
OLD = b"old\n"  # what it says where it should be replaced


def main() -> None:
    """Answer questions until told to stop, or until it is time to begin afresh."""
    parser = argparse.ArgumentParser(description="Answers the questions of one lane.")
    parser.add_argument("name", help="its own name; what stands before the hyphen is the lane: quick, medium or slow")
    parser.add_argument("--instead-of", help="a worker that is dead: what it was at is asked again")
    parser.add_argument(
        "--with-parent", action="store_true", help="end with standard input; tell on standard output when old"
    )
    given = parser.parse_args()
    if given.with_parent:
        parent.end_with_it()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whylight.web.settings")
    # Before torch is loaded: its threads wait asleep. Awake they burn several times what the work itself takes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import django

    django.setup()
    _answer(given.name, given.instead_of, given.with_parent)


def _answer(name: str, instead_of: str | None, with_parent: bool) -> None:
    from django.conf import settings

    from whylight.allocator import tune_allocator
    from whylight.web import place, telling
    from whylight.web.tasks import answering, lanes
    from whylight.web.tasks.keeper import Keeper
    from whylight.web.tasks.models import Lane

    lane = Lane(name.partition("-")[0])
    place.make(settings.SITE)
    os.nice(_NICE[lane])
    tune_allocator()
    answering.be(name)
    with ThreadPoolExecutor(1) as pool:  # telling is done by a process of its own
        told = pool.submit(telling.ensure)
        if lane == Lane.QUICK:
            answering.warm(settings.WHYLIGHT_MODELS)
        told.result()
    keeper = Keeper(name, lane)
    # Asks often: somebody waits, and an empty queue costs next to nothing to look at.
    often = {"initial_delay": 0.01, "max_delay": 0.04, "backoff": 1.2}
    consumer = lanes.register(lane).create_consumer(workers=1, worker_type="thread", periodic=False, **often)
    _recycle(consumer, settings.WHYLIGHT_RECYCLE, with_parent)
    keeper.begin(instead_of or name)
    try:
        consumer.run()
    finally:
        keeper.stop()


def _recycle(consumer: Any, most: int, with_parent: bool) -> None:
    """After so many answers say so, or stop in good order: whoever started this process begins another."""
    count = 0

    def one_more(*_: object) -> None:
        nonlocal count
        count += 1
        if count != most:
            return
        if with_parent:
            os.write(1, OLD)
        else:
            os.kill(os.getpid(), signal.SIGINT)

    consumer.huey.signal("complete", "error")(one_more)


if __name__ == "__main__":
    main()
