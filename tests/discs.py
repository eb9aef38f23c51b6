"""Small labelled pictures that a network learns in seconds: a red disc somewhere, or none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw(path: Path, *, disc: bool, seed: int, size: int = 48) -> tuple[int, int, int, int]:
    """A noisy picture, with a red disc somewhere or without; returns the disc's box."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 120, (size, size, 3), dtype=np.uint8)
    cy, cx = (int(value) for value in random.integers(size // 4, 3 * size // 4, 2)) if disc else (0, 0)
    radius = size // 5
    if disc:
        y, x = np.ogrid[:size, :size]
        pixels[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = (250, 60, 60)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return cx - radius + 1, cy - radius + 1, cx + radius, cy + radius


def make_tree(root: Path, *, train: int = 16, val: int = 6) -> Path:
    """train/ and val/ with discs and empty pictures; boxes.csv has the discs of val/."""
    lines = ["file,label,x0,y0,x1,y1"]
    for split, count, first in (("train", train, 0), ("val", val, 1000)):
        for k in range(count):
            for disc, name in ((True, "disc"), (False, "empty")):
                file = f"{split}/{name}/{k}.png"
                box = draw(root / file, disc=disc, seed=first + 2 * k + disc)
                if disc and split == "val":
                    lines.append(",".join(map(str, (file, name, *box))))
    (root / "boxes.csv").write_text("\n".join(lines) + "\n")
    return root
