"""A model's graph for browsers, made by a process of its own: `python -m whylight.web.live.making TITLE NAME`.

The web process never loads torch. It begins this when a visitor first asks for a model, and finds beside the graph what it tells
the page. Both are made anew when the models have changed, or whylight has.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from whylight.web.said import Said

FOLDER = "graphs"  # in the data folder
_log = logging.getLogger("whylight.web")
_AGAIN = 60.0  # seconds after which what failed is tried again


class Making:
    """The processes of this web process, one a model."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[str, subprocess.Popen[str]] = {}
        self._failed: dict[str, float] = {}

    def facts(self, title: str, name: str) -> dict[str, Any] | None:
        """What the page is told of a model (`page.told_of`); None while its graph is made.

        Args:
            title: as visitors know it.
            name: as for `ModelChoice`.

        Raises:
            Said: it cannot be made.
        """
        if (found := _read(title)) is not None:
            return found
        with self._lock:
            process = self._begun.get(title)
            if process is not None and process.poll() is not None:
                del self._begun[title]
                said, _ = process.communicate()
                if process.returncode != 0:  # the reason may name files, which are no visitor's business
                    _log.warning("a graph for browsers was not made: %s", said.strip() or process.returncode)
                    self._failed[title] = time.monotonic()
            if time.monotonic() - self._failed.get(title, -_AGAIN) < _AGAIN:
                raise Said(
                    503,
                    f"“{title}” cannot be made ready for browsers; whoever runs the site finds the reason in its log",
                    retry=int(_AGAIN),
                )
            if title not in self._begun and (found := _read(title)) is None:
                command = [sys.executable, "-m", __name__, title, name]
                self._begun[title] = subprocess.Popen(  # noqa: S603  # our own module; the name is the site's own
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
        return found


def graph(title: str, digest: str) -> Path:
    """The file of a graph.

    Raises:
        Said: there is none of that digest.
    """
    found = _read(title)
    if found is None or found["graph"] != f"{digest}.onnx":
        raise Said(404, "there is no such model; reload the page")
    return _folder() / "onnx" / f"{digest}.onnx"


def _read(title: str) -> dict[str, Any] | None:
    """What was told of it by the models that there are now."""
    try:
        found: dict[str, Any] = json.loads(_facts(title).read_bytes())
    except FileNotFoundError:
        return None
    return found["told"] if found["made_of"] == _made_of() else None


def _folder() -> Path:
    from django.conf import settings

    return Path(settings.SITE, FOLDER)


def _facts(title: str) -> Path:
    return _folder() / f"{hashlib.sha256(title.encode()).hexdigest()[:32]}.json"


def _made_of() -> str:
    """The catalogue's own word for which models there are."""
    from whylight.web.catalogue import offered

    return offered().made_of


def main(title: str, name: str) -> int:
    """Make the graph, or say in a sentence why not."""
    import fcntl

    from whylight.atomic import replacing
    from whylight.browser.page import told_of
    from whylight.errors import ModelError, WhylightError
    from whylight.graphs.kept import kept
    from whylight.jsontext import dumps
    from whylight.models.adapters.facts import read_facts
    from whylight.models.model import Model
    from whylight.models.zoo.choice import ModelChoice
    from whylight.web.parent import end_with_it

    end_with_it()
    os.nice(5)  # whoever waits for an answer goes first
    made_of = _made_of()
    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes that ask, one does the work
        if _read(title) is not None:
            return 0
        try:
            model = ModelChoice(name, device="cpu").load()
            if not isinstance(model, Model):
                raise ModelError("it is a black box, whose network cannot be seen")
            path = kept(model, "onnx", folder=folder)
            facts = read_facts(path)
            assert facts is not None  # we wrote it
        except WhylightError as error:
            print(error)  # noqa: T201  # the web process reads it
            return 1
        told = told_of(facts, title=title, graph=path.name, size=path.stat().st_size)
        with replacing(_facts(title), durable=True) as stream:
            stream.write(dumps({"made_of": made_of, "told": told}).encode())
    return 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whylight.web.settings")
    sys.exit(main(*sys.argv[1:3]))
