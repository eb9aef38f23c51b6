"""The way from a picture to the network's input, as the first nodes of an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from whylight.graphs.geometry import Geometry, normalisation
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.runtimes import PICTURE, X

_MODES: dict[str, dict[str, Any]] = {
    "nearest": {"mode": "nearest", "nearest_mode": "round_prefer_ceil"},
    # Pillow leaves out what lies beyond the border, and its cubic has a = −0.5.
    "bilinear": {"mode": "linear", "antialias": 1, "exclude_outside": 1},
    "bicubic": {"mode": "cubic", "antialias": 1, "cubic_coeff_a": -0.5, "exclude_outside": 1},
}


def put_pictures_before(model: Any, preprocess: Preprocess, *, resize: bool) -> None:
    """Have an ONNX model take pictures (N, H, W, 3) uint8 in place of x, in place.

    Args:
        model: its first input is x.
        preprocess: how pictures are prepared.
        resize: whether pictures of any size are taken, or of the input's alone.
    """
    from onnx import TensorProto, helper

    nodes = _Nodes()
    pixels = nodes.add("Transpose", PICTURE, perm=[0, 3, 1, 2])
    if resize:
        pixels = _resized(nodes, pixels, preprocess)
    scale, shift = normalisation(preprocess)
    scaled = nodes.add("Mul", nodes.add("Cast", pixels, to=TensorProto.FLOAT), nodes.constant(scale))
    nodes.add("Sub", scaled, nodes.constant(shift), output=X)

    sides: list[Any] = ["height", "width"] if resize else list(preprocess.size)
    picture = helper.make_tensor_value_info(PICTURE, TensorProto.UINT8, ["n", *sides, 3])
    x = helper.make_tensor_value_info(X, TensorProto.FLOAT, ["n", 3, *preprocess.size])
    network = list(model.graph.node)
    del model.graph.node[:], model.graph.input[:]
    model.graph.node.extend([*nodes.made, *network])
    model.graph.initializer.extend(nodes.constants)
    model.graph.input.append(picture)
    model.graph.value_info.append(x)  # whoever cuts the graph there looks for it


def _resized(nodes: _Nodes, pixels: str, preprocess: Preprocess) -> str:
    """Pixels (N, 3, H, W) as (N, 3, rows, columns), in whole numbers as Pillow has them."""
    shape = nodes.add("Shape", pixels)
    batch = nodes.add("Slice", shape, nodes.whole(0), nodes.whole(2))
    height = nodes.add("Slice", shape, nodes.whole(2), nodes.whole(3))
    width = nodes.add("Slice", shape, nodes.whole(3), nodes.whole(4))
    geometry = Geometry(
        preprocess,
        number=nodes.whole,
        times=lambda a, b: nodes.add("Mul", a, b),
        plus=lambda a, b: nodes.add("Add", a, b),
        over=lambda a, b: nodes.add("Div", a, b),
        left=lambda a, b: nodes.add("Mod", a, b),
        larger=lambda a, b: nodes.add("Max", a, b),
    )
    down, across = geometry.scaled(height, width)
    sizes = nodes.add("Concat", batch, down, across, axis=0)
    mode = _MODES[preprocess.interpolation]
    scaled = nodes.add("Resize", pixels, "", "", sizes, coordinate_transformation_mode="half_pixel", **mode)
    if preprocess.mode == "squash":
        return scaled
    top, left = geometry.corner(down, across)
    rows, columns = preprocess.size
    first = nodes.add("Concat", top, left, axis=0)
    last = nodes.add("Add", first, nodes.constant(np.array([rows, columns], np.int64)))
    return nodes.add("Slice", scaled, first, last, nodes.constant(np.array([2, 3], np.int64)))


class _Nodes:
    """Nodes that are made one after another, and their constants."""

    def __init__(self) -> None:
        self.made: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Make a node; returns the name of its output."""
        from onnx import helper

        output = output or f"prepare_{len(self.made)}"
        self.made.append(helper.make_node(kind, list(inputs), [output], name=f"node_{output}", **attributes))
        return output

    def constant(self, value: Any) -> str:
        """Make a constant; returns its name."""
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(value, f"prepared_{len(self.constants)}"))
        name: str = self.constants[-1].name
        return name

    def whole(self, value: int) -> str:
        """A whole number (1,)."""
        return self.constant(np.array([value], np.int64))
