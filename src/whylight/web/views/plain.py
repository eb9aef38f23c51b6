"""Pages that ask nothing: what is said of the site, its models and its care for pictures."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static

from whylight.web import catalogue
from whylight.web.said import Said


def everywhere(request: HttpRequest) -> dict[str, Any]:
    """What every template may use."""
    return {"minutes": round(settings.WHYLIGHT_TTL / 60), "path": request.path}


def models(request: HttpRequest) -> HttpResponse:
    """The models on offer."""
    told = [
        {
            "model": one,
            "quick": [each for each in one.methods.values() if each.why_not is None and not each.slow],
            "slow": [each for each in one.methods.values() if each.why_not is None and each.slow],
            "never": [each for each in one.methods.values() if each.why_not is not None],
        }
        for one in catalogue.offered().models.values()
    ]
    return render(request, "models.html", {"told": told})


def about(request: HttpRequest) -> HttpResponse:
    """What this is."""
    return render(request, "about.html")


def privacy(request: HttpRequest) -> HttpResponse:
    """What becomes of pictures."""
    named = {"share": settings.WHYLIGHT_SHARE_TTL, "gallery": bool(settings.WHYLIGHT_GALLERY)}
    return render(request, "privacy.html", named)


def favicon(request: HttpRequest) -> HttpResponse:
    """Where browsers look for the site's sign on pages that name none."""
    return redirect(static("whylight/favicon.svg"))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A page that is not there."""
    from whylight.web.middleware import said

    return said(request, 404, "there is no such page; look at the address again, or begin anew")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that makes no sense, of which no more is said."""
    from whylight.web.middleware import said

    return said(request, 400, "the request makes no sense to this site; reload the page and try again")


def forbidden(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that did not come from a page of ours."""
    from whylight.web.middleware import said

    return said(request, 403, "this form is too old, or was sent from elsewhere; reload the page and try again")


def fault(request: HttpRequest) -> HttpResponse:
    """A fault of ours."""
    from whylight.web.middleware import said

    return said(request, 500, "something went wrong here, and was noted down; try again")


def ready() -> bool:
    """Whether the models are known."""
    try:
        catalogue.offered()
    except Said:
        return False
    return True
