"""How much one address or key may ask for."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from whylight.web.said import Said


def count(request: HttpRequest, group: str = "ask") -> None:
    """Count a request that costs something.

    Raises:
        Said: there were too many.
    """
    key, address = request.key, request.address  # type: ignore[attr-defined]
    if key is None and is_here(address):
        return  # who sits at the machine may use it
    who, rate = (
        (f"key:{key.pk}", settings.WHYLIGHT_KEY_RATE)
        if key is not None
        else (f"at:{net(address)}", settings.WHYLIGHT_RATE)
    )
    used = get_usage(request, group=group, key=lambda *_: who, rate=rate, increment=True)
    if used is not None and used["should_limit"]:
        raise Said(429, f"that was too much at a time; try again in {used['time_left']} s", retry=used["time_left"])


def is_here(address: str) -> bool:
    """Whether somebody sits at the machine itself."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def net(address: str) -> str:
    """An address; of IPv6 the part that belongs to one subscriber."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
