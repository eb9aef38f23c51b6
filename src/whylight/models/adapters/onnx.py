"""ONNX files as classifiers, run by ONNX Runtime: black boxes, since an optimised graph has no gradients."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from whylight.errors import ModelError
from whylight.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from whylight.models.adapters.blackbox import BlackBox, Outputs, stretch

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


def load_onnx(
    path: str | os.PathLike[str],
    classes: Sequence[str] | None = None,
    size: int | tuple[int, int] | None = None,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    *,
    crop: float | None = None,
    preprocessing: Preprocess | None = None,
    outputs: Outputs = "auto",
    multilabel: bool = False,
    providers: Sequence[str] = ("CPUExecutionProvider",),
) -> BlackBox:
    """Load a classifier from an ONNX file.

    The graph takes one input, pictures (N, 3, H, W) or (N, H, W, 3), and has one output, scores (N, C). Where its batch size
    is fixed, batches are split and filled up to it.

    Args:
        path: the file.
        classes: one name for each score.
        size: side, or (height, width), of the input; only needed where the file leaves it open (then default 224).
        mean: mean of red, green and blue in [0, 1] that is subtracted; default ImageNet's.
        std: standard deviation that is divided by; default ImageNet's.
        crop: share of the shorter side that is cut out of the centre; None or 0 squeezes the whole picture in.
        preprocessing: all of size, mean and std, and cropping too, in one object; overrides the three.
        outputs: what the scores are, as in `whylight.wrap_callable`.
        multilabel: the classes do not exclude each other.
        providers: ONNX Runtime's execution providers, the preferred first.

    Raises:
        ModelError: ONNX Runtime is not installed, the file cannot be read, or its graph is no such classifier.
    """
    runtime = _runtime()
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    try:
        session = runtime.InferenceSession(str(path), providers=list(providers))
    except errors_of(runtime) as error:
        raise ModelError(f"{path}: ONNX Runtime cannot read it: {error}") from error
    given, returned = session.get_inputs(), session.get_outputs()
    if len(given) != 1 or len(returned) != 1:
        raise ModelError(
            f"{path}: a classifier has one input and one output; this graph has the inputs {_names(given)} and the outputs "
            f"{_names(returned)}"
        )
    if given[0].type not in _TYPES:
        raise ModelError(
            f"{path}: its input {given[0].name!r} has the type {given[0].type}; it must take floating point"
        )
    batch, fixed, last = _reading(path, given[0])
    if preprocessing is None:
        preprocessing = stretch(_size(path, fixed, size), mean, std).changed(crop=crop)
    elif any(side not in (None, own) for side, own in zip(fixed, preprocessing.size, strict=True)):
        raise ModelError(f"{path}: it takes pictures of (height, width) {fixed}, not {preprocessing.size}")

    def scores(pictures: NDArray[Any]) -> NDArray[Any]:  # (n, 3, H, W) → (n, C)
        pictures = pictures.transpose(0, 2, 3, 1) if last else pictures
        pictures = np.ascontiguousarray(pictures, dtype=_TYPES[given[0].type])
        try:
            found: NDArray[Any] = session.run([returned[0].name], {given[0].name: pictures})[0]
        except errors_of(runtime) as error:  # these derive from Exception alone, so nobody else would know them
            raise RuntimeError(str(error)) from error
        return found

    function = scores if batch is None else _in_batches_of(batch, scores)
    return BlackBox(
        lambda x: function(x.numpy()),
        classes=classes,
        preprocessing=preprocessing,
        outputs=outputs,
        multilabel=multilabel,
        name=path.name,
    )


def _runtime() -> Any:
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise ModelError(
            "ONNX files need ONNX Runtime, which is not installed: pip install 'whylight[export]'"
        ) from error
    return onnxruntime


def errors_of(runtime: Any) -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: exception types of its own, which share no base but Exception."""
    state = runtime.capi.onnxruntime_pybind11_state
    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotImplemented",
        "NoSuchFile",
        "RuntimeException",
    )
    return (ValueError, RuntimeError, *(getattr(state, name) for name in names))


def _names(values: Sequence[Any]) -> str:
    return ", ".join(f"{value.name} {value.shape}" for value in values) or "(none)"


def _reading(path: Path, given: Any) -> tuple[int | None, tuple[int | None, int | None], bool]:
    """The fixed batch size, the fixed (height, width), each None where it is open, and whether channels come last."""
    # Open sides have a name, or None.
    shape = [side if isinstance(side, int) and side > 0 else None for side in given.shape]
    if len(shape) == 4 and shape[1] == 3:
        return shape[0], (shape[2], shape[3]), False
    if len(shape) == 4 and shape[3] == 3:
        return shape[0], (shape[1], shape[2]), True
    if len(shape) == 4 and shape[1] is None and shape[3] is None:
        return shape[0], (shape[2], None), False
    raise ModelError(
        f"{path}: its input {given.name!r} has the shape {given.shape}; a classifier of pictures takes (N, 3, H, W) or (N, H, W, 3)"
    )


def _size(path: Path, fixed: tuple[int | None, int | None], asked: int | tuple[int, int] | None) -> tuple[int, int]:
    """(height, width): what the file says, else what is asked for, else 224."""
    sides = (asked, asked) if isinstance(asked, int) else asked
    if sides is not None and any(own not in (None, side) for own, side in zip(fixed, sides, strict=True)):
        raise ModelError(f"{path}: it takes pictures of (height, width) {fixed}, not {tuple(sides)}: leave size out")
    height, width = (own or side for own, side in zip(fixed, sides or (224, 224), strict=True))
    return height, width


def _in_batches_of(
    batch: int, scores: Callable[[NDArray[Any]], NDArray[Any]]
) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Split a batch of any size into ones of the size that a graph insists on; the last is filled up with its last picture."""

    def split(pictures: NDArray[Any]) -> NDArray[Any]:
        found = []
        for first in range(0, len(pictures), batch):
            chunk = pictures[first : first + batch]
            missing = batch - len(chunk)
            padded = np.concatenate([chunk, np.repeat(chunk[-1:], missing, axis=0)]) if missing else chunk
            found.append(scores(padded)[: len(chunk)])
        return np.concatenate(found)

    return split
