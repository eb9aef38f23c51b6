"""A worker: `python -m whylight.web.worker quick-1`. Loads torch and the models in itself; answers one question at a time."""

from __future__ import annotations

import os
import signal
import sys
import threading


def main(name: str) -> None:
    """Answer questions until told to stop, or until it is time to begin afresh; the word before the hyphen is the lane."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whylight.web.settings")
    import django

    django.setup()
    from django.conf import settings

    from whylight.allocator import tune_allocator
    from whylight.web import catalogue, place
    from whylight.web.tasks import answering, lanes
    from whylight.web.tasks.keeper import Keeper
    from whylight.web.tasks.models import Lane

    lane = Lane(name.partition("-")[0])
    place.make(settings.SITE)
    tune_allocator()
    answering.be(name)
    catalogue.write()
    keeper = Keeper(name, lane)
    consumer = lanes.register(lane).create_consumer(
        workers=1,
        worker_type="thread",
        periodic=False,
        initial_delay=0.01,
        max_delay=0.04,
        backoff=1.2,
        check_worker_health=True,
    )
    _recycle(consumer, settings.WHYLIGHT_RECYCLE)
    keeper.begin()
    try:
        consumer.run()
    finally:
        keeper.stop()


def die_with_parent() -> None:
    """End when the pipe that standard input is breaks: who started this process is gone, however that came about."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def _recycle(consumer: object, most: int) -> None:
    """Stop in good order after so many jobs; whoever started this process begins another."""
    count = 0

    def one_more(*_: object) -> None:
        nonlocal count
        count += 1
        if count == most:
            os.kill(os.getpid(), signal.SIGINT)

    consumer.huey.signal("complete", "error")(one_more)  # type: ignore[attr-defined]


if __name__ == "__main__":
    if "--with-parent" in sys.argv:
        die_with_parent()
    main(sys.argv[1])
