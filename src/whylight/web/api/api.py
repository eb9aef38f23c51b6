"""`/api/`: what the pages do, for programs. Its description is at `/api/openapi.json`, to be read and tried at `/api/docs`."""

from __future__ import annotations

from importlib.metadata import version

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from whylight.web.api.asking import router as asking
from whylight.web.api.kept import router as kept
from whylight.web.api.others import router as others

_ABOUT = """Why did the model say that, and where in the picture did it look?

Pictures belong to the browser that sent them, by its cookie, or to a key: `Authorization: Bearer …`, made at `/api/keys`.
Somebody else's are not there: 404. Every error is `{"error": "…"}`, a sentence that says what is wrong and what to do."""

api = NinjaAPI(
    title="whylight", version=version("whylight"), description=_ABOUT, docs_url="/docs", urls_namespace="api"
)
api.add_router("", asking)
api.add_router("", kept)
api.add_router("", others)


@api.exception_handler(ValidationError)
def not_valid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The first thing that is wrong, in a sentence that names the field."""
    first = error.errors[0]
    where = [
        str(one)
        for one in first["loc"]
        if one not in ("form", "body", "query", "path", "file", "payload", "page", "look")
    ]
    field = ".".join(where) or "the request"
    if first["type"] == "missing":
        return JsonResponse({"error": f"{field}: is missing"}, status=400)
    return JsonResponse({"error": f"{field}: {_lower(str(first['msg']))}"}, status=400)


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What ninja itself refuses, such as a body that is no JSON."""
    return JsonResponse({"error": _lower(str(error))}, status=error.status_code)


@api.exception_handler(Http404)
def not_there(request: HttpRequest, error: Http404) -> HttpResponse:
    """An address that leads nowhere."""
    return JsonResponse({"error": "there is no such page"}, status=404)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
