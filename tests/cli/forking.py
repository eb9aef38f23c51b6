"""A process that has imported everything and forks for each command: a command starts in a tenth of a second, and can be killed."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Forking:
    """Runs the command line in forks of one process, one at a time."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._read() == "ready"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()

    def run(self, folder: Path, *arguments: str, kill_after: float | None = None) -> int:
        """Run a command in a folder; returns its exit code, or minus the signal that ended it. What it says goes to `said.txt`."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps([str(folder), *arguments]) + "\n")
        self._server.stdin.flush()
        child = int(self._read())
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)  # nobody waits for it yet, so that it is this one, even if it has ended
        self._server.stdin.write("wait\n")
        self._server.stdin.flush()
        return int(self._read())

    def _read(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _serve() -> None:
    import torch

    from whylight.cli import app
    from whylight.jobs.session import KINDS

    for kind in KINDS.values():
        importlib.import_module(kind.split(":")[0])
    for deeper in (
        "jobs.runner",
        "models.zoo.load",
        "front.locate",
        "front.verify",
        "evaluate.sanity",
        "evaluate.localization",
        "render",
    ):
        importlib.import_module(f"whylight.{deeper}")
    # Nothing was computed yet: after that a fork would wait for threads that it does not have.
    say("ready")
    for line in sys.stdin:
        folder, *arguments = json.loads(line)
        child = os.fork()
        if not child:
            os.chdir(folder)
            said = os.open("said.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
            os.dup2(said, 1)
            os.dup2(said, 2)
            torch.set_num_threads(1)
            code = 1
            try:
                app(arguments)
            except SystemExit as end:
                code = int(end.code or 0)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        say(child)
        assert sys.stdin.readline() == "wait\n"
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


if __name__ == "__main__":
    _serve()
