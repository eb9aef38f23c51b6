"""Make keys and delete them."""

from __future__ import annotations

import secrets

from whylight.web.keys.models import Key
from whylight.web.said import Gone, Said
from whylight.web.tokens import digest

MOST, LONGEST = 20, 60  # keys of one maker, characters of a name
_START, _SHOWN = "wl", 6
_LARGEST = 2**63 - 1  # number that a database holds


def make(owner: str, name: str) -> tuple[str, Key]:
    """A new key as its maker gets to see it, this once, and what is kept of it.

    Raises:
        Said: the name makes no sense, or there are too many keys.
    """
    name = name.strip()
    if not name or len(name) > LONGEST or not name.isprintable():
        raise Said(400, f"name: call the key something, in up to {LONGEST} characters")
    if Key.objects.filter(owner=owner).count() >= MOST:
        raise Said(409, f"you have {MOST} keys already; delete one first")
    secret = f"{_START}_{secrets.token_urlsafe(32)}"
    return secret, Key.objects.create(digest=digest(secret), owner=owner, name=name, start=secret[:_SHOWN])


def delete(owner: str, number: int) -> None:
    """Delete a key: whoever holds it can ask no more.

    Raises:
        Gone: there is no such key, or it is somebody else's.
    """
    if number > _LARGEST or not Key.objects.filter(pk=number, owner=owner).delete()[0]:
        raise Gone("key")
