"""From an upload to a picture in the store."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Sum

from whylight.web.intake import Decoders, Limits
from whylight.web.pictures import store
from whylight.web.pictures.models import Picture
from whylight.web.said import Said


@cache
def decoders() -> Decoders:
    """The processes that open what was uploaded; made when first asked for, one set for each web process."""
    return Decoders(settings.WHYLIGHT_DECODERS, Limits(settings.WHYLIGHT_MAX_BYTES, settings.WHYLIGHT_MAX_MEGAPIXELS))


def take(upload: UploadedFile[Any], owner: str, *, view: bool) -> Picture:
    """Open an upload and keep its pixels.

    Args:
        upload: the bytes that came in.
        owner: whose it is.
        view: also make the smaller picture that pages show.

    Raises:
        Refused: it is no picture, or one that costs too much.
        Said: there is no room left.
    """
    if (Picture.objects.aggregate(all=Sum("bytes"))["all"] or 0) > settings.WHYLIGHT_MAX_STORE:
        raise Said(503, "there is no room for more pictures at the moment; try again in some minutes", retry=120)
    picture = Picture(owner=owner)
    folder = store.made(store.of_picture(picture.token))
    try:
        upright = decoders().upright(upload.read(), folder, view=view)
        picture.width, picture.height, picture.times = upright.width, upright.height, upright.times
        picture.bytes = store.size(folder)
        picture.save(force_insert=True)
    except BaseException:
        store.drop(folder)
        raise
    return picture
