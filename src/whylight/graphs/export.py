"""`whylight.export`: a model as one graph that other runtimes compute, with the maps of all classes inside."""

from __future__ import annotations

import math
import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from whylight.atomic import named_errors, replacing
from whylight.errors import ModelError
from whylight.graphs.agreement import Agreement, agreement, both
from whylight.graphs.network import check, digest, graph_of
from whylight.images import walk
from whylight.models.adapters.exported import Exported, load_exported
from whylight.models.adapters.facts import KEY, Facts
from whylight.models.adapters.runtimes import needed, openvino_core
from whylight.models.base import Classifier
from whylight.models.model import Model

Format = Literal["onnx", "openvino"]
SUFFIX = {"onnx": ".onnx", "openvino": ".xml"}

TOLERANCE = 1e-4  # of the largest logit and map value, between the graph in float32 and PyTorch
_RANGES, _COMPARED = 50, 100  # pictures that ranges are read off, and pictures that are compared on: at most


@dataclass(frozen=True, kw_only=True)
class Written:
    """What `export` wrote.

    Args:
        path: the file; an OpenVINO network's weights lie beside it, `.bin`.
        format: "onnx" or "openvino".
        bytes: of all that was written.
        facts: what the file says of its model.
        error: the largest difference from PyTorch, of the largest logit and map value, on two inputs of noise.
        agreement: with PyTorch on pictures, where the graph computes in 8 bits; None elsewhere.
    """

    path: Path
    format: Format
    bytes: int
    facts: Facts
    error: float
    agreement: Agreement | None


def export(
    model: Classifier,
    path: str | os.PathLike[str],
    format: Format | None = None,  # noqa: A002
    *,
    int8: bool = False,
    pictures: Sequence[str | os.PathLike[str]] = (),
    resize: bool = True,
    logits_only: bool = False,
    tick: Callable[[str], None] = lambda doing: None,
) -> Written:
    """Write a model as one graph: pictures (N, H, W, 3) uint8 in; logits (N, C) and the map of each class (N, C, h, w) out.

    Resizing and normalisation are in the graph. The maps are CAM's, which on a head of average pooling and one linear layer are the
    product of its weights and the last activations; other heads have none. Before the file takes its name, what it gives is
    compared with what PyTorch gives. `whylight.load(path)` reads it back.

    Args:
        model: from `whylight.load` or `whylight.wrap`, in float32.
        path: the file: `.onnx`, or `.xml` for OpenVINO. It appears whole or not at all; folders on the way are made.
        format: "onnx" or "openvino"; None: by the file's name.
        int8: compute with whole numbers of 8 bits.
        pictures: for int8: files, folders or globs, whose pictures say what ranges values have. Every other one is kept
            for the comparison.
        resize: take pictures of any size; False: of the input's size only, resized by whoever has them.
        logits_only: leave the maps out; for networks with other heads.
        tick: called with what is being done, in words.

    Returns:
        what was written, and how well it agrees.

    Raises:
        ModelError: a package of the extra `export` is missing; the format or the suffix is wrong; the model is a black box or has
            no maps in closed form; the graph differs from PyTorch.
        WriteError: the file cannot be written.
    """
    path = Path(path)
    chosen = _format(path, format)
    model = check(model, logits_only=logits_only)
    for package in ("onnx", "onnxscript", "onnxruntime", *(("openvino",) if chosen == "openvino" else ())):
        needed(package)
    found = _pictures(pictures, int8)
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path.parent).close()  # what cannot be written is told before minutes of work
        if path.is_dir():
            raise IsADirectoryError(21, os.strerror(21), str(path))
    tick("making the graph")
    network = graph_of(model, logits_only=logits_only)
    if int8:
        tick("reading ranges off pictures")
        from whylight.graphs.quantise import quantised

        network = quantised(
            network, (model.preprocess(str(one)).unsqueeze(0).cpu() for one in _some(found[::2], _RANGES))
        )
    facts = _facts(model, int8=int8, resize=resize, logits_only=logits_only)
    with tempfile.TemporaryDirectory(prefix="whylight-") as folder:
        made = Path(folder, f"model{SUFFIX[chosen]}")
        _write_onnx(network, facts, made) if chosen == "onnx" else _write_openvino(network, facts, made)
        tick("comparing it with PyTorch")
        exported = load_exported(made)
        error = _error(model, exported)
        if not int8 and not error <= TOLERANCE:
            raise ModelError(
                f"export: the graph of {model.name} differs from PyTorch by {error:.2g} of the largest value, which is more than "
                f"{TOLERANCE}: it was not written"
            )
        agrees = agreement(model, exported, _some(found[1::2] or found, _COMPARED)) if int8 else None
        contents = {
            path.with_suffix(one.suffix) if one != made else path: one for one in sorted(Path(folder).iterdir())
        }
        size = 0
        for place, one in contents.items():  # the weights come first: without them the graph is nothing
            with named_errors(place), replacing(place, durable=True) as file:
                size += file.write(one.read_bytes())
    return Written(path=path, format=chosen, bytes=size, facts=facts, error=error, agreement=agrees)


def _format(path: Path, asked: str | None) -> Format:
    """The format, which suits the file's name."""
    if asked is not None and asked not in get_args(Format):
        raise ModelError(f"format: expected one of {', '.join(get_args(Format))}, got {asked!r}")
    fitting: list[Format] = [one for one in get_args(Format) if path.suffix == SUFFIX[one]]
    if asked is None and not fitting:
        raise ModelError(f"{path}: call it ….onnx, or ….xml for OpenVINO, or say which format it shall have")
    if asked is not None and asked not in fitting:
        raise ModelError(f"{path}: a file of the format {asked} is called …{SUFFIX[asked]}")
    return fitting[0]


def _pictures(pictures: Sequence[str | os.PathLike[str]], int8: bool) -> list[Path]:
    if int8 and not pictures:
        raise ModelError(
            "int8: the ranges of values are read off pictures like those that the model will see; name some files or a folder "
            "(pictures=[…])"
        )
    if pictures and not int8:
        raise ModelError("pictures: only int8=True needs pictures; leave them out")
    return walk(pictures) if pictures else []


def _some(pictures: list[Path], most: int) -> list[Path]:
    """At most so many, from the first folder to the last."""
    step = max(1, math.ceil(len(pictures) / most))
    return pictures[::step]


def _facts(model: Model, *, int8: bool, resize: bool, logits_only: bool) -> Facts:
    return Facts(
        classes=model.classes,
        preprocess=model.preprocessing,
        multilabel=model.multilabel,
        ending=model.ending,
        method=None if logits_only else "cam",
        grid=None if logits_only else model.grid,
        span=model.span(model.preprocessing.size, model.grid),
        resize=resize,
        int8=int8,
        network=model.name,
        weights=digest(model.module),
        version=version("whylight"),
    )


def _write_onnx(network: Any, facts: Facts, path: Path) -> None:
    import onnx

    from whylight.graphs.onnx import put_pictures_before

    put_pictures_before(network, facts.preprocess, resize=facts.resize)
    onnx.helper.set_model_props(network, {KEY: facts.to_json()})
    network.doc_string = "uint8 RGB pictures in, logits and class activation maps out"
    onnx.checker.check_model(network)
    onnx.save(network, path)


def _write_openvino(network: Any, facts: Facts, path: Path) -> None:
    import openvino

    from whylight.graphs.openvino import with_pictures_before

    read = openvino_core().read_model(network.SerializeToString())
    graph = with_pictures_before(read, facts.preprocess, resize=facts.resize)
    graph.set_rt_info(facts.to_json(), KEY)
    openvino.save_model(graph, path, compress_to_fp16=False)


def _error(model: Model, exported: Exported) -> float:
    """The largest difference from PyTorch, of the largest value: of logits and of maps, on two inputs of noise."""
    x = torch.randn((2, 3, *model.preprocessing.size), generator=torch.Generator().manual_seed(1))
    logits, maps = both(model, x)
    pairs = [(logits, exported.logits(x))]
    if maps is not None and exported.facts.grid is not None:
        pairs.append((maps, exported.look(x)[0]))
    with warnings.catch_warnings():
        return max(float((a.cpu() - b).abs().max() / a.abs().max().clamp(min=1e-12)) for a, b in pairs)
