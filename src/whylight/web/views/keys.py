"""The page for keys, with which programs call as this browser."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_POST

from whylight.web import limits
from whylight.web.caller import Visit
from whylight.web.keys import making
from whylight.web.keys.models import Key
from whylight.web.said import Said


@require_http_methods(["GET", "POST"])
@ensure_csrf_cookie
def keys(request: Visit) -> HttpResponse:
    """Your keys; and a new one, which is shown in the answer to the form, and never again."""
    made, wrong, status = None, "", 200
    if request.method == "POST":
        limits.count(request)
        try:
            made, _ = making.make(request.owner, request.POST.get("name", ""))
            request.keep_owner = True
        except Said as error:
            wrong, status = str(error), error.status
    mine = Key.objects.filter(owner=request.owner).order_by("-created")
    context = {"keys": mine, "made": made, "wrong": wrong, "most": making.MOST, "longest": making.LONGEST}
    return render(request, "keys.html", context, status=status)


@require_POST
def delete(request: Visit, number: int) -> HttpResponse:
    """Delete a key."""
    making.delete(request.owner, number)
    messages.success(request, "The key is deleted: programs that hold it can ask no more.")
    return redirect("keys")
