"""Whether weights can be fetched, found out in seconds: the loaders themselves try again for a minute where there is no network."""

from __future__ import annotations

import logging
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
    if not cached.is_file() and not answers(lambda: urllib.request.urlopen(head, timeout=PATIENCE).close()):  # noqa: S310
        raise urllib.error.URLError(f"the server did not answer within {PATIENCE:g} s")


def answers(ask: Callable[[], object]) -> bool:
    """Whether a server is reached in time. It is asked in a thread: looking up a name can hang, whatever timeout is set.

    >>> answers(lambda: None)
    True
    """
    found, done = threading.Event(), threading.Event()

    def attempt() -> None:
        try:
            ask()
            found.set()
        except urllib.error.HTTPError:  # an answer, too
            found.set()
        except (OSError, ValueError, _of_the_client()):
            pass
        finally:
            done.set()

    threading.Thread(target=attempt, daemon=True).start()
    done.wait(PATIENCE)
    return found.is_set()


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
