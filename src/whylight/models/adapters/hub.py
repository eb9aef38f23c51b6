"""Whether weights can be fetched, found out in seconds: the loaders themselves try again for a minute where there is no network."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 5.0  # seconds until a server that does not answer counts as out of reach


@contextmanager
def soon_given_up() -> Iterator[None]:
    """Within the block Hugging Face's loader takes what is in its cache, and where its server is out of reach nothing else.

    Its lines about each retry are kept back; what it ends with is an error all the same.
    """
    from huggingface_hub import constants

    said, before = logging.getLogger("huggingface_hub"), constants.HF_HUB_OFFLINE
    level = said.level
    said.setLevel(logging.ERROR)
    try:
        constants.HF_HUB_OFFLINE = before or not answers(_ask_hub)
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        said.setLevel(level)


def check_reach(url: str) -> None:
    """See that a file can be fetched, or lies in PyTorch's cache.

    Raises:
        URLError: if neither is so.
    """
    import torch

    cached = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    head = urllib.request.Request(url, method="HEAD")  # noqa: S310 (torchvision's own address)
    if cached.is_file():
        return
    if reason := why_not(lambda: urllib.request.urlopen(head, timeout=PATIENCE).close()):  # noqa: S310
        raise urllib.error.URLError(reason)


def answers(ask: Callable[[], object]) -> bool:
    """Whether a server is reached in time.

    >>> answers(lambda: None)
    True
    """
    return not why_not(ask)


def why_not(ask: Callable[[], object]) -> str:
    """Why a server is not reached in time; "" where it is. It is asked in a thread: looking up a name can hang, whatever
    timeout is set.
    """
    said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def attempt() -> None:
        try:
            ask()
            said.put("")
        except urllib.error.HTTPError:  # an answer, too
            said.put("")
        except (OSError, ValueError, _of_the_client()) as error:
            said.put(str(getattr(error, "reason", error)) or type(error).__name__)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        return said.get(timeout=PATIENCE)
    except queue.Empty:
        return f"the server did not answer within {PATIENCE:g} s"


def _ask_hub() -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    get_session().head(constants.ENDPOINT, timeout=PATIENCE)


def _of_the_client() -> type[Exception]:
    """What the client that huggingface_hub asks with raises; it has been another one in each of its major versions."""
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]

    client = sys.modules[type(get_session()).__module__.partition(".")[0]]
    found: type[Exception] = getattr(client, "HTTPError", OSError)
    return found
