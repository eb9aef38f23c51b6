"""Numbers and times in words, for templates."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language_info

register = template.Library()


@register.filter
def clock(moment: datetime, before: str = "") -> SafeString:
    """A time of day, of another day with its date; a script turns it to the visitor's own time zone."""
    near = abs(moment - timezone.now()) < timedelta(hours=12)
    told = moment.strftime("%H:%M UTC" if near else "%d %B, %H:%M UTC").lstrip("0")
    word = f"{before} " if before and near else "on " if before else ""
    return format_html('{}<time datetime="{}" data-clock>{}</time>', word, moment.isoformat(timespec="seconds"), told)


@register.filter
def duration(seconds: float) -> str:
    """About how long, in the unit that people would use.

    >>> duration(4), duration(75), duration(600), duration(86400)
    ('4 s', '75 s', '10 minutes', '24 hours')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{round(seconds / 3600)} hours"


@register.filter
def quarter(percent: int) -> int:
    """Progress in steps that are worth saying aloud.

    >>> quarter(49), quarter(50)
    (25, 50)
    """
    return percent // 25 * 25


@register.filter
def spoken(code: str) -> str:
    """A language by the name that its speakers give it.

    >>> spoken("de"), spoken("xx")
    ('Deutsch', 'xx')
    """
    try:
        name: str = get_language_info(code)["name_local"]
    except KeyError:  # words of somebody's own, in a language that Django has no name for
        return code
    return name[:1].upper() + name[1:]


@register.filter
def sentence(text: str) -> str:
    """With a capital and a full stop.

    >>> sentence("the worker stopped")
    'The worker stopped.'
    """
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".") if text else ""


@register.filter
def pair(label: str) -> str:
    """Two classes that were told apart.

    >>> pair("tabby rather than tiger cat")
    '“tabby” rather than “tiger cat”'
    """
    one, _, other = label.partition(" rather than ")
    return f"“{one}” rather than “{other}”" if other else f"“{one}”"


@register.filter
def figure(value: float) -> str:
    """A probability or a score, short.

    >>> figure(0.98312), figure(0.00012), figure(-3.14159)
    ('0.983', '0.00012', '-3.14')
    """
    return f"{value:.3f}" if 0.001 <= value <= 1 else f"{value:.3g}"


@register.filter
def percentage(share: float) -> str:
    """A share of one hundred.

    >>> percentage(0.1)
    '10 %'
    """
    return f"{100 * share:g} %"
