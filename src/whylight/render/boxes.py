"""Boxes drawn on pictures, and a row of pictures that tells of one look after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

# Okabe and Ito's colours, which people who see red and green alike can tell apart; the lightest first.
COLOURS = ("#F0E442", "#56B4E9", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#0072B2")
DARK = "#101010"


def draw_boxes(
    picture: Image.Image,
    boxes: Sequence[Sequence[float]],
    texts: Sequence[str] = (),
    *,
    colours: Sequence[str] = COLOURS,
    spoil: bool = False,
) -> Image.Image:
    """Draw boxes, each with a short text, on a copy of a picture.

    Args:
        picture: RGB.
        boxes: x0, y0, x1, y1, … in its pixels, half-open.
        texts: one for each box; none: no texts.
        colours: one for each box, taken in turn.
        spoil: draw on the picture itself, and not on a copy: a large one is then held once and not twice.

    Returns:
        An RGB picture of the same size. Lines and letters grow with it, so that they can be read when it is shown small.
    """
    canvas = picture if spoil and picture.mode == "RGB" else picture.convert("RGB")  # which is a copy in any case
    draw = ImageDraw.Draw(canvas)
    line = line_width(canvas.size)
    for number, box in enumerate(boxes):
        colour = colours[number % len(colours)]
        x0, y0, x1, y1 = (round(value) for value in box[:4])
        x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)  # of half a pixel something is to be seen too
        # A dark rim on both sides keeps the line visible on any ground.
        draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline=DARK, width=line + 2)
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour, width=line)
    for number, (box, text) in enumerate(zip(boxes, texts, strict=False)):
        shown = tag(text, min(canvas.size), colours[number % len(colours)])
        canvas.paste(shown, beside(canvas.size, shown.size, box))
    return canvas


def line_width(size: tuple[int, int]) -> int:
    """How thick lines are in a picture of a size."""
    return max(2, round(min(size) / 150))


@lru_cache(maxsize=256)  # in a moving picture, the same ones over and over
def tag(text: str, side: int, colour: str, ink: str = DARK) -> Image.Image:
    """A text on a ground of a colour, as large as it is to be in a picture whose shorter side has so many pixels."""
    letters, text = _font(max(11, round(side / 28))), _writable(text)
    left, top, right, bottom = letters.getbbox(text)
    pad = max(2, round(letters.size / 5))
    shown = Image.new("RGB", (round(right - left) + 2 * pad + 1, round(bottom - top) + 2 * pad + 1), colour)
    ImageDraw.Draw(shown).text((pad - left, pad - top), text, fill=ink, font=letters)
    return shown


def beside(size: tuple[int, int], shown: tuple[int, int], box: Sequence[float]) -> tuple[int, int]:
    """Where in a picture of a size a tag has its upper left corner: above the box where there is room, else inside it."""
    x, y = round(box[0]), round(box[1]) - shown[1] + 1
    return min(max(0, x), max(0, size[0] - shown[0])), max(0, y if y >= 0 else round(box[1]))


def strip(frames: Iterable[Image.Image], texts: Sequence[str], *, height: int = 320, columns: int = 4) -> Image.Image:
    """Lay pictures of one size side by side, with a line of text under each, row after row.

    Args:
        frames: at least one picture. They are taken one after another, so that not all of them need be there at once.
        texts: one for each.
        height: of each picture in the result, in pixels.
        columns: pictures in one row.
    """
    frames = iter(frames)
    first = next(frames)
    width, height = size_in_strip(first.size, height)
    letters = _font(max(11, round(height / 20)))
    gap, under = 8, round(letters.size * 1.8)
    across = min(columns, len(texts))
    down = -(-len(texts) // across)
    sheet = Image.new("RGB", (across * (width + gap) + gap, down * (height + under + gap) + gap), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (frame, text) in enumerate(zip(chain([first], frames), texts, strict=True)):
        x, y = gap + number % across * (width + gap), gap + number // across * (height + under + gap)
        sheet.paste(frame.convert("RGB").resize((width, height), Image.Resampling.LANCZOS), (x, y))
        draw.text((x, y + height + 2), _short(_writable(text), letters, width), fill=DARK, font=letters)
    return sheet


def size_in_strip(size: tuple[int, int], height: int = 320) -> tuple[int, int]:
    """The (width, height) to which a picture of a size is brought in a strip."""
    return max(1, round(size[0] * (height / size[1]))), height


def _writable(text: str) -> str:
    """The text on one line, with a question mark for what no font has: the halves of letters that bad file names hold."""
    return " ".join(text.encode("utf-8", "replace").decode().splitlines())


def _short(text: str, letters: ImageFont.FreeTypeFont, width: int) -> str:
    """The text, cut with an ellipsis where it is wider than `width` pixels."""
    if letters.getlength(text) <= width:
        return text
    while text and letters.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: names of classes are not always in Latin letters."""
    import matplotlib as mpl

    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)
