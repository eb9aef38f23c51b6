"""The receipt of a map: whether it can be trusted, a part of the result page that comes after it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from whylight.web import limits
from whylight.web.caller import Visit
from whylight.web.said import Said
from whylight.web.tasks import asking, choices, describing, keeper, results, showing
from whylight.web.tasks import receipts as checks
from whylight.web.tasks.models import State
from whylight.web.tasks.results import Result
from whylight.web.views.ended import over


@require_http_methods(["GET", "POST"])
def receipt(request: Visit, token: str, place: int) -> HttpResponse:
    """Check a map, or say how far that is."""
    try:
        found = results.read(asking.mine(request.owner, token))
    except Said as error:
        if request.htmx and request.method == "GET":
            return over(error)
        raise
    showing.chosen(found, place)
    refused = ""
    if request.method == "POST":
        try:
            limits.count(request)
            checks.ask(found, place)
        except Said as error:
            refused = str(error)
    if request.htmx:
        return render(request, "result/receipt.html", {"check": context(found, place), "refused": refused})
    if refused:
        raise Said(429, refused, retry=10)
    return redirect(f"{reverse('result', args=[token])}?class={place}#receipt-{place}")


def context(found: Result, place: int) -> dict[str, Any]:
    """What is said of a map's check."""
    check = checks.find(found, place)
    told = checks.told(check)
    verdict, tone = describing.receipt(told) if told is not None else ("", "")
    is_open = check is not None and check.is_open
    return {
        "at": reverse("receipt", args=[found.task.token, place]),
        "place": place,
        "check": check,
        "told": told,
        "verdict": verdict,
        "tone": tone,
        "is_cheap": checks.is_cheap(found, place),
        "progress": choices.progress(check) if check is not None and is_open else None,
        "ahead": keeper.ahead_of(check) if check is not None and check.state == State.QUEUED else 0,
        "served": not is_open or check is None or keeper.is_served(check.lane),
    }
