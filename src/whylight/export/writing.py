"""Write a model as an ONNX file or as OpenVINO's."""

from __future__ import annotations

import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from whylight.errors import ModelError, WhylightError, WriteError
from whylight.export.graph import Graph, sample
from whylight.export.int8 import Agreement, quantize
from whylight.images import walk
from whylight.images.files import why
from whylight.jsontext import dumps
from whylight.models.exported import KEY
from whylight.models.model import Model
from whylight.shown import shown

FORMATS = {"onnx": ".onnx", "openvino": ".xml"}
_OPSET = 20


def export(
    model: Model,
    path: str | os.PathLike[str],
    *,
    form: str | None = None,
    int8: Sequence[str | os.PathLike[str]] | None = None,
) -> Agreement | None:
    """Write a model as one graph: pictures (N, H, W, 3) uint8 of any size in, logits (N, C) and maps (N, C, h, w) out.

    Resizing and normalisation are inside. `whylight.load` reads the file back as a model that explains by `cam`, `gradcam` and all
    methods that change the picture, without PyTorch's network.

    Args:
        model: one whose head is global average pooling and one linear layer.
        path: ends in `.onnx`, or in `.xml` for OpenVINO, which writes a `.bin` beside it.
        form: "onnx" or "openvino"; None: as the path ends.
        int8: pictures (files, folders, globs) of the kind that the model will see: its convolutions then use eight bits.

    Returns:
        With `int8`, how the graph with eight bits agrees with the other; else None.

    Raises:
        ModelError: the model has no such head, or cannot be traced, or a package is missing.
        WriteError: the file cannot be written.
    """
    path = Path(path)
    kind = form or next((name for name, suffix in FORMATS.items() if path.suffix.lower() == suffix), None)
    if kind not in FORMATS or path.suffix.lower() != FORMATS[kind]:
        endings = " or ".join(f"{suffix} ({name})" for name, suffix in FORMATS.items())
        raise WhylightError(f"{shown(str(path))}: an exported model ends in {endings}; name it so")
    if not isinstance(model, Model) or getattr(model, "is_exported", False):
        raise ModelError(
            f"{model.name}: is a black box, or an exported model already; export the network that it was made of"
        )
    graph = Graph(model).eval()
    told = dumps(_told(model), compact=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".whylight-") as folder:
            made = Path(folder, f"{path.stem}.onnx")
            _write_onnx(model, graph, made, told)
            agreement = None
            if int8 is not None:
                whole, made = made, made.with_name("int8.onnx")
                agreement = quantize(whole, made, walk(list(int8)), model.preprocessing)
            if kind == "openvino":
                made = _as_openvino(made, Path(folder, path.name), told)
                os.replace(made.with_suffix(".bin"), path.with_suffix(".bin"))
            os.replace(made, path)
    except OSError as error:
        raise WriteError(f"{shown(str(path))}: cannot be written: {why(error)}") from error
    return agreement


def _told(model: Model) -> dict[str, Any]:
    """What whoever reads the file must know besides."""
    return {
        "schema": 1,
        "version": version("whylight"),
        "name": model.name,
        "classes": model.classes,
        "multilabel": model.multilabel,
        "preprocessing": asdict(model.preprocessing),
        "span": model.span(model.preprocessing.size, model.grid),
        "grid": model.grid,
    }


def _write_onnx(model: Model, graph: Graph, path: Path, told: str) -> None:
    try:
        import onnx
        import onnxscript  # noqa: F401  # what torch.onnx writes with
    except ModuleNotFoundError as error:
        raise ModelError(
            f"export: {error.name} is missing; install the extra: pip install 'whylight[export]'"
        ) from error
    any_size = {0: torch.export.Dim("n"), 1: torch.export.Dim("height"), 2: torch.export.Dim("width")}
    with model.borrow(), torch.no_grad(), _quiet():
        try:
            program = torch.onnx.export(
                graph,
                (sample(model).to(model.device),),
                dynamo=True,
                dynamic_shapes={"pictures": any_size},
                input_names=["pictures"],
                output_names=["logits", "maps"],
                opset_version=_OPSET,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            raise ModelError(f"{model.name}: PyTorch cannot write this network as a graph: {reason}") from error
    assert program is not None
    written = program.model_proto
    onnx.helper.set_model_props(written, {KEY: told})
    onnx.save_model(written, str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of its own insides."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _as_openvino(onnx_file: Path, path: Path, told: str) -> Path:
    from whylight.models.exported import openvino

    ov = openvino()
    network = ov.Core().read_model(onnx_file)
    network.set_rt_info(told, [KEY])
    ov.save_model(network, path, compress_to_fp16=False)
    return path
