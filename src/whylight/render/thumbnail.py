"""Small pictures for a page with many: a thumbnail, and the heat as a layer to lay over it, in the bytes of a WebP file."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.render.colormap import DEFAULT, apply, quantize, table
from whylight.render.overlay import opacity

LONGEST = 256  # pixels of a thumbnail's longer side: sharp at the size of a card, 5 to 8 kB
_EVEN = 64  # of a layer's longer side, where the map has a few cells: what lies between them is drawn by the browser
_FEW_CELLS = 32
_FINE = 160  # where it has many: single pixels are noise that takes bytes


def thumbnail(picture: Image.Image, longest: int = LONGEST) -> bytes:
    """A picture reduced to so many pixels on its longer side, never enlarged.

    >>> thumbnail(Image.new("RGB", (4000, 30)))[8:12]
    b'WEBP'
    """
    width, height = fitted(picture.size, longest)
    small = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return _encoded(small.convert("RGB"), quality=62)


def layer_size(picture_size: tuple[int, int], cells: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) of the layer that a map of (h, w) cells needs: small for a few cells.

    >>> layer_size((640, 480), (7, 7)), layer_size((640, 480), (224, 224))
    ((48, 64), (120, 160))
    """
    width, height = fitted(picture_size, _EVEN if max(cells) <= _FEW_CELLS else _FINE)
    return height, width


def layer(heat: NDArray[np.floating], colormap: str = DEFAULT) -> bytes:
    """A heat map, (h, w) in [0, 1], as colours that cover as much as `overlay` covers with `alpha=1`.

    Shown with an opacity of `strength(colormap, alpha)` over the picture, it is the overlay of that `alpha`.
    """
    steps = quantize(heat)
    covers = np.rint(255.0 * opacity(colormap, 1.0)).astype(np.uint8)
    pixels = np.dstack([apply(steps, table(colormap)), cv2.LUT(steps, covers)])
    return _encoded(Image.fromarray(pixels, "RGBA"), quality=60, alpha_quality=50)


def strength(colormap: str, alpha: float) -> float:
    """How much of a picture the strongest evidence covers in an overlay of such an `alpha`.

    >>> strength("jet", 0.5), round(strength("plasma", 0.5), 2)
    (0.5, 0.62)
    """
    return float(opacity(colormap, alpha).max())


def fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """A (width, height) brought to so many pixels on its longer side, if it has more.

    >>> fitted((4000, 30), 320), fitted((100, 50), 320)
    ((320, 2), (100, 50))
    """
    share = min(1.0, longest / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _encoded(picture: Image.Image, **options: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "WEBP", method=2, **options)  # twice as fast as the default, for 2 % more bytes
    return file.getvalue()
