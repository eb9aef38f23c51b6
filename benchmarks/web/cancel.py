"""How soon a question of the site ends when its owner cancels it: while it waits, and while masks of it are computed.

    python -m benchmarks.web.cancel [--times 20] [--dry]

`whylight serve` in a process of its own; RISE on a photograph of a million pixels, which takes many seconds here. Waiting questions
are cancelled behind one that runs. Measured from the request until the site says that the question is cancelled; of those that ran,
also until the worker is at the next question.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common.report import Row, record
from benchmarks.web.visits import Caller, form, megapixel, share, site

PATIENCE = 120.0  # seconds


def until(true: Callable[[], Any], what: str) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise SystemExit(f"after {PATIENCE:.0f} s still not: {what}")
        time.sleep(0.005)


def ask(caller: Caller) -> str:
    """A question that takes long, about a picture of its own; the name of its job."""
    body, headers = form(megapixel(), method="rise", wait="0", keep="true")
    status, told = caller.call("POST", "/api/explain", body, headers)
    if status != 202:
        raise SystemExit(f"{status}: {told}")
    return str(told["id"])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--dry", action="store_true", help="print, and record nothing")
    given = parser.parse_args()
    waiting, running, free = [], [], []
    with tempfile.TemporaryDirectory() as folder, site(Path(folder) / "site") as there:
        caller = Caller(there)

        def state(job: str) -> dict[str, Any]:
            told: dict[str, Any] = caller.call("GET", f"/api/jobs/{job}")[1]
            return told

        def cancel(job: str) -> float:
            began = time.perf_counter()
            caller.call("POST", f"/api/jobs/{job}/cancel", b"")
            until(lambda: state(job)["state"] == "cancelled", f"{job} is cancelled")
            return time.perf_counter() - began

        for _ in range(given.times):
            first, second, third = (ask(caller) for _ in range(3))
            until(lambda job=first: state(job)["done"], "masks are done")
            waiting.append(cancel(third))
            began = time.perf_counter()
            running.append(cancel(first))
            until(lambda job=second: state(job)["state"] == "running", "the next question has its turn")
            free.append(time.perf_counter() - began)
            cancel(second)
    rows = [
        Row("cancelled while it waits, 95 of 100 within", share(waiting, 0.95), "s", 0.2, "lower"),
        Row("cancelled while it runs, 95 of 100 within", share(running, 0.95), "s", 1.0, "lower"),
        Row("cancelled while it runs, until the next question has its turn, 95 of 100 within", share(free, 0.95), "s"),
    ]
    for row in rows:
        print(f"{row.name}: {row.figure}")
    if not given.dry:
        record("web/cancel", "Cancelling", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))


if __name__ == "__main__":
    main()
