"""For processes of the site that must not outlive whoever started them."""

from __future__ import annotations

import os
import threading


def end_with_it() -> None:
    """End when the pipe that standard input is breaks: who started this process is gone, however that came about."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(0)

    threading.Thread(target=wait, name="parent", daemon=True).start()
