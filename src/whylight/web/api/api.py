"""`/api/`: what the pages do, for programs. Its description is at `/api/openapi.json`, to be read and tried at `/api/docs`."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from whylight.web import catalogue
from whylight.web.api.asking import router as asking
from whylight.web.api.docs import Docs
from whylight.web.api.events import router as events
from whylight.web.api.kept import router as kept
from whylight.web.api.others import router as others
from whylight.web.caller import COOKIE

_ABOUT = """Why did the model say that, and where in the picture did it look?

Pictures belong to the browser that sent them, by its cookie, or to a key: `Authorization: Bearer …`, made at `/api/keys`.
Somebody else's are not there: 404. Every error is `{"error": "…"}`, a sentence that says what is wrong and what to do."""

_CALLERS = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key, for programs: `POST /api/keys`, or the page Keys.",
    },
    "cookie": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "The browser that sent the picture."},
}
_TYPES = {"picture": {"contentType": "image/jpeg, image/png, image/webp"}}
_FILE = {"type": "string", "format": "binary", "title": "Picture", "minLength": 1}
_RETRY = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds after which it may go well."}}
_PLACES = (
    "form",
    "body",
    "query",
    "path",
    "file",
    "payload",
    "page",
    "look",
)  # where a field stood, which its name tells


class _Api(NinjaAPI):
    """With a description that names what is on offer here, who may call, and of what kinds uploads may be."""

    def get_openapi_schema(self, **named: Any) -> Any:
        """As it is, and these."""
        schema = super().get_openapi_schema(**named)
        schema["components"]["securitySchemes"] = _CALLERS
        schema["security"] = [{"key": []}, {"cookie": []}, {}]
        choices = _choices()
        for path in schema["paths"].values():
            for call in path.values():
                for status in {429, 503} & call["responses"].keys():
                    call["responses"][status]["headers"] = _RETRY
                form = call.get("requestBody", {}).get("content", {}).get("multipart/form-data")
                if form is not None:
                    form["encoding"] = _TYPES
                    fields = form["schema"]["properties"]
                    for name in choices.keys() & fields.keys():
                        fields[name]["enum"] = choices[name]
                    for name, field in fields.items():
                        fields[name] = _left_out_or_given(field)
                    fields["picture"] = _FILE
        return schema


def _left_out_or_given(field: dict[str, Any]) -> dict[str, Any]:
    """A field of a form: that has no null, unlike JSON."""
    given = [one for one in field.pop("anyOf", []) if one != {"type": "null"}]
    field = {name: value for name, value in field.items() if value is not None}
    return {**field, **given[0]} if len(given) == 1 else {**field, **({"anyOf": given} if given else {})}


def _choices() -> dict[str, list[str]]:
    offered = catalogue.offered()
    able = [one for model in offered.models.values() for one in model.methods.values() if one.why_not is None]
    methods = sorted({one.name for one in able})
    return {"model": [*offered.models, ""], "method": [*methods, ""], "language": [*offered.languages]}


api = _Api(title="whylight", version=version("whylight"), description=_ABOUT, docs=Docs(), urls_namespace="api")
for router in (asking, kept, events, others):
    api.add_router("", router)


@api.exception_handler(ValidationError)
def not_valid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """The first thing that is wrong, in a sentence that names the field."""
    first = error.errors[0]
    field = ".".join(str(one) for one in first["loc"] if one not in _PLACES) or "the request"
    wrong = "is missing" if first["type"] == "missing" else str(first["msg"]).removeprefix("Value error, ")
    return JsonResponse({"error": f"{field}: {_lower(wrong)}"}, status=400)


@api.exception_handler(HttpError)
def refused(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What ninja itself refuses, such as a body that is no JSON."""
    return JsonResponse({"error": _lower(str(error))}, status=error.status_code)


@api.exception_handler(Http404)
def not_there(request: HttpRequest, error: Http404) -> HttpResponse:
    """An address that leads nowhere."""
    return JsonResponse({"error": "there is no such page"}, status=404)


@api.exception_handler(Exception)
def passed_on(request: HttpRequest, error: Exception) -> HttpResponse:
    """The middleware has words for it, or Django notes it down."""
    raise error


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
