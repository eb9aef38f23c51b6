"""Pictures with red squares on noise, and a CSV file that says where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

HEADER = "file,label,x0,y0,x1,y1"


def draw(folder: Path, count: int, *, first: int = 0, size: int = 64, empty: int = 0) -> list[str]:
    """Write `count` pictures with one to three squares that do not touch, and `empty` without; return the lines of the CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for k in range(first, first + count + empty):
        dice = np.random.default_rng(k)
        pixels = dice.integers(0, 120, (size, size, 3), dtype=np.uint8)
        taken = np.zeros((size, size), dtype=bool)
        for _ in range(int(dice.integers(1, 4)) if k < first + count else 0):
            side = int(dice.integers(size // 6, size // 3))
            x, y = (int(one) for one in dice.integers(0, size - side + 1, 2))
            if taken[max(y - 4, 0) : y + side + 4, max(x - 4, 0) : x + side + 4].any():
                continue
            taken[y : y + side, x : x + side] = True
            pixels[y : y + side, x : x + side] = (250, 60, 60)
            lines.append(f"{folder.name}/{k}.png,square,{x},{y},{x + side},{y + side}")
        Image.fromarray(pixels).save(folder / f"{k}.png")
    return lines


def write(file: Path, lines: list[str]) -> Path:
    """Write the CSV file."""
    file.write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    return file
