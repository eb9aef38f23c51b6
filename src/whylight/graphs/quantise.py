"""Whole numbers of 8 bits in place of an ONNX graph's float32, from the ranges that its values have on some pictures."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from whylight.models.adapters.runtimes import OUTPUTS, X, needed


def quantised(network: Any, inputs: Iterable[Tensor]) -> Any:
    """An ONNX network that computes with 8 bits up to its last activations; the maps and logits are made in float32.

    Weights have a scale for each channel and use seven of their eight bits: processors without VNNI add two products in 16 bits,
    which eight would overflow. Their outputs' ranges are means over the pictures.

    Args:
        network: x → logits, maps.
        inputs: prepared pictures, (1, 3, H, W) each, whose values say what ranges there are.
    """
    needed("onnxruntime")
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._given: Iterator[Tensor] = iter(inputs)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            x = next(self._given, None)
            return None if x is None else {X: np.ascontiguousarray(x.numpy())}

    quiet, level = logging.getLogger(), logging.getLogger().level
    with tempfile.TemporaryDirectory(prefix="whylight-") as folder:
        plain, ready, made = (Path(folder, name) for name in ("plain.onnx", "ready.onnx", "made.onnx"))
        onnx.save(network, plain)
        try:
            quiet.setLevel(logging.ERROR)  # it advises to prepare what is prepared
            quant_pre_process(str(plain), str(ready))
            quantize_static(
                str(ready),
                str(made),
                Reader(),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                extra_options={"CalibMovingAverage": True},  # one odd picture does not stretch a range
                nodes_to_exclude=_head(onnx.load(ready)),
            )
        finally:
            quiet.setLevel(level)
        return onnx.load(made)


def _head(network: Any) -> list[str]:
    """Names of the nodes that make the outputs out of the last activations."""
    makers = {output: node for node in network.graph.node for output in node.output}
    logits = [makers[name] for name in OUTPUTS[:1] if name in makers]
    found: dict[str, None] = {}
    # From the logits backward, up to the first convolution, product or average of many channels.
    while logits:
        node = logits.pop()
        found[node.name] = None
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            logits += [makers[name] for name in node.input if name in makers]
    return list(found)
