"""Pictures with a heat map over them, drawn from what a job wrote: for downloads, and for browsers without scripts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from whylight import render
from whylight.render.overlay import overlay_steps
from whylight.render.scripted import COLORMAPS as COLORMAPS
from whylight.web.pictures import store, viewing
from whylight.web.said import Gone
from whylight.web.tasks.results import Result

_PIXELS = 2**23  # of a picture that is drawn on; larger ones are reduced


@dataclass(frozen=True)
class Look:
    """How a heat map is laid over the picture.

    Attributes:
        colormap: one of `COLORMAPS`.
        alpha: how much the strongest evidence covers, 0 … 100.
        boxes: whether boxes around the evidence are drawn.
        part: which share of this map's own scale its strongest evidence reaches: below 1 on a scale shared with stronger maps.
    """

    colormap: str = render.DEFAULT
    alpha: int = 50
    boxes: bool = False
    part: float = 1.0


def overlay(result: Result, place: int, look: Look, *, whole: bool) -> Image.Image:
    """One explanation of a result, drawn: RGB.

    Args:
        result: of an explanation.
        place: of its record.
        look: colours and opacity.
        whole: on the picture as it is kept; else on the smaller one that pages show.
    """
    record = result.records[place]
    picture = _picture(result.task.picture_id, whole=whole)
    with Image.open(result.heat_of(place), formats=["JPEG"]) as file:
        heat = file.convert("L").resize(picture.size, Image.Resampling.BILINEAR)
    steps = np.asarray(heat)
    if look.part < 1:
        steps = np.rint(steps * look.part).astype(np.uint8)
    if not record["blank"]:
        rows = slice(0, picture.height)
        picture = overlay_steps(picture, [(rows, steps)], alpha=look.alpha / 100, colormap=look.colormap)
    if look.boxes and record.get("boxes"):
        times = picture.width / record["width"]
        sides = [[one[side] * times for side in ("x0", "y0", "x1", "y1")] for one in record["boxes"]]
        picture = render.draw_boxes(picture, sides, colours=("#ffd60a",), spoil=True)
    return picture


def encoded(result: Result, place: int, look: Look, kind: str, *, whole: bool) -> bytes:
    """The same as the bytes of a file, `png` or `jpg`."""
    return render.encode(np.array(overlay(result, place, look, whole=whole)), kind, spoil=True)


def _picture(token: str, *, whole: bool) -> Image.Image:
    try:
        with (store.of_picture(token) / store.PICTURE).open("rb") if whole else viewing.opened(token) as stream:
            picture = Image.open(stream, formats=["PPM", "JPEG"]).convert("RGB")
    except FileNotFoundError:
        raise Gone("picture") from None
    times = 1
    while picture.width * picture.height > _PIXELS * times**2:
        times += 1
    return picture.reduce(times) if times > 1 else picture
