"""Results side by side: methods, classes or models, about one picture."""

from __future__ import annotations

from django.http import HttpResponse

from whylight.web.caller import Visit


def compare(request: Visit, token: str) -> HttpResponse:
    """To come."""
    return HttpResponse(token)


def cell(request: Visit, token: str) -> HttpResponse:
    """To come."""
    return HttpResponse(token)
