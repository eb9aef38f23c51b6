"""What computes exported graphs: ONNX Runtime, and OpenVINO on processors.

A graph takes pictures as they are. Where its input x, prepared and normalised, is at hand already (or made by a method that
perturbs it), the part behind x is run: it is cut out when first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from whylight.errors import ModelError

PICTURE, X, OUTPUTS = "picture", "x", ("logits", "maps")  # names in every graph
Arrays = Sequence[NDArray[np.float32]]

_WARNINGS = 3  # ONNX Runtime's word for "errors and no warnings"


class Runtime(Protocol):
    """One loaded graph. Both calls give logits (N, C) and, where the graph has them, maps (N, C, h, w)."""

    def see(self, pictures: NDArray[np.uint8]) -> Arrays:
        """Run the whole graph on pictures (N, H, W, 3)."""

    def run(self, x: NDArray[np.float32]) -> Arrays:
        """Run what lies behind x (N, 3, H, W)."""


class OnnxRuntime:
    """A graph in an ONNX file, run by ONNX Runtime."""

    def __init__(self, path: Path, threads: int | None) -> None:
        self._path, self._threads = path, threads
        self._whole = self._session(str(path))

    def see(self, pictures: NDArray[np.uint8]) -> Arrays:
        return self._run(self._whole, {PICTURE: pictures})

    def run(self, x: NDArray[np.float32]) -> Arrays:
        return self._run(self._behind, {X: x})

    def _run(self, session: Any, given: dict[str, NDArray[Any]]) -> Arrays:
        from whylight.models.adapters.onnx import errors_of

        try:
            found: Arrays = session.run(None, given)
        except errors_of(needed("onnxruntime")) as error:  # these derive from Exception alone
            raise RuntimeError(str(error)) from error
        return found

    def _session(self, graph: str | bytes) -> Any:
        from whylight.models.adapters.onnx import errors_of

        runtime = needed("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = _WARNINGS
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        try:
            return runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except errors_of(runtime) as error:
            raise ModelError(f"{self._path}: ONNX Runtime cannot read it: {error}") from error

    @cached_property
    def _behind(self) -> Any:
        onnx = needed("onnx")
        from onnx.utils import Extractor

        outputs = [output.name for output in self._whole.get_outputs()]
        part = Extractor(onnx.load(self._path)).extract_model([X], outputs)
        return self._session(part.SerializeToString())


class OpenVino:
    """A graph in OpenVINO's own form, run by its plugin for processors, in float32 whatever shorter numbers the processor has."""

    def __init__(self, path: Path, threads: int | None) -> None:
        openvino = needed("openvino")
        self._openvino, self._settings = openvino, {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
        if threads is not None:
            self._settings["INFERENCE_NUM_THREADS"] = str(threads)
        if not path.with_suffix(".bin").is_file():
            raise ModelError(f"{path}: its weights are missing: {path.with_suffix('.bin').name} belongs beside it")
        try:
            self._graph = openvino_core().read_model(path)
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot read it: {_first_line(error)}") from error
        self._whole = self._compiled(self._graph)

    def see(self, pictures: NDArray[np.uint8]) -> Arrays:
        return self._run(self._whole, pictures)

    def run(self, x: NDArray[np.float32]) -> Arrays:
        return self._run(self._behind, x)

    def _run(self, compiled: Any, given: NDArray[Any]) -> Arrays:
        found = compiled([given], share_inputs=True)
        return [
            np.array(found[output]) for output in compiled.outputs
        ]  # what it hands out is overwritten by the next call

    def _compiled(self, graph: Any) -> Any:
        return openvino_core().compile_model(graph, "CPU", self._settings)

    @cached_property
    def _behind(self) -> Any:
        from openvino import opset13 as op

        graph = self._graph.clone()
        (x,) = (node for node in graph.get_ops() if node.get_friendly_name() == X)
        given = op.parameter(x.get_output_partial_shape(0), self._openvino.Type.f32, name="given")
        for reader in x.output(0).get_target_inputs():
            reader.replace_source_output(given.output(0))
        return self._compiled(self._openvino.Model(graph.get_results(), [given]))


@cache
def openvino_core() -> Any:
    """OpenVINO's core, one for the process, as long as that lives.

    Each core that loads the plugin for processors gives the thread another stack for signals, and takes it away with itself:
    the next Ctrl-C then finds no stack, and ends the process with a segmentation fault (OpenVINO 2026.4).
    """
    return needed("openvino").Core()


def needed(package: str) -> Any:
    """Import one of the packages of the extra.

    Raises:
        ModelError: if it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{package} is needed for exported graphs and is not installed: pip install 'whylight[export]'"
        ) from error


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
