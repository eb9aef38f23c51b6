"""Eight bits: the convolutions of an exported graph with whole numbers, scaled by what they meet on real pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.errors import DataError, ModelError
from whylight.images import decode
from whylight.images.preprocess import Preprocess

LEAST = 16  # pictures that scales are taken from; as many others check the result


@dataclass(frozen=True)
class Agreement:
    """How a graph with eight bits agrees with the one it was made of, on pictures that its scales were not taken from.

    Attributes:
        pictures: how many.
        same_class: share whose most probable class is the same.
        map_correlation: mean correlation over places of the two maps of that class; pictures with a map that is the same everywhere
            are left out.
        peak_shift: mean distance of the maps' highest cells, as a share of the picture's diagonal.
    """

    pictures: int
    same_class: float
    map_correlation: float
    peak_shift: float

    def __str__(self) -> str:
        return (
            f"eight bits against float on {self.pictures} pictures: the same class on {self.same_class:.1%}, maps correlate with "
            f"{self.map_correlation:.3f}, their peaks are {self.peak_shift:.1%} of the diagonal apart"
        )


def quantize(onnx_file: Path, to: Path, pictures: Sequence[Path], preprocessing: Preprocess) -> Agreement:
    """Write the graph with eight bits, and say how it agrees.

    Args:
        onnx_file: a graph of `whylight export`.
        to: where the other goes.
        pictures: like those that the model will see; half of them give the scales, half check the result.
        preprocessing: the model's.

    Raises:
        DataError: there are too few.
    """
    if len(pictures) < 2 * LEAST:
        raise DataError(
            f"--int8: {len(pictures)} pictures are too few to find scales and to check them: give {2 * LEAST} or more, of the kind "
            "that the model will see"
        )
    try:
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ModuleNotFoundError as error:
        raise ModelError(
            f"--int8: {error.name} is missing; install the extra: pip install 'whylight[export]'"
        ) from error

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Hands out pictures one by one."""

        def __init__(self, made: Iterator[NDArray[np.uint8]]) -> None:
            self._made = made

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            one = next(self._made, None)
            return None if one is None else {"pictures": one}

    ready = onnx_file.with_name("ready.onnx")
    quant_pre_process(str(onnx_file), str(ready), skip_symbolic_shape=True)
    quantize_static(
        str(ready),
        str(to),
        Reader(_inputs(pictures[::2], preprocessing)),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],  # not the resizing, whose sums need more than eight bits
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    return compare(onnx_file, to, _inputs(pictures[1::2], preprocessing))


def compare(one: Path, other: Path, inputs: Iterator[NDArray[np.uint8]]) -> Agreement:
    """How two graphs agree on pictures, (1, H, W, 3) each."""
    import onnxruntime

    runs = [onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in (one, other)]
    same, correlations, shifts = [], [], []
    for pixels in inputs:
        (logits, maps), (others, other_maps) = (_run(session, pixels) for session in runs)
        top = int(logits.argmax())
        same.append(top == int(others.argmax()))
        a, b = maps[top], other_maps[top]
        if a.std() > 0 and b.std() > 0:
            correlations.append(float(np.corrcoef(a.ravel(), b.ravel())[0, 1]))
        peaks = [np.array(np.unravel_index(map_.argmax(), map_.shape)) / map_.shape for map_ in (a, b)]
        shifts.append(float(np.linalg.norm(peaks[0] - peaks[1]) / np.sqrt(2)))
    return Agreement(
        len(same), float(np.mean(same)), float(np.mean(correlations)) if correlations else 0.0, float(np.mean(shifts))
    )


def _run(session: Any, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    logits, maps = session.run(["logits", "maps"], {"pictures": pixels})
    return logits[0], maps[0]


def _inputs(pictures: Sequence[Path], preprocessing: Preprocess) -> Iterator[NDArray[np.uint8]]:
    """Pictures as the network sees them, still in whole numbers: (1, height, width, 3)."""
    rows, columns = preprocessing.size
    for path in pictures:
        picture = decode(path)
        part = picture.resize((columns, rows), Image.Resampling.BILINEAR, box=preprocessing.region(picture.size))
        yield np.asarray(part)[None]
