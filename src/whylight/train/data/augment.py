"""Change training pictures so that a network learns what a class looks like, not where and how it was photographed.

All randomness comes from torch's default generator, which the data set seeds for each picture.
"""

from __future__ import annotations

import fnmatch
import io
import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from whylight.errors import DataError
from whylight.images import decode
from whylight.images.preprocess import Interpolation, Preprocess
from whylight.train.config import TrainConfig
from whylight.train.data.folders import Item


def uniform(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()


def chance(probability: float) -> bool:
    return torch.rand(()).item() < probability


def below(n: int) -> int:
    return int(torch.randint(n, ()).item())


class Augment:
    """From a picture to a changed one: (3, H, W) uint8, and a map (H, W) of where its label may hold (1).

    The map is all ones but for pastes (ones in the pasted rectangles) and background pictures (zeros).
    """

    def __init__(
        self,
        config: TrainConfig,
        items: list[Item],
        classes: tuple[str, ...],
        interpolation: Interpolation = "bilinear",
    ) -> None:
        self.filter = Image.Resampling[interpolation.upper()]
        self.config, self.seed, self.size = config, config.seed, config.size
        self.background = classes.index(config.background) if config.background is not None else None
        self.grounds = [item for item in items if item.label == self.background]
        self.pasteable = [item for item in items if item.label != self.background and self._may_paste(item)]
        for pattern in config.paste_from:
            if not any(fnmatch.fnmatch(item.name, pattern) for item in self.pasteable):
                raise DataError(
                    f"paste_from: no training picture that can be pasted is called {pattern!r} "
                    f"(names look like {items[0].name!r})"
                )
        self.same_class: dict[int, list[Item]] = {}
        for item in self.pasteable:
            self.same_class.setdefault(item.label, []).append(item)
        strength = config.colour
        self.light = v2.Compose(
            [
                v2.RandomGrayscale(config.grey),
                v2.ColorJitter(strength, strength, strength),
                v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.6))], config.blur),
                v2.RandomApply([v2.Lambda(compress)], config.jpeg),
            ]
        )

    def _may_paste(self, item: Item) -> bool:
        patterns = self.config.paste_from
        return not patterns or any(fnmatch.fnmatch(item.name, pattern) for pattern in patterns)

    def __call__(self, item: Item) -> tuple[Tensor, Tensor]:
        ground = item.label == self.background
        if (ground or self._may_paste(item)) and chance(self.config.paste):
            picture, where = self._collage(item)
        else:
            source = decode(item.path)
            picture = to_tensor(crop(source, 0.2) if ground else source, self.size, self.size, self.filter)
            where = torch.full((self.size, self.size), 0 if ground else 1, dtype=torch.uint8)
            if not ground and self._may_paste(item) and chance(self.config.erase):
                picture = cover(picture)
        image, mask = self._geometry(tv_tensors.Image(picture), tv_tensors.Mask(where))
        return self.light(image).as_subclass(Tensor), mask.as_subclass(Tensor).float()

    def _geometry(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        c = self.config
        move = v2.Compose(
            [
                v2.RandomHorizontalFlip(c.flip),
                v2.RandomAffine(
                    degrees=c.rotate,
                    translate=(c.shift, c.shift),
                    scale=(1 / (1 + c.zoom), 1 + c.zoom),
                    shear=(-c.shear, c.shear, -c.shear, c.shear),
                    interpolation=v2.InterpolationMode.BILINEAR,
                    fill={tv_tensors.Image: below(256), tv_tensors.Mask: 0},
                ),
            ]
        )
        image, mask = move(image, mask)
        return image, mask

    def _collage(self, item: Item) -> tuple[Tensor, Tensor]:
        """One to three small pictures of the item's class on a background picture."""
        side = self.size
        canvas = to_tensor(crop(decode(self.grounds[below(len(self.grounds))].path), 0.25), side, side)
        canvas = self.light(canvas) if chance(0.5) else canvas.clone()
        where = torch.zeros((side, side), dtype=torch.uint8)
        ground = item.label == self.background
        friends = self.grounds if ground else self.same_class[item.label]
        count = (1, 1, 1, 2, 3)[below(5)]
        for k in range(count):
            source = decode((item if k == 0 else friends[below(len(friends))]).path)
            source = crop(source, 0.2) if ground else zoom_in(source, 0.6)
            share = math.exp(uniform(math.log(0.11), math.log(0.85 if count == 1 else 0.4)))
            stretch = math.exp(uniform(-0.25, 0.25))
            height, width = (min(side, max(8, int(side * s))) for s in (share * stretch, share / stretch))
            patch = v2.functional.horizontal_flip(to_tensor(source, height, width)) if chance(0.5) else to_tensor(
                source, height, width
            )  # fmt: skip
            patch = cover(patch) if chance(self.config.erase) else patch
            patch = self.light(patch) if chance(0.7) else patch
            top, left = below(side - height + 1), below(side - width + 1)
            area = (slice(top, top + height), slice(left, left + width))
            alpha = soft_edge(height, width) if chance(0.5) else torch.ones(height, width)
            under = canvas[:, *area].float()
            canvas[:, *area] = (under + alpha * (patch.float() - under)).round().to(torch.uint8)
            if not ground:
                where[area] = 1
        return canvas, where


def to_tensor(
    picture: Image.Image, height: int, width: int, by: Image.Resampling = Image.Resampling.BILINEAR
) -> Tensor:
    """A picture stretched to (3, height, width), uint8."""
    resized = picture.resize((width, height), by)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)


def pixels(picture: Tensor, preprocess: Preprocess) -> Tensor:
    """Normalise (3, H, W) uint8 as the preprocessing does."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (preprocess.mean, preprocess.std))
    return (picture.float() / 255 - mean) / std


def crop(picture: Image.Image, least: float) -> Image.Image:
    """Cut out a random part: `least` to 1 of the area, anywhere."""
    width, height = picture.size
    share, ratio = math.sqrt(uniform(least, 1)), math.exp(uniform(-0.13, 0.13))
    w, h = min(width, width * share * ratio), min(height, height * share / ratio)
    x, y = uniform(0, width - w), uniform(0, height - h)
    return picture.crop((int(x), int(y), max(int(x) + 1, int(x + w)), max(int(y) + 1, int(y + h))))


def zoom_in(picture: Image.Image, least: float) -> Image.Image:
    """Cut out a part near the middle: `least` to 1 of each side."""
    width, height = picture.size
    share = uniform(least, 1)
    x, y = (side * (1 - share) * uniform(0.35, 0.65) for side in (width, height))
    return picture.crop(
        (int(x), int(y), max(int(x) + 1, int(x + width * share)), max(int(y) + 1, int(y + height * share)))
    )


def soft_edge(height: int, width: int) -> Tensor:
    """An (height, width) map of opacity, 1 inside and 0 at the rim, between a rectangle and an ellipse in shape."""
    power = float((2, 4, 8)[below(3)])
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    distance = (y.abs() ** power + x.abs() ** power) ** (1 / power)
    return ((1 - distance) / uniform(0.05, 0.3)).clamp(0, 1)


def compress(picture: Tensor) -> Tensor:
    """Store (3, H, W) uint8 as a JPEG file of random quality and read it back."""
    file = io.BytesIO()
    Image.fromarray(picture.permute(1, 2, 0).numpy()).save(file, "JPEG", quality=35 + below(56))
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)


def cover(picture: Tensor) -> Tensor:
    """Hide a part of (3, H, W) behind a plain ellipse or rectangle: mostly low in the middle, as a mask or a hand would."""
    height, width = picture.shape[1:]
    low = chance(0.7)
    cx, cy = (uniform(0.42, 0.58), uniform(0.58, 0.8)) if low else (uniform(0.1, 0.9), uniform(0.1, 0.9))
    rx, ry = (uniform(0.18, 0.38), uniform(0.12, 0.25)) if low else (uniform(0.08, 0.3), uniform(0.08, 0.3))
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    u, v = ((x - cx) / rx).abs(), ((y - cy) / ry).abs()
    hidden = u**2 + v**2 < 1 if chance(0.5) else torch.maximum(u, v) < 1
    tint = ((255, 255, 255), (0, 0, 0), (120, 170, 220), (230, 230, 235), None)[below(5)]
    base = torch.randint(256, (3, 1, 1)) if tint is None else torch.tensor(tint).view(3, 1, 1)
    colour = (base + torch.randint(-25, 26, (3, 1, 1))).clamp(0, 255).to(torch.uint8)
    return torch.where(hidden, colour, picture)
