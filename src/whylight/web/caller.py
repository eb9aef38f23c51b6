"""A request with what the middleware says of who sent it."""

from __future__ import annotations

from django.http import HttpRequest

from whylight.web.keys.models import Key

COOKIE = "whylight"  # that says to whom pictures belong


class Visit(HttpRequest):
    """A request, as `middleware.Caller` hands it on.

    Attributes:
        owner: a digest of the cookie or key: what pictures belong to.
        key: the key, where a program calls.
        address: the caller's, proxies of ours left out.
        keep_owner: to be set where something is stored for a browser that has no cookie yet.
    """

    owner: str
    key: Key | None
    address: str
    keep_owner: bool
    htmx: object


def wants_json(request: HttpRequest) -> bool:
    """Whether a program asks, or a script of ours, that shows the answer itself."""
    return request.path.startswith("/api/") or request.headers.get("Accept", "").startswith("application/json")
