"""What a page's script needs to draw maps as `overlay` draws them."""

from __future__ import annotations

from typing import Any

from whylight.render.colormap import DEFAULT, table
from whylight.render.overlay import UNIFORM, opacity

COLORMAPS = ("plasma", "viridis", "inferno", "jet", "turbo", "gray")  # that pages offer


def colours() -> dict[str, Any]:
    """For each colour map its 256 colours, and how its opacity grows.

    Opacity at step s is `most(alpha) · rise[s]`, where `most` is alpha itself for even maps, else 1 - (1 - alpha)^1.4.
    """
    return {
        "rise": [round(float(one), 4) for one in opacity(DEFAULT, 1.0)],
        "maps": {name: {"colours": table(name).tobytes().hex(), "even": name in UNIFORM} for name in COLORMAPS},
    }
