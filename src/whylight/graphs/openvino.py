"""The way from a picture to the network's input, before a graph of OpenVINO's."""

from __future__ import annotations

from typing import Any

import numpy as np

from whylight.graphs.geometry import Geometry, normalisation
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.runtimes import PICTURE, X

_MODES = {"nearest": "nearest", "bilinear": "bilinear_pillow", "bicubic": "bicubic_pillow"}


def with_pictures_before(network: Any, preprocess: Preprocess, *, resize: bool) -> Any:
    """An OpenVINO network that takes pictures (N, H, W, 3) uint8 in place of x.

    Args:
        network: its one input is x.
        preprocess: how pictures are prepared.
        resize: whether pictures of any size are taken, or of the input's alone.
    """
    import openvino
    from openvino import opset13 as op

    sides = [-1, -1] if resize else list(preprocess.size)
    picture = op.parameter([-1, *sides, 3], openvino.Type.u8, name=PICTURE)
    picture.output(0).set_names({PICTURE})
    pixels = op.transpose(picture, np.array([0, 3, 1, 2], np.int64))
    if resize:
        pixels = _resized(op, picture, pixels, preprocess)
    scale, shift = normalisation(preprocess)
    x = op.subtract(op.multiply(op.convert(pixels, "f32"), scale), shift, name=X)
    (given,) = network.get_parameters()
    given.output(0).replace(x.output(0))
    return openvino.Model(network.get_results(), [picture], "whylight")


def _resized(op: Any, picture: Any, pixels: Any, preprocess: Preprocess) -> Any:
    """Pixels (N, 3, H, W) as (N, 3, rows, columns), in whole numbers as Pillow has them."""
    shape = op.shape_of(picture)

    def whole(value: int) -> Any:
        return op.constant(np.array([value], np.int64))

    geometry = Geometry(
        preprocess, number=whole, times=op.multiply, plus=op.add, over=op.divide, left=op.floor_mod, larger=op.maximum
    )
    height, width = (op.gather(shape, whole(axis), np.int64(0)) for axis in (1, 2))
    down, across = geometry.scaled(height, width)
    scaled = op.interpolate(
        pixels,
        op.concat([down, across], 0),
        _MODES[preprocess.interpolation],
        "sizes",
        coordinate_transformation_mode="half_pixel",
        nearest_mode="round_prefer_ceil",
        cube_coeff=-0.5,
        axes=np.array([2, 3], np.int64),
    )
    if preprocess.mode == "squash":
        return scaled
    first = op.concat(list(geometry.corner(down, across)), 0)
    last = op.add(first, np.array(preprocess.size, np.int64))
    return op.slice(scaled, first, last, np.array([1, 1], np.int64), np.array([2, 3], np.int64))
