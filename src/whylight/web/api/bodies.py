"""Of which kind the body of a request may be: looked at before anything is read from it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from ninja.decorators import decorate_view

from whylight.web.said import Said

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


def _only(kinds: tuple[str, ...], advice: str) -> Callable[[Any], Any]:
    def wrap(run: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(run)
        def looked_at(request: HttpRequest, *given: Any, **named: Any) -> Any:
            if request.content_type not in ("", *kinds):
                raise Said(415, advice)
            return run(request, *given, **named)

        return looked_at

    found: Callable[[Any], Any] = decorate_view(wrap)
    return found


form_only = _only(_FORMS, "the request is no form; send one: multipart/form-data")
json_only = _only(("application/json",), "the request is no JSON; send it as application/json")
