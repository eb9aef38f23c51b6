"""Uploads as they come in: counted while they stream, kept in memory only, and their names forgotten.

Settings, all optional: `WHYLIGHT_MAX_BYTES` of one file (20 MB), `WHYLIGHT_MAX_REQUEST` bytes of all that is sent at once (60 MB),
`WHYLIGHT_MAX_FILES` (20), and `WHYLIGHT_REFUSAL`, the dotted name of a function (request, Refused) → response that shows a refusal;
without it that is a line of text, or of JSON for a program. Django's own settings limit the fields.

    FILE_UPLOAD_HANDLERS = ["whylight.web.intake.receiving.InMemory"]
    MIDDLEWARE = [..., "whylight.web.intake.receiving.Receiving", "django.middleware.csrf.CsrfViewMiddleware", ...]
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, cast

from django import conf  # not `settings` itself: whoever looks at the names of a module would load them
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, UnreadablePostError
from django.utils.module_loading import import_string

from whylight.web.intake.limits import Limits
from whylight.web.intake.refused import Refused

NAME = "picture"  # of every upload
_MEGABYTE = 2**20
_TOO_MUCH = (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)
_CUT = Refused(400, "the upload broke off; send it again")


class _Overfull(RequestDataTooBig):
    """More came in than a request may hold. Where the middleware is not there, Django makes 400 of it."""


def max_bytes() -> int:
    """How many bytes a file may have."""
    return int(getattr(conf.settings, "WHYLIGHT_MAX_BYTES", Limits().size))


def max_request() -> int:
    """How many bytes a request may have."""
    return int(getattr(conf.settings, "WHYLIGHT_MAX_REQUEST", 60 * _MEGABYTE))


def max_files() -> int:
    """How many files a request may have."""
    return int(getattr(conf.settings, "WHYLIGHT_MAX_FILES", 20))


class InMemory(FileUploadHandler):
    """Keeps uploads in memory. What is too large is read to its end and dropped, so that the sender gets to see the answer."""

    def __init__(self, request: HttpRequest | None = None) -> None:
        super().__init__(request)
        self._parts: list[bytes] = []
        self._size = self._total = self._files = 0
        self._refused: Refused | None = None

    def new_file(self, field_name: str, *others: Any, **named: Any) -> None:
        """A file begins. Its name and its kind are not looked at."""
        self.field_name = field_name
        self._parts, self._size = [], 0
        self._files += 1
        if self._files > max_files():
            self._refuse(f"more than {max_files()} files came at once; send fewer")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """More of it has come."""
        self._size += len(raw_data)
        self._total += len(raw_data)
        if self._total > max_request():
            raise _Overfull
        if self._size > max_bytes():
            self._refuse(f"a file has more than {_in_megabytes(max_bytes())}; send a smaller picture")
        if self._refused is None:
            self._parts.append(bytes(raw_data))

    def file_complete(self, file_size: int) -> InMemoryUploadedFile | None:
        """All of it is here."""
        if self._refused is not None:
            return None
        data, self._parts = b"".join(self._parts), []
        return InMemoryUploadedFile(
            io.BytesIO(data), self.field_name, NAME, "application/octet-stream", len(data), None
        )

    def upload_interrupted(self) -> None:
        """It broke off."""
        self._parts = []

    def _refuse(self, message: str) -> None:
        self._parts = []
        if self._refused is None and self.request is not None:
            self._refused = Refused(413, message)
            cast(Any, self.request).whylight_refused = self._refused


class Receiving:
    """Reads a form before anybody asks for it, and answers in a sentence where it is too large: Django would say 400, and not why.

    A `Refused` that a view lets through becomes its answer, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request."""
        refused = self._received(request)
        return self.get_response(request) if refused is None else answer(request, refused)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Answer where a view did not."""
        if isinstance(error, _TOO_MUCH):
            error = _too_much(error)
        return answer(request, error) if isinstance(error, Refused) else None

    def _received(self, request: HttpRequest) -> Refused | None:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            return Refused(400, "the length of the upload is no number; send it again")
        if len(length) > 18 or int(length) > max_request():
            return _too_much(_Overfull())
        try:
            request.POST  # noqa: B018  # reads a form, and nothing else
        except _TOO_MUCH as error:
            request._mark_post_parse_error()  # type: ignore[attr-defined]  # as Django does it: a second look would raise again
            return _too_much(error)
        except UnreadablePostError:
            return _CUT
        return getattr(request, "whylight_refused", None)


def answer(request: HttpRequest, refused: Refused) -> HttpResponseBase:
    """What is sent back."""
    if shown := getattr(conf.settings, "WHYLIGHT_REFUSAL", None):
        return cast(HttpResponseBase, import_string(shown)(request, refused))
    if request.path.startswith("/api/"):
        return JsonResponse({"error": str(refused)}, status=refused.status)
    return HttpResponse(f"{refused}\n", content_type="text/plain; charset=utf-8", status=refused.status)


def _too_much(error: Exception) -> Refused:
    if isinstance(error, TooManyFilesSent):
        return Refused(413, f"more than {max_files()} files came at once; send fewer")
    if isinstance(error, TooManyFieldsSent):
        return Refused(413, "the form has too many fields; reload the page and send it again")
    if isinstance(error, _Overfull):
        return Refused(413, f"more than {_in_megabytes(max_request())} came at once; send fewer or smaller pictures")
    return Refused(413, "the form holds too much text; reload the page and send it again")


def _in_megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:g} MB"
