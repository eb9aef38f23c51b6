"""Change training pictures and move their boxes along.

A turned rectangle no longer lies along the axes, and the rectangle around it is far too large for what is in it: an upright
person turned by 10° would get a box half as wide again. So the object is taken to be the ellipse that just fits its box, and
its new box is the one that just fits the moved ellipse. For mirroring, shifting and scaling that is the moved box exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from whylight.images import read
from whylight.train.data.augment import Augment, below, chance, cover, crop, to_tensor, uniform
from whylight.train.data.folders import Item

SEEN = 0.3  # an object of which less than this share of its box is left in the picture is not there any more


class BoxAugment(Augment):
    """From a picture to a changed one, (3, H, W) uint8, and its boxes (n, 5): class number, x0, y0, x1, y1 in its pixels."""

    def __call__(self, item: Item) -> tuple[Tensor, Tensor]:
        source, size, _ = read(item.path)
        side = self.size
        ground = item.label == self.background
        picture = to_tensor(crop(source, 0.2) if ground else source, side, side, self.filter)
        if not ground and chance(self.config.erase):
            picture = cover(picture)
        matrix = self._matrix()
        boxes = moved(stretched(item.boxes, size, (side, side)), matrix, side)
        changed: Tensor = self.light(warped(picture, matrix, below(256)))
        return changed, boxes

    def _matrix(self) -> Tensor:
        """A random way to move the square picture's points: (2, 3), pixels to pixels."""
        c, half = self.config, self.size / 2
        mirror = -1.0 if chance(c.flip) else 1.0
        turn = math.radians(uniform(-c.rotate, c.rotate))
        slant_x, slant_y = (math.tan(math.radians(uniform(-c.shear, c.shear))) for _ in range(2))
        scale = uniform(1 / (1 + c.zoom), 1 + c.zoom)
        shift = torch.tensor([uniform(-c.shift, c.shift), uniform(-c.shift, c.shift)], dtype=torch.float64) * self.size
        cos, sin = math.cos(turn), math.sin(turn)
        rotation = torch.tensor([[cos, -sin], [sin, cos]], dtype=torch.float64)
        shear = torch.tensor([[1.0, slant_x], [slant_y, 1.0]], dtype=torch.float64)
        linear = scale * rotation @ shear @ torch.tensor([[mirror, 0.0], [0.0, 1.0]], dtype=torch.float64)
        centre = torch.full((2,), half, dtype=torch.float64)
        return torch.cat(
            [linear, (centre + shift - linear @ centre)[:, None]], dim=1
        )  # the middle stays, but for the shift


def stretched(boxes: Sequence[Sequence[float]], picture_size: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Boxes (n, 5), class number first, of a picture of (width, height) pixels, once it is stretched to `size` (height, width)."""
    across, down = size[1] / picture_size[0], size[0] / picture_size[1]
    scale = torch.tensor([1, across, down, across, down], dtype=torch.float64)
    return torch.tensor(boxes, dtype=torch.float64).reshape(-1, 5) * scale


def warped(picture: Tensor, matrix: Tensor, fill: int) -> Tensor:
    """Move the points of (3, H, W) uint8 by a (2, 3) matrix, bilinearly; what comes from outside is grey, `fill`."""
    _, height, width = picture.shape
    back = torch.linalg.inv(torch.cat([matrix, torch.tensor([[0.0, 0.0, 1.0]], dtype=matrix.dtype)]))
    image = Image.fromarray(picture.permute(1, 2, 0).numpy())
    coefficients = tuple(back[:2].flatten().tolist())  # Pillow asks where each point comes from
    result = image.transform(
        (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR, fillcolor=(fill, fill, fill)
    )
    return torch.from_numpy(np.array(result)).permute(2, 0, 1)


def moved(boxes: Tensor, matrix: Tensor, side: int) -> Tensor:
    """Move boxes (n, 5) with the points of a square picture, cut them at its rim, and drop those of which little is left."""
    number, corners = boxes[:, :1], boxes[:, 1:]
    middle, half = (corners[:, 2:] + corners[:, :2]) / 2, (corners[:, 2:] - corners[:, :2]) / 2
    linear = matrix[:, :2]
    middle = middle @ linear.T + matrix[:, 2]
    half = (half.square() @ linear.square().T).sqrt()  # half the extent of the ellipse, once it has been moved
    whole = torch.cat([middle - half, middle + half], dim=1)
    visible = whole.clamp(0, side)
    left = (visible[:, 2:] - visible[:, :2]).prod(1) / (whole[:, 2:] - whole[:, :2]).prod(1)
    return torch.cat([number, visible], dim=1)[left >= SEEN]
