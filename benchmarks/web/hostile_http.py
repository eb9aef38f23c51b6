"""Hostile uploads and hostile requests against a running site, while it answers others.

    python -m benchmarks.web.hostile_http [--every N] [--dry]

Each of the uploads of tests/hostile.py (fuzzed heads, pictures 2³¹ wide, frame bombs, polyglots, truncated ones, SVG, HTML …) is
sent to `POST /api/explain` of `whylight serve`, and each of the requests of tests/hostile_requests.py (wrong lengths, ten thousand
parts, names that are paths, nulls …). Sixty connections send a byte now and then all the time, and a visitor asks for the map of a
photograph again and again. In the end the pictures' time is over: the data folder holds none of their bytes. Exit code 1: something
was answered by a fault of the site's, or nothing, or took too long, or stays.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path

from benchmarks.common.places import PHOTO, ROOT
from benchmarks.common.report import Row, record
from benchmarks.web.kills import bytes_left
from benchmarks.web.visits import left_in, megapixel, share, site, visit

sys.path.insert(0, str(ROOT / "tests"))
SLOW = 60


def dribble(port: int, over: threading.Event) -> None:
    """Connections that send a byte now and then."""
    open_: list[socket.socket] = []
    while not over.wait(0.5):
        while len(open_) < SLOW:
            open_.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            open_[-1].sendall(b"POST /api/explain HTTP/1.1\r\nContent-Length: 999999\r\n\r\n")
        for one in list(open_):
            try:
                one.sendall(b"x")
            except OSError:  # it was shut; another takes its place
                open_.remove(one)
                one.close()
    for one in open_:
        with suppress(OSError):
            one.close()


def main() -> int:
    from hostile import uploads
    from hostile_requests import Request, form, part, requests, send

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every Nth only")
    parser.add_argument("--dry", action="store_true", help="print, and record nothing")
    given = parser.parse_args()
    pictures = (Request(f"upload/{name}", [form(part(b"picture", data, b"a.jpg"))]) for name, data in uploads())
    wrong, counts, seconds = [], Counter[int](), []
    with tempfile.TemporaryDirectory() as folder, site(Path(folder) / "site") as running:
        over = threading.Event()
        slow = threading.Thread(target=dribble, args=(running.port, over), daemon=True)
        slow.start()
        others = []
        visitor = threading.Thread(target=lambda: others.extend(_others(running.port, over)), daemon=True)
        visitor.start()
        for kind in (pictures, requests(PHOTO.read_bytes())):
            for request in islice(kind, 0, None, given.every):
                answer = send(running.port, request)
                counts[answer.status] += 1
                seconds.append(answer.seconds)
                fine = request.hangs_up if answer.status == 0 else answer.status < 500 or answer.status == 501
                if not fine or answer.seconds > 2:
                    wrong.append(
                        f"{request.name}: {answer.status} after {answer.seconds:.2f} s: {answer.body[-200:]!r}"
                    )
        over.set()
        visitor.join()
        slow.join()
        time.sleep(3)
        left = left_in(running.data)
        found = bytes_left(running.data, [megapixel()])
    for one in wrong:
        print(one)
    print(
        f"{len(seconds):,} sent: {dict(counts)}; slowest {max(seconds):.2f} s, median {statistics.median(seconds):.3f} s"
    )
    remains = [*left["pictures"], *left["tasks"], *found]
    late = [wait for wait in others if wait > 2]
    rows = [
        Row("sent", float(len(seconds)), "requests"),
        Row("not answered, or by a fault, or after more than 2 s", float(len(wrong)), "requests", 0.0, "lower"),
        Row("slowest", max(seconds), "s"),
        Row("maps asked for by others meanwhile", float(len(others)), "maps"),
        Row("these, 95 of 100 within", share(others, 0.95), "s", 2.0, "lower"),
        Row("these, after more than 2 s", float(len(late)), "maps"),
        Row("files and folders of pictures left", float(len(remains)), "files", 0.0, "lower"),
    ]
    if given.dry:
        for row in rows:
            print(f"{row.name}: {row.figure}")
    else:
        record(
            "web/hostile_http",
            "The site under hostile requests",
            rows,
            about=__doc__.split("\n\n")[2].replace("\n", " "),
        )
    return 1 if wrong or remains else 0


def _others(port: int, over: threading.Event) -> list[float]:
    waits: list[float] = []
    while not over.is_set():
        (one,) = visit(port, 1, None, most=5, method="gradcam")
        if one.errors:
            raise SystemExit(one.errors[0])
        waits += one.seconds
    return waits


if __name__ == "__main__":
    sys.exit(main())
