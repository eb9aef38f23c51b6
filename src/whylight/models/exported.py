"""Models that `whylight export` wrote, run by ONNX Runtime or OpenVINO: the maps are in the graph, so they are no black boxes.

The graph gives the class activation maps. They take the place of the activations, one channel a class, before a head that
averages each over all places: then CAM, Grad-CAM and HiResCAM are what they were, and all that only run the network, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import TypedDict

from whylight.cells import Span
from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.jsontext import loads
from whylight.methods import Method, get
from whylight.models.adapters.onnx import session_of
from whylight.models.device import resolve_device
from whylight.models.model import Model
from whylight.schema import Schema
from whylight.shown import shown

KEY = "whylight"
_SAME = frozenset({"cam", "gradcam", "hirescam"})  # whose maps come from a class's map alone
_OFFERED = frozenset({"inputs", "scores", "logits", "indices", "probe", "grid", "covering"})
Run = Callable[[NDArray[np.uint8]], tuple[NDArray[np.float32], NDArray[np.float32]]]


class Told(TypedDict):
    """What the file says of itself."""

    schema: Literal[1]
    version: str
    name: str
    classes: list[str]
    multilabel: bool
    preprocessing: Preprocess
    span: Span
    grid: tuple[int, int]


_SCHEMA = Schema(Told)


class Exported(Model):
    """A model that `whylight export` wrote: the same questions as to a `Model`, as far as class activation maps answer them.

    Args:
        run: pictures (N, H, W, 3) uint8 → logits (N, C), maps (N, C, h, w).
        told: what the file says of itself.
        name: what to call it in messages.
    """

    is_exported = True

    def __init__(self, run: Run, told: Told, name: str) -> None:
        self.run, self._span = run, told["span"]
        preprocessing = told["preprocessing"]
        super().__init__(
            _Network(run, preprocessing, len(told["classes"])),
            classes=told["classes"],
            preprocessing=preprocessing,
            multilabel=told["multilabel"],
        )
        self.name = name

    def to(self, device: str | torch.device) -> Exported:
        """Return this model, which computes on the processor.

        Raises:
            ModelError: if another device is insisted on.
        """
        if device != "auto" and resolve_device(device).type != "cpu":
            raise ModelError(f"device {str(device)!r}: {self.name} runs on the processor; leave device out")
        return self

    def span(self, size: tuple[int, int], grid: tuple[int, int]) -> Span:
        """As it was for the network that was exported."""
        return self._span

    def fast(self, precision: Literal["auto", "fp32", "bf16"] = "auto") -> Callable[[Tensor], Tensor]:
        """The way to the logits of many inputs, which is `logits`.

        Raises:
            ModelError: if bfloat16 is insisted on.
        """
        if precision == "bf16":
            raise ModelError(f"precision 'bf16': {self.name} computes as it was exported; leave it at 'auto'")
        return self.logits

    def why_not(self, method: str | Method) -> str | None:
        """Say why a method does not apply: it looks at more than the maps of the classes."""
        method = get(method) if isinstance(method, str) else method
        if method.name in _SAME or not set(method.needs) - _OFFERED:
            return super().why_not(method)
        able = ", ".join(sorted(_SAME))
        return f"method {method.name!r} looks at what an exported model does not hold: {able}, and those that hide parts, work"


class _Network(nn.Module):
    """The graph as a network of two halves: preprocessed input → maps, and maps → logits."""

    def __init__(self, run: Run, preprocessing: Preprocess, classes: int) -> None:
        super().__init__()
        self._run = run
        self.register_buffer("mean", torch.tensor(preprocessing.mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocessing.std).reshape(1, 3, 1, 1))
        self.head = nn.Linear(classes, classes)
        logits, maps = run(np.zeros((1, *preprocessing.size, 3), np.uint8))
        with torch.no_grad():
            self.head.weight.copy_(torch.eye(classes))
            self.head.bias.copy_(torch.from_numpy(logits[0] - maps[0].mean((1, 2))))
        self.requires_grad_(False)

    def forward_features(self, x: Tensor) -> Tensor:
        """(N, 3, H, W), as `Preprocess` makes it → (N, C, h, w)."""
        pixels = ((x * self.std + self.mean) * 255).round().clamp(0, 255).to(torch.uint8)  # type: ignore[operator]
        return torch.from_numpy(self._run(np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy()))[1])

    def forward_head(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) → (N, C)."""
        return self.head(maps.mean((2, 3)))  # type: ignore[no-any-return]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → logits (N, C)."""
        return self.forward_head(self.forward_features(x))


def only(model: Exported, *given: object) -> Exported:
    """The model, where nothing was given besides.

    Raises:
        ModelError: it says of itself what else there is to say of a model.
    """
    if any(one is not None for one in given):
        raise ModelError(
            f"{model.name}: an exported model says all of itself: leave classes, layer, weights and size out"
        )
    return model


def told_by(text: str, path: Path) -> Told:
    """What a file says of itself.

    Raises:
        ModelError: where that is not what `whylight export` writes.
    """
    try:
        told: Told = _SCHEMA.read(loads(text))
    except ValueError as error:
        raise ModelError(
            f"{shown(str(path))}: what it says of itself cannot be read: {error}; export it again"
        ) from None
    return told


def load_onnx(path: str | os.PathLike[str]) -> Exported | None:
    """Load a model that was exported as ONNX; None: the file is somebody else's, a black box.

    Raises:
        ModelError: ONNX Runtime is not installed, or cannot read the file.
    """
    path = Path(path)
    session = session_of(path)
    text = session.get_modelmeta().custom_metadata_map.get(KEY)
    if text is None:
        return None

    def run(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits, maps = session.run(["logits", "maps"], {"pictures": pictures})
        return logits, maps

    return Exported(run, told_by(text, path), path.name)


def load_openvino(path: str | os.PathLike[str]) -> Exported:
    """Load a model that was exported for OpenVINO: an `.xml` file, and the `.bin` beside it.

    Raises:
        ModelError: OpenVINO is not installed, or the file is none of ours.
    """
    ov = openvino()
    path = Path(path)
    for one in (path, path.with_suffix(".bin")):
        if not one.is_file():
            raise ModelError(f"{shown(str(one))}: no such file")
    core = ov.Core()
    try:
        network = core.read_model(path)
        text = network.get_rt_info([KEY]).astype(str) if network.has_rt_info([KEY]) else ""
        if not text:
            raise ModelError(
                f"{shown(str(path))}: was not written by `whylight export`, so that its classes are not known"
            )
        # One picture at a time: the threads work together on it.
        compiled = core.compile_model(network, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    except RuntimeError as error:
        raise ModelError(
            f"{shown(str(path))}: OpenVINO cannot read it: {str(error).strip().splitlines()[-1]}"
        ) from error
    request = compiled.create_infer_request()

    def run(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = request.infer([pictures])
        return np.array(found["logits"]), np.array(found["maps"])

    return Exported(run, told_by(text, path), path.name)


def openvino() -> Any:
    """The package.

    Raises:
        ModelError: it is not installed.
    """
    try:
        import openvino as found
    except ModuleNotFoundError as error:
        raise ModelError("OpenVINO is not installed: pip install 'whylight[export]'") from error
    return found
