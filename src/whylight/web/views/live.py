"""The page of the camera, and its frames."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from whylight.web.caller import Visit
from whylight.web.intake import Refused
from whylight.web.live import frames
from whylight.web.policy import PERMISSIONS_LIVE
from whylight.web.said import Said
from whylight.web.tasks.drawing import COLORMAPS


@require_GET
@ensure_csrf_cookie
def page(request: Visit) -> HttpResponse:
    """What a model sees through the visitor's camera."""
    models = frames.models()
    told = {one.title: {"classes": one.classes, "input": max(one.input)} for one in models}
    shown = {"models": models, "told": told, "colormaps": COLORMAPS}
    answer = render(request, "live.html", shown)
    answer["Permissions-Policy"] = PERMISSIONS_LIVE
    return answer


@require_POST
def frame(request: Visit) -> HttpResponseBase:
    """Look at one frame: its bytes are the request's body."""
    asked = request.GET
    try:
        if int(request.META.get("CONTENT_LENGTH") or 0) > frames.BYTES:
            raise Said(413, f"a frame has at most {frames.BYTES // 2**10} kB; send it smaller")
        seen = frames.look(
            request.body,
            asked.get("model", ""),
            asked.get("target", ""),
            tab=asked.get("tab", ""),
            address=request.address,
        )
    except (Refused, Said) as error:
        return _wrong(error.status, str(error), getattr(error, "retry", None))
    if isinstance(seen, bytes):
        return HttpResponse(seen, content_type="application/json")
    return JsonResponse({"state": seen}, status=202)


def _wrong(status: int, sentence: str, retry: int | None) -> JsonResponse:
    headers: dict[str, Any] = {} if retry is None else {"Retry-After": str(retry)}
    return JsonResponse({"error": sentence}, status=status, headers=headers)
