"""What becomes of a frame: opened by a process of `intake`, looked at by the eye, and forgotten."""

from __future__ import annotations

import re
from functools import cache

from django.conf import settings

from whylight.web import catalogue, limits
from whylight.web.catalogue import Offered
from whylight.web.live.holding import Eye
from whylight.web.live.seats import Seats
from whylight.web.pictures.intake import decoders
from whylight.web.said import Said

BYTES = 256 * 2**10  # of a frame
LONGEST = 512  # pixels of a side; a larger frame is made smaller
SKIPPED, STARTING = "skipped", "starting"
_TAB = re.compile(r"[A-Za-z0-9_-]{16,40}")


@cache
def eye() -> Eye:
    """The one of this web process."""
    return Eye(settings.WHYLIGHT_LIVE_IDLE)


@cache
def seats() -> Seats:
    """The places of this web process."""
    most = settings.WHYLIGHT_LIVE_VISITORS
    return Seats(most, max(1, most // 2))


def models() -> list[Offered]:
    """Those that are quick enough: a black box is not, which is asked a thousand times for one map."""
    return [one for one in catalogue.offered().models.values() if not one.methods[one.default].slow]


def look(data: bytes, model: str, target: str, *, tab: str, address: str) -> bytes | str:
    """What is seen in a frame, as JSON; or in a word why nothing is said of it.

    Args:
        data: JPEG, PNG or WebP.
        model: its title; "": the first.
        target: a class's number; "": the surest.
        tab: what the page calls itself.
        address: where it calls from.

    Returns:
        What `seeing.see` tells; `SKIPPED` where a newer frame of the same page has come; `STARTING` while the model is loaded.

    Raises:
        Refused: it is no picture, or too large.
        Said: there is no such model or class, or no place left.
    """
    if not _TAB.fullmatch(tab):
        raise Said(400, "tab: expected 16 to 40 letters and digits, made up by the page at random")
    if len(data) > BYTES:
        raise Said(413, f"a frame has at most {BYTES // 2**10} kB; send it smaller")
    chosen = catalogue.model(model)
    if chosen.methods[chosen.default].slow:
        raise Said(400, f"model: {chosen.title} is too slow for live pictures")
    if target and not (target.isascii() and target.isdigit() and len(target) < 7 and int(target) < len(chosen.classes)):
        raise Said(400, f"target: expected a class's number from 0 to {len(chosen.classes) - 1}")
    counted = None if limits.is_here(address) else limits.net(address)
    with seats().turn(f"{counted} {tab}", counted) as mine:
        if not mine:
            return SKIPPED
        frame = decoders().pixels(data, LONGEST)
        return eye().ask(chosen.name, int(target) if target else None, frame) or STARTING
