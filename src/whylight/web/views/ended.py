"""What a page that asks again and again is told when there is nothing more to come."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.html import format_html

from whylight.web.said import Said

_STOP = 286  # the status at which htmx asks no more


def over(error: Said) -> HttpResponse:
    """Words in place of what was asked for, which is gone."""
    sentence = str(error)
    return HttpResponse(format_html('<p class="remark">{}.</p>', sentence[:1].upper() + sentence[1:]), status=_STOP)
