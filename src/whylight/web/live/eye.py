"""The eye: a process that looks at frames, one after another: `python -m whylight.web.live.eye NUMBER SECONDS`.

NUMBER is a connection that it is given, SECONDS how long it waits for a frame before it ends. To it come pairs of messages, a
question (JSON) and pixels; from it goes one message for each: a letter, and JSON. Nothing is pickled either way, and no byte of a
picture file ever comes here. Only the standard library is loaded until it is ready to be asked.
"""

from __future__ import annotations

import json
import signal
import sys
from multiprocessing.connection import Connection

from whylight.web import parent

READY, SEEN, LOADING, WRONG = b"R", b"S", b"L", b"W"


def main(number: int, idle: float) -> None:
    """Look until nobody asks any more."""
    parent.end_with_it()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the site, and with it this ends
    import numpy as np

    from whylight.errors import WhylightError
    from whylight.web.live.seeing import Models, see

    models = Models()
    with Connection(number) as asked:
        asked.send_bytes(READY)
        while asked.poll(idle):
            try:
                question = json.loads(asked.recv_bytes())
                rgb = asked.recv_bytes()
            except EOFError:
                return
            try:
                model = models.get(question["model"])
                if model is None:
                    asked.send_bytes(LOADING)
                    continue
                shape = (question["height"], question["width"], 3)
                seen = see(model, np.frombuffer(bytearray(rgb), np.uint8).reshape(shape), question["target"])
                asked.send_bytes(SEEN + json.dumps(seen, allow_nan=False).encode())
            except WhylightError as error:
                asked.send_bytes(WRONG + str(error).encode(errors="replace"))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
