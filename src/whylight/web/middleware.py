"""Who calls, whether a page of ours sent them, and how errors are said."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, RequestDataTooBig, TooManyFilesSent
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render

from whylight.errors import WhylightError
from whylight.web.caller import COOKIE, wants_json
from whylight.web.intake import Refused
from whylight.web.keys.models import Key
from whylight.web.policy import PERMISSIONS
from whylight.web.said import Gone, Said
from whylight.web.tokens import digest, new_token

_AGE = 365 * 24 * 3600
Next = Callable[[HttpRequest], HttpResponseBase]


class Caller:
    """Says on each request who calls: `request.owner`, a digest, and `request.address`.

    The owner of a picture is who holds the cookie that came with it, or a key: nobody has an account.
    """

    def __init__(self, get_response: Next) -> None:
        self._next = get_response
        self._proxies = [ipaddress.ip_network(one, strict=False) for one in settings.WHYLIGHT_PROXIES]

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.address = self._address(request)  # type: ignore[attr-defined]
        request.key, fresh = None, None  # type: ignore[attr-defined]
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        if kind:
            key = Key.objects.filter(digest=digest(given.strip())).first() if kind.lower() == "bearer" else None
            if key is None:
                return said(
                    request,
                    401,
                    "this key is not known here; make one on the page Keys, and send it as `Authorization: Bearer …`",
                )
            request.key, request.owner = key, key.owner  # type: ignore[attr-defined]
        else:
            try:
                holder = request.get_signed_cookie(COOKIE) or new_token()
            except (KeyError, BadSignature):
                holder = fresh = new_token()
            request.owner = digest(holder)  # type: ignore[attr-defined]
        request.keep_owner = False  # type: ignore[attr-defined]
        response = self._next(request)
        if fresh is not None and request.keep_owner:  # type: ignore[attr-defined]  # something was stored for them
            response.set_signed_cookie(
                COOKIE, fresh, max_age=_AGE, httponly=True, samesite="Lax", secure=settings.OWNER_COOKIE_SECURE
            )
        if "Cache-Control" not in response and not request.path.startswith(f"/{settings.STATIC_URL.strip('/')}/"):
            response["Cache-Control"] = "no-store"
        return response

    def _address(self, request: HttpRequest) -> str:
        """The caller's, as the last proxy that is not ours was seen by the first that is."""
        here = str(request.META.get("REMOTE_ADDR", ""))
        hops = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
        while hops and self._is_ours(here):
            here = hops.pop()
        return here

    def _is_ours(self, address: str) -> bool:
        try:
            return any(ipaddress.ip_address(address) in network for network in self._proxies)
        except ValueError:
            return False


class Permissions:
    """No page may use camera, microphone and the like, but those that say so themselves."""

    def __init__(self, get_response: Next) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._next(request)
        response.setdefault("Permissions-Policy", PERMISSIONS)
        return response


class SameOrigin:
    """Refuses what another site's page makes a browser send to the API, which asks for no token as forms do."""

    def __init__(self, get_response: Next) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith("/api/") and request.method not in ("GET", "HEAD", "OPTIONS"):
            origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "none")
            theirs = origin is not None and not self._is_ours(request, origin)
            if theirs or site not in ("none", "same-origin"):
                return said(request, 403, "another site's page may not ask on your behalf")
        return self._next(request)

    @staticmethod
    def _is_ours(request: HttpRequest, origin: str) -> bool:
        return urlsplit(origin).netloc == request.get_host() or origin in settings.CSRF_TRUSTED_ORIGINS


class Sentences:
    """Turns what is wrong with a request into one sentence, as a page or as JSON."""

    def __init__(self, get_response: Next) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._next(request)
        if response.status_code >= 400 and request.path.startswith("/api/") and not _is_json(response):
            plain = said(request, response.status_code, _PLAIN.get(response.status_code, "this cannot be answered"))
            for name in ("Allow", "Retry-After"):
                if name in response:
                    plain[name] = response[name]
            return plain
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """An answer for errors that have words for the visitor; None: it is a fault of ours."""
        if isinstance(error, Said):
            return said(request, error.status, str(error), error.retry)
        if isinstance(error, WhylightError):
            return said(request, getattr(error, "status", 400), str(error))
        if isinstance(error, RequestDataTooBig | TooManyFilesSent):
            return said(request, 413, "that is more than fits into one request; send fewer pictures at a time")
        if isinstance(error, ObjectDoesNotExist) or _was_deleted(error):  # while it was looked at
            return said(request, 404, str(Gone()))
        return None


def _was_deleted(error: Exception) -> bool:
    """Whether a file of a picture or a result is gone."""
    name = getattr(error, "filename", None)
    return isinstance(error, FileNotFoundError) and name is not None and Path(name).is_relative_to(settings.SITE)


_PLAIN = {404: "there is no such page", 405: "this address takes other methods, see /api/docs"}


def _is_json(response: HttpResponseBase) -> bool:
    return str(response.get("Content-Type", "")).startswith("application/json")


def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """What is sent back in place of an upload's result."""
    return said(request, error.status, str(error))


def said(request: HttpRequest, status: int, sentence: str, retry: int | None = None) -> HttpResponse:
    """A sentence as an answer."""
    answer: HttpResponse
    if wants_json(request):
        answer = JsonResponse({"error": sentence}, status=status)
    else:
        answer = render(request, "error.html", {"status": status, "sentence": sentence}, status=status)
    if retry is not None:
        answer["Retry-After"] = str(retry)
    return answer
