"""The result card: picture, face, evidence, the features' scores and the sentence on one page."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.faces.answer import Answer
from whylight.faces.parts import FACIAL
from whylight.faces.scores import PartScore
from whylight.faces.words import percent
from whylight.render.boxes import draw_boxes
from whylight.render.page import FAINT, INK, Box, Page, lines
from whylight.render.panel import LOCK

WIDTH = 1120
_MARGIN, _GAP, _TILE, _CAPTION = 28, 20, 328, 26
_TITLE, _TEXT, _SMALL = 15.0, 11.0, 9.5  # points
_ROW, _LABEL, _BAR = 27, 130, 330  # of a feature: height, room for its name, length of a full bar
_COUNTS, _REST, _TRACK = (204, 71, 120), (170, 170, 178), (236, 236, 240)  # plasma's middle; greys


def draw(result: Answer) -> Image.Image:
    """Draw a result that has an explanation, as an RGB picture 1,120 pixels wide.

    Raises:
        FaceError: if it has none.
    """
    crop, blend = result.crop, result.blended()
    assert crop is not None
    assert result.picture is not None
    room = WIDTH - 2 * _MARGIN
    tiles = [("the picture", _picture(result)), ("the face", crop.picture), (_evidence(result), blend)]
    widths = _widths([picture.size for _, picture in tiles], room - 2 * _GAP)
    rows = [score for score in result.scores if score.name in FACIAL]
    top = result.identity.top if result.identity is not None else ()
    with LOCK:
        title = lines(_title(result), room, _TITLE, weight="bold", most=2)
        words = lines(result.sentence, room, _TEXT, most=5)
        head = _MARGIN + 28 * len(title) + 22 * len(words) + 16
        tall = max(height for _, height in widths)
        body = head + tall + _CAPTION + 18
        height = body + 30 + _ROW * max(len(rows) + 1, len(top) + 1) + _MARGIN
        page = Page(WIDTH, height)
        for i, line in enumerate(title):
            page.write(_MARGIN, _MARGIN + 12 + 28 * i, line, _TITLE, weight="bold", colour=INK)
        for i, line in enumerate(words):
            page.write(_MARGIN, _MARGIN + 28 * len(title) + 12 + 22 * i, line, _TEXT, colour=INK)
        left = _MARGIN
        for (caption, picture), (wide, high) in zip(tiles, widths, strict=True):
            page.show(Box(left, head, wide, high), _resized(picture, (wide, high)))
            for line in lines(caption, max(wide, 180), _SMALL, most=1):
                page.write(left, head + high + 15, line, _SMALL)
            left += wide + _GAP
        page.write(_MARGIN, body + 8, "mean of the map in each feature, 0 to 1", _SMALL, colour=FAINT)
        for i, score in enumerate(rows):
            _bar(page, body + 38 + _ROW * i, score, score in result.significant)
        _off_face(page, body + 38 + _ROW * len(rows), result.off_face)
        _nearest(page, body, result)
        return page.picture()


def pair(first: Answer, second: Answer) -> Image.Image:
    """The cards of two photographs of one match, one above the other."""
    cards = [draw(first), draw(second)]
    page = Image.new("RGB", (WIDTH, sum(card.height for card in cards)), "white")
    page.paste(cards[0], (0, 0))
    page.paste(cards[1], (0, cards[0].height))
    return page


def _title(result: Answer) -> str:
    identity = result.identity
    assert identity is not None
    if identity.measure == "pair":
        return f"Similarity {identity.score:.2f} to {Path(identity.name).name}"
    if identity.measure == "similarity":
        if identity.known is not False:
            return f"{identity.name}, similarity {identity.score:.2f}"
        return f"Nearest: {identity.name}, similarity {identity.score:.2f}: a stranger is as likely"
    name = "A face" if identity.measure == "face" else identity.name
    return f"{name if identity.known else f'{name}?'}, probability {percent(identity.score)}"


def _evidence(result: Answer) -> str:
    explanation = result.explanation
    assert explanation is not None
    if explanation.is_blank:
        return f"{explanation.method}: no evidence"
    assert result.identity is not None
    if result.other is not None:
        return f"{result.identity.name} rather than {result.other}"
    what = "the likeness" if result.identity.measure == "pair" else result.identity.name
    return f"evidence for {what}, by {explanation.method}"


def _picture(result: Answer) -> Image.Image:
    """The picture with the face's box; a very large one reduced first, so that the line is seen."""
    assert result.picture is not None
    assert result.face is not None
    scale = min(1.0, 3 * _TILE / max(result.picture.size))
    small = result.picture.resize([max(1, round(side * scale)) for side in result.picture.size], reducing_gap=2.0)
    return draw_boxes(small, [[value * scale / result.times for value in result.face.box[:4]]])


def _widths(sizes: list[tuple[int, int]], room: int) -> list[tuple[int, int]]:
    """(width, height) of each tile: the two crops first, the picture in what is left."""
    crops = [(max(1, round(_TILE * w / h)), _TILE) for w, h in sizes[1:]]
    left = room - sum(wide for wide, _ in crops)
    width, height = sizes[0]
    scale = min(left / width, _TILE / height)
    return [(max(1, round(width * scale)), max(1, round(height * scale))), *crops]


def _resized(picture: Image.Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    shrunk = picture.width > size[0]
    pixels = cv2.resize(np.asarray(picture), size, interpolation=cv2.INTER_AREA if shrunk else cv2.INTER_CUBIC)
    return np.asarray(pixels, np.uint8)


def _bar(page: Page, y: int, score: PartScore, counts: bool) -> None:
    """One feature: its name, a bar as long as its score, the score, and how it compares with its area."""
    name = score.name.replace("_", " ")
    page.write(_MARGIN, y, name, _SMALL, colour=INK if counts else FAINT, weight="bold" if counts else "normal")
    _track(page, y, score.score, _COUNTS if counts else _REST)
    page.write(_MARGIN + _LABEL + _BAR + 12, y, f"{score.score:.2f}", _SMALL, colour=INK)
    text = f"{score.share:.0%} of the evidence, {score.lift:.1f} × its area"
    page.write(_MARGIN + _LABEL + _BAR + 56, y, text, _SMALL - 0.5)


def _off_face(page: Page, y: int, share: float) -> None:
    page.write(_MARGIN, y, "hair, background", _SMALL)
    _track(page, y, share, _REST)
    page.write(_MARGIN + _LABEL + _BAR + 12, y, f"{share:.0%} of the evidence lies outside the face", _SMALL - 0.5)


def _track(page: Page, y: int, share: float, colour: tuple[int, int, int]) -> None:
    pixels = np.full((14, _BAR, 3), _TRACK, np.uint8)
    pixels[:, : round(min(max(share, 0.0), 1.0) * _BAR)] = colour
    page.show(Box(_MARGIN + _LABEL, y - 7, _BAR, 14), pixels)


def _nearest(page: Page, top: int, result: Answer) -> None:
    """The nearest names with their scores, where there are several to choose from."""
    identity = result.identity
    if identity is None or len(identity.top) < 2:
        return
    x = _MARGIN + _LABEL + _BAR + 330
    word = "probability" if identity.measure == "probability" else "similarity"
    limit = "" if identity.limit is None else f"; known from {identity.limit:.2f}"
    page.write(x, top + 8, f"nearest, by {word}{limit}", _SMALL, colour=FAINT)
    for i, match in enumerate(identity.top):
        y = top + 38 + _ROW * i
        page.write(x, y, f"{match.similarity:.2f}", _SMALL, colour=INK)
        for line in lines(match.name, WIDTH - _MARGIN - x - 50, _SMALL, most=1):
            page.write(x + 50, y, line, _SMALL, colour=INK if i == 0 else FAINT)
