"""What can be asked, and keys to ask with."""

from __future__ import annotations

from typing import Any

from ninja import Router, Status

from whylight.web import catalogue, limits
from whylight.web.api import shapes
from whylight.web.api.bodies import json_only
from whylight.web.caller import Visit
from whylight.web.keys import making
from whylight.web.keys.models import Key
from whylight.web.said import Gone, Said

router = Router(tags=["models and keys"])


@router.get("/models", response=shapes.answers(list[shapes.Model], bad=(*shapes.ANY, 503)))
def models(request: Visit) -> list[dict[str, Any]]:
    """The models on offer, with their classes and methods."""
    return [one.to_dict() for one in catalogue.offered().models.values()]


@router.get("/models/{name}", response=shapes.answers(shapes.Model, bad=(*shapes.THEIRS, 503)))
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


@router.post("/keys", response=shapes.answers(shapes.NewKey, status=201, bad=(*shapes.CHANGE, 409, 413, 415, 429)))
@json_only
def make(request: Visit, payload: shapes.Name) -> Any:
    """Make a key, with which programs call as you: `Authorization: Bearer …`. It is shown this once."""
    limits.count(request)
    if request.key is not None:
        raise Said(403, "a key cannot make another, so that whoever deletes it ends all that it can do; ask without it")
    secret, key = making.make(request.owner, payload.name)
    request.keep_owner = True
    return Status(201, {"id": key.pk, "name": key.name, "start": key.start, "created": key.created, "key": secret})


@router.delete("/keys/{int:key}", response=shapes.answers(None, status=204, bad=(*shapes.CHANGE, 404)))
def delete(request: Visit, key: int) -> Any:
    """Delete a key: who holds it can ask no more."""
    making.delete(request.owner, key)
    return Status(204, None)
