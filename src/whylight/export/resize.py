"""Resizing as two products of matrices, which every runtime does alike: Pillow's filters, at any size of picture.

A row of a matrix has the weights of the source's pixels for one pixel of the result: the filter, centred there and as wide as a
pixel of the result is in the source (never narrower than a pixel of the source), and its sum brought to 1. Columns first, then
rows, each rounded to whole numbers, as Pillow does it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from whylight.images.preprocess import Preprocess

_REACH = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}  # of each filter, in pixels


class Prepare(nn.Module):
    """What a `Preprocess` does to a picture, as a graph: (N, H, W, 3) uint8 → (N, 3, height, width) float32, normalised."""

    def __init__(self, preprocessing: Preprocess) -> None:
        super().__init__()
        self._preprocessing = preprocessing
        self.register_buffer("mean", 255 * torch.tensor(preprocessing.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(preprocessing.std).reshape(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Prepare pictures of one size."""
        rows, columns = self._preprocessing.size
        height, width = pictures.shape[1], pictures.shape[2]
        h, w = torch.arange(height).sum() * 0 + height, torch.arange(width).sum() * 0 + width
        scaled_h, scaled_w, top, left = self._placed(h, w)
        x = pictures.permute(0, 3, 1, 2).float()
        x = _whole(x @ self._weights(columns, width, w, scaled_w, left).T)
        x = _whole(self._weights(rows, height, h, scaled_h, top) @ x)
        return (x - self.mean) / self.std  # type: ignore[operator]

    def _placed(self, h: Tensor, w: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The (height, width) that the picture is scaled to, and the (top, left) of the part of it that is kept."""
        one = self._preprocessing
        rows, columns = one.size
        if one.mode == "squash":
            nothing = torch.zeros_like(h)
            return nothing + rows, nothing + columns, nothing, nothing
        cover_h, cover_w = (int(side / one.crop_pct + 1e-6) for side in one.size)
        is_wide = w * cover_h >= h * cover_w
        scaled_h = torch.where(is_wide, torch.zeros_like(h) + cover_h, cover_w * h // w)
        scaled_w = torch.where(is_wide, cover_h * w // h, torch.zeros_like(w) + cover_w)
        # Python's round: halves to the even number.
        return scaled_h, scaled_w, ((scaled_h - rows) / 2).round(), ((scaled_w - columns) / 2).round()

    def _weights(self, count: int, pixels: int, size: Tensor, scaled: Tensor, start: Tensor) -> Tensor:
        """(count, pixels): of each pixel of the result, from `start` on, the weights of the source's."""
        step = size.double() / scaled.double()
        centres = (torch.arange(count).double() + start.double() + 0.5) * step
        away = (torch.arange(pixels).double() + 0.5)[None] - centres[:, None]
        weights = _filter(self._preprocessing.interpolation, away / step.clamp(min=1.0))
        return (weights / weights.sum(1, keepdim=True)).float()


def _whole(x: Tensor) -> Tensor:
    return (x + 0.5).floor().clamp(0, 255)


def _filter(name: str, away: Tensor) -> Tensor:
    """Pillow's filters: a triangle, Keys' cubic with a = −1/2, and Lanczos' of three lobes."""
    x = away.abs()
    if name == "bilinear":
        return (1 - x).clamp(min=0)
    if name == "bicubic":
        near = (1.5 * x - 2.5) * x * x + 1
        far = ((-0.5 * x + 2.5) * x - 4) * x + 2
        return torch.where(x < 1, near, torch.where(x < _REACH[name], far, torch.zeros_like(x)))
    return torch.where(x < _REACH[name], torch.sinc(x) * torch.sinc(x / 3), torch.zeros_like(x))
