"""From a decoded picture to the tensor a network sees, and back from its map to the picture.

Both directions live here because they must agree: `Preprocess.region` says which part of the picture the tensor shows, and
`place` puts a map of that tensor onto the picture with half-pixel centres.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from whylight.cells import WHOLE, Span, hermite, interpolation, slopes
from whylight.errors import ModelError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_STRETCHED = 16  # how many times the input's size a scaled picture may have before only the crop is scaled

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
_RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class Region(NamedTuple):
    """The rectangle of a picture that a network saw, in (fractional) pixels of the picture, half-open."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes a network's input.

    Args:
        size: (height, width) of the input in pixels.
        mode: `"squash"` stretches the whole picture to `size`; `"crop"` scales the shorter side to `size / crop_pct`
            and cuts out the centre, as most ImageNet models were evaluated.
        crop_pct: share of the scaled picture's shorter side that the crop keeps, in (0, 1].
        interpolation: the resampling filter (always with antialiasing).
        mean: mean of red, green and blue in [0, 1] that is subtracted.
        std: standard deviation of red, green and blue that is divided by.

    Raises:
        ModelError: if a field has a value that no picture can be prepared with.

    >>> Preprocess(size=(224, 224), mode="crop", crop_pct=0.875).region((512, 256))
    Region(x0=144.0, y0=16.0, x1=368.0, y1=240.0)
    """

    size: tuple[int, int] = (224, 224)
    mode: Literal["squash", "crop"] = "squash"
    crop_pct: float = 1.0
    interpolation: Interpolation = "bilinear"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if len(self.size) != 2 or min(self.size) < 1:
            raise ModelError(f"preprocessing: size must be (height, width), both at least 1, not {self.size}")
        if self.mode not in ("squash", "crop"):
            raise ModelError(f"preprocessing: mode must be 'squash' or 'crop', not {self.mode!r}")
        if not 0 < self.crop_pct <= 1:
            raise ModelError(f"preprocessing: crop_pct must lie in (0, 1], not {self.crop_pct}")
        if self.interpolation not in _RESAMPLING:
            raise ModelError(f"preprocessing: interpolation must be one of {', '.join(_RESAMPLING)}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ModelError(
                "preprocessing: mean and std take three numbers each (red, green, blue), every std above 0"
            )

    def __call__(self, picture: Image.Image) -> Tensor:
        """Turn an RGB picture into a (3, H, W) float32 tensor, normalised by `mean` and `std`."""
        (width, height), (left, top) = self._geometry(picture.size)
        rows, columns = self.size
        if width * height > _STRETCHED * rows * columns:
            # Scaling all of a very long picture could take gigabytes; scaling the part that is kept differs in its rim only.
            x0, y0, x1, y1 = self.region(picture.size)
            picture = picture.resize((columns, rows), _RESAMPLING[self.interpolation], box=(x0, y0, x1, y1))
        else:
            if picture.size != (width, height):
                picture = picture.resize((width, height), _RESAMPLING[self.interpolation])
            picture = picture.crop((left, top, left + columns, top + rows))
        # In the picture's own (H, W, 3) order: the (3, H, W) view of it is channels-last already, which is the order in which
        # convolutions run fastest. Whole rows at a time: NumPy is slow where the last side is as short as three.
        scale = 1 / (255 * np.asarray(self.std, np.float32))
        shift = np.asarray(self.mean, np.float32) / np.asarray(self.std, np.float32)
        pixels = np.array(picture, dtype=np.float32).reshape(rows, 3 * columns)
        pixels *= np.tile(scale, columns)
        pixels -= np.tile(shift, columns)
        return torch.from_numpy(pixels.reshape(rows, columns, 3)).permute(2, 0, 1)

    def restore(self, tensor: Tensor) -> Image.Image:
        """Turn a (3, H, W) input tensor back into the picture it shows: the inverse of the normalisation."""
        pixels = tensor.detach().cpu().float().permute(1, 2, 0).numpy() * np.asarray(self.std) + np.asarray(self.mean)
        return Image.fromarray((pixels.clip(0, 1) * 255).round().astype(np.uint8))

    def region(self, picture_size: tuple[int, int]) -> Region:
        """Say which part of a picture of (width, height) pixels the network sees."""
        (width, height), (left, top) = self._geometry(picture_size)
        across, down = picture_size[0] / width, picture_size[1] / height
        rows, columns = self.size
        return Region(left * across, top * down, (left + columns) * across, (top + rows) * down)

    def _geometry(self, picture_size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        """The (width, height) to scale to, and the (left, top) of the crop in it; rounded as torchvision rounds."""
        rows, columns = self.size
        if self.mode == "squash":
            return (columns, rows), (0, 0)
        # The small epsilon keeps 224 / (224 / 256) at 256 where the floating-point quotient falls just below it.
        cover_w, cover_h = (math.floor(side / self.crop_pct + 1e-6) for side in (columns, rows))
        width, height = picture_size
        if width * cover_h >= height * cover_w:
            scaled = (int(cover_h * width / height), cover_h)
        else:
            scaled = (cover_w, int(cover_w * height / width))
        return scaled, (round((scaled[0] - columns) / 2), round((scaled[1] - rows) / 2))

    def changed(
        self,
        size: tuple[int, int] | None = None,
        mean: tuple[float, float, float] | None = None,
        std: tuple[float, float, float] | None = None,
        crop: float | None = None,
    ) -> Self:
        """The same with what is not None; `crop` is the share of the shorter side that is kept, 0 squeezes the whole picture in.

        >>> Preprocess(mode="crop", crop_pct=0.875).changed(size=(96, 96), crop=0).mode
        'squash'
        """
        given: dict[str, Any] = {"size": size, "mean": mean, "std": std}
        if crop is not None:
            given |= {"mode": "crop" if crop else "squash", "crop_pct": crop or 1.0}
        return replace(self, **{key: value for key, value in given.items() if value is not None})

    def __str__(self) -> str:
        """How pictures are prepared, in words.

        >>> str(Preprocess(mode="crop", crop_pct=0.875))
        '224×224 from the centre (0.875 of the shorter side), bilinear, mean 0.485,0.456,0.406, std 0.229,0.224,0.225'
        """
        rows, columns = self.size
        kept = f"from the centre ({self.crop_pct:g} of the shorter side)" if self.mode == "crop" else "squeezed whole"
        mean, std = (",".join(f"{value:.3g}" for value in values) for values in (self.mean, self.std))
        return f"{columns}×{rows} {kept}, {self.interpolation}, mean {mean}, std {std}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Rebuild from `to_dict`'s values."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        return cls(**values)


def as_size(size: Any) -> tuple[int, int]:
    """(height, width) from a side or from both.

    Raises:
        ModelError: if it is neither.
    """
    if isinstance(size, int):
        return size, size
    two = isinstance(size, Sequence) and not isinstance(size, str) and len(size) == 2
    if not two or not all(isinstance(side, int) for side in size):
        raise ModelError(f"size: expected a side in pixels, or (height, width), got {size!r}")
    return int(size[0]), int(size[1])


def as_colours(values: Any, name: str) -> tuple[float, float, float]:
    """Three numbers, one for each colour.

    Raises:
        ModelError: if they are not three.
    """
    if not isinstance(values, Sequence) or len(values) != 3:
        got = len(values) if isinstance(values, Sequence) else values
        raise ModelError(f"{name}: expected three numbers (red, green, blue), got {got}")
    return float(values[0]), float(values[1]), float(values[2])


def shown_bands(bands: Tensor) -> Image.Image:
    """A picture of an input (C, H, W) whose channels are no colours: the first three, each from its least to its most."""
    shown = bands[:3] if len(bands) >= 3 else bands[:1].expand(3, -1, -1)
    pixels = shown.detach().cpu().float()
    low, high = pixels.amin((1, 2), keepdim=True), pixels.amax((1, 2), keepdim=True)
    scaled = (pixels - low) / (high - low).clamp(min=1e-12)
    return Image.fromarray((255 * scaled).round().byte().permute(1, 2, 0).numpy())


def place(
    raw: Tensor,
    region: Region,
    picture_size: tuple[int, int],
    size: tuple[int, int] | None = None,
    span: Span = WHOLE,
) -> Tensor:
    """Put a map onto the picture it explains: bilinear, half-pixel centres, zero where the network did not look.

    Args:
        raw: the map, (h, w).
        region: the part of the picture that the network saw, in pixels of the picture.
        picture_size: (width, height) of the picture in pixels.
        size: (height, width) of the result; default: the picture's own.
        span: over which part of that the map's cells are spread; beyond it the outermost cells go on.

    Returns:
        (H, W) float32, in the units of `raw`.
    """
    placed = Placed(raw, region, picture_size, size, span)
    return placed.rows(slice(None))


class Placed:
    """A map on the picture it explains, as `place` puts it there, of which some rows are made at a time.

    Bilinear interpolation is separable, so they are two products of matrices: exact, and fast at any picture size.

    Attributes:
        shape: (height, width) of the whole.
    """

    def __init__(
        self,
        raw: Tensor,
        region: Region,
        picture_size: tuple[int, int],
        size: tuple[int, int] | None = None,
        span: Span = WHOLE,
    ) -> None:
        self.shape = rows, columns = size or (picture_size[1], picture_size[0])
        (width, height), (h, w) = picture_size, raw.shape
        down = interpolation(h, rows, region.y0 / height, region.y1 / height, span.top, span.bottom)  # (H, h)
        across = interpolation(w, columns, region.x0 / width, region.x1 / width, span.left, span.right)
        self._down, self._across = down @ raw.float().cpu(), across.T  # (H, w), (w, W)

    def rows(self, rows: slice) -> Tensor:
        """Some rows: (rows, W) float32, in the units of the map."""
        return self._down[rows] @ self._across


class Smooth(Placed):
    """The same without the ridges of straight lines between cells, for the eye: cubic, and nowhere beyond the cells around.

    Interpolated along one side and then the other, in both orders, whose mean it is: values rise and fall between cells only where
    cells do, and each cell keeps its value.
    """

    def __init__(
        self,
        raw: Tensor,
        region: Region,
        picture_size: tuple[int, int],
        size: tuple[int, int] | None = None,
        span: Span = WHOLE,
    ) -> None:
        self.shape = rows, columns = size or (picture_size[1], picture_size[0])
        (width, height), (h, w), raw = picture_size, raw.shape, raw.float().cpu()
        self._rows = hermite(h, rows, region.y0 / height, region.y1 / height, span.top, span.bottom)  # 2 × (H, h)
        self._columns = hermite(w, columns, region.x0 / width, region.x1 / width, span.left, span.right)  # 2 × (W, w)
        across = raw @ self._columns[0].T + slopes(raw, 1) @ self._columns[1].T  # (h, W)
        self._raw, self._wide = (raw, slopes(raw, 0)), (across, slopes(across, 0))

    def rows(self, rows: slice) -> Tensor:
        """Some rows: (rows, W) float32, in the units of the map."""
        values, rises = (matrix[rows] for matrix in self._rows)
        first = values @ self._wide[0] + rises @ self._wide[1]
        down = values @ self._raw[0] + rises @ self._raw[1]  # (rows, w)
        return (first + down @ self._columns[0].T + slopes(down, 1) @ self._columns[1].T) / 2


def seen(region: Region, picture_size: tuple[int, int], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Say which rows and which columns of a result of `place` the network looked at: (H,) and (W,) bool."""
    rows = interpolation(1, size[0], region.y0 / picture_size[1], region.y1 / picture_size[1])[:, 0]
    columns = interpolation(1, size[1], region.x0 / picture_size[0], region.x1 / picture_size[0])[:, 0]
    return rows > 0, columns > 0
