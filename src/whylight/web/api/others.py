"""What can be asked, and keys to ask with."""

from __future__ import annotations

import secrets
from typing import Any

from ninja import Router, Status

from whylight.web import catalogue, limits
from whylight.web.api import shapes
from whylight.web.caller import Visit
from whylight.web.keys.models import Key
from whylight.web.said import Gone, Said
from whylight.web.tokens import digest

router = Router(tags=["models and keys"])
_MOST_KEYS, _LONGEST, _SHOWN = 20, 60, 6
START = "wl"


@router.get("/models", response=shapes.answers(list[shapes.Model]))
def models(request: Visit) -> list[dict[str, Any]]:
    """The models on offer, with their classes and methods."""
    return [one.to_dict() for one in catalogue.offered().models.values()]


@router.get("/models/{name}", response=shapes.answers(shapes.Model))
def model(request: Visit, name: str) -> dict[str, Any]:
    """One of them."""
    found = catalogue.offered().models.get(name)
    if found is None:
        raise Gone("model")
    return found.to_dict()


@router.get("/keys", response=shapes.answers(list[shapes.Key]))
def keys(request: Visit) -> list[Key]:
    """Your keys."""
    return list(Key.objects.filter(owner=request.owner).order_by("-created"))


@router.post("/keys", response=shapes.answers(shapes.NewKey, status=201))
def make(request: Visit, payload: shapes.Name) -> Any:
    """Make a key, with which programs call as you: `Authorization: Bearer …`. It is shown this once."""
    limits.count(request)
    secret, key = new_key(request.owner, payload.name)
    request.keep_owner = True
    return Status(201, {"id": key.pk, "name": key.name, "start": key.start, "created": key.created, "key": secret})


@router.delete("/keys/{int:key}", response=shapes.answers(None, status=204))
def delete(request: Visit, key: int) -> Any:
    """Delete a key: who holds it can ask no more."""
    if key > 2**62 or not Key.objects.filter(pk=key, owner=request.owner).delete()[0]:
        raise Gone("key")
    return Status(204, None)


def new_key(owner: str, name: str) -> tuple[str, Key]:
    """A key, and what is kept of it.

    Raises:
        Said: its name makes no sense, or there are too many.
    """
    name = name.strip()
    if not name or len(name) > _LONGEST or not name.isprintable():
        raise Said(400, f"name: call the key something, in up to {_LONGEST} characters")
    if Key.objects.filter(owner=owner).count() >= _MOST_KEYS:
        raise Said(409, f"you have {_MOST_KEYS} keys already; delete one first")
    secret = f"{START}_{secrets.token_urlsafe(32)}"
    return secret, Key.objects.create(digest=digest(secret), owner=owner, name=name, start=secret[:_SHOWN])
