"""A trained model in one file: safetensors weights, with all that is needed to build and use the model in the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from whylight.atomic import replacing
from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.jsontext import loads
from whylight.models.boxhead import PREFIX, BoxHead, BoxSpec
from whylight.models.zoo.architectures import REMOTE, build
from whylight.models.zoo.written import WRITTEN
from whylight.shown import shown

KEY = "whylight"  # our entry in the file's metadata
FILE = "model.safetensors"  # its name in a run folder
FORMAT = 2  # 1: without a box head; such files are still written as 1, for older versions
OPTIONS = {"fold_batch_norm": bool, "gap_head": bool}  # all that a file may hand to the constructor


@dataclass(frozen=True)
class ModelSpec:
    """What a file of weights says about its model.

    Args:
        arch: the network's name, as `architectures.build` takes it.
        classes: the names of the classes, in the order of the scores.
        preprocess: how a picture becomes the network's input.
        output_stride: pixels for each cell of the last grid; None: the architecture's own.
        options: more options that the network was built with.
        training: free facts about how it was made, for its card.
        boxes: what its box head is like; None where it has none.
        localization: the threshold at which boxes are cut out of its maps, and how it was chosen (`whylight calibrate`); None where
            none was.
    """

    arch: str
    classes: tuple[str, ...]
    preprocess: Preprocess
    output_stride: int | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    training: Mapping[str, object] = field(default_factory=dict)
    boxes: BoxSpec | None = None
    localization: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """Return everything as one line of JSON."""
        return json.dumps(
            {
                "format": 1 if self.boxes is None else FORMAT,
                "arch": self.arch,
                "classes": list(self.classes),
                "preprocess": self.preprocess.to_dict(),
                "output_stride": self.output_stride,
                "options": dict(self.options),
                "training": dict(self.training),
                **({} if self.boxes is None else {"boxes": self.boxes.to_dict()}),
                **({} if self.localization is None else {"localization": dict(self.localization)}),
            }
        )

    def build(self) -> nn.Module:
        """Build the network that the weights belong to, randomly initialised."""
        return build(self.arch, classes=len(self.classes), output_stride=self.output_stride, options=self.options)


def save_weights(
    path: str | os.PathLike[str],
    module: nn.Module,
    spec: ModelSpec,
    *,
    dtype: torch.dtype | None = None,
    box_head: BoxHead | None = None,
) -> None:
    """Write a network and its spec to one safetensors file; the file appears whole or not at all.

    Args:
        path: the file to write; folders on the way are made.
        module: the network, built as the spec says.
        spec: what the file says about it.
        dtype: kind of number for the weights, such as `torch.float16` (half the size); None keeps theirs.
        box_head: the box head, where the spec says that there is one.

    Raises:
        ModelError: if a weight is not finite in `dtype`.
        OSError: if the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    state = module.state_dict()
    if box_head is not None:
        state |= {PREFIX + name: value for name, value in box_head.state_dict().items()}
    for name, value in state.items():
        value = value.detach().cpu()
        if dtype is not None and value.is_floating_point():
            value = value.to(dtype)
        if not torch.isfinite(value).all():
            raise ModelError(
                f"{path}: {name} is not finite{f' as {dtype}' if dtype else ''}; the model was not written"
            )
        tensors[name] = value.contiguous().clone()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=True) as file:
        file.write(safetensors.torch.save(tensors, metadata={KEY: spec.to_json()}))


def read_spec(path: str | os.PathLike[str]) -> ModelSpec:
    """Read what a model file, or a run folder, says about its model, without reading the weights.

    Raises:
        ModelError: if there is no such file, or it was not written by whylight.
    """
    path = _file(path)
    metadata = _metadata(path)
    if KEY not in metadata:
        raise ModelError(
            f"{path}: these weights carry no whylight metadata (architecture, classes, preprocessing). For weights from "
            f"elsewhere, build the network yourself and use whylight.wrap(), or train from them: whylight train --weights"
        )
    try:
        fields: dict[str, Any] = loads(metadata[KEY])
        if isinstance(fields, dict) and isinstance(fields.get("format"), int) and fields["format"] > FORMAT:
            raise ModelError(
                f"{path}: written by a newer whylight (format {fields['format']}); update whylight to read it"
            )
        fields = WRITTEN.read(fields)
        wrong = [
            f"{name}={value!r}" for name, value in fields["options"].items() if type(value) is not OPTIONS.get(name)
        ]
        if wrong:  # they would reach the network's constructor
            raise ModelError(
                f"{path}: asks for {', '.join(wrong)}, which this whylight does not take (it takes {', '.join(OPTIONS)})"
            )
        if fields["arch"].startswith(REMOTE):
            raise ModelError(
                f"{path}: its network {fields['arch']!r} lies on a hub, and a file does not make whylight ask the network: say so "
                f"yourself, whylight.load({fields['arch']!r}, weights={os.fspath(path)!r}), or --model and --weights"
            )
        return ModelSpec(
            arch=fields["arch"],
            classes=tuple(fields["classes"]),
            preprocess=_preprocess(path, fields["preprocess"]),
            output_stride=fields["output_stride"],
            options=fields["options"],
            training=fields["training"],
            boxes=BoxSpec.from_dict(boxes, len(fields["classes"])) if (boxes := fields.get("boxes")) else None,
            localization=_localization(fields.get("localization")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: its whylight metadata is damaged ({shown(error)})") from error


def own_spec(path: str | os.PathLike[str]) -> ModelSpec | None:
    """Read the spec of a model file or run folder of ours; None for weights from elsewhere.

    Raises:
        ModelError: if it is a folder without a model, or damaged.
    """
    path = Path(path)
    if path.is_dir():
        return read_spec(path)
    if path.suffix != ".safetensors" or not path.is_file() or KEY not in _metadata(path):
        return None
    return read_spec(path)


def load_weights(path: str | os.PathLike[str]) -> tuple[nn.Module, ModelSpec]:
    """Read a model file, or a run folder: (the network in float32 and evaluation mode, its spec).

    Raises:
        ModelError: if the file is missing, was not written by whylight, or does not fit its own spec.
    """
    spec = read_spec(path)
    path = _file(path)
    _check_classes(path, spec)
    module = spec.build()
    try:
        state = safetensors.torch.load_file(path)
        if spec.boxes is not None:
            state = {name: value for name, value in state.items() if not name.startswith(PREFIX)}
        module.load_state_dict(state)
    except (RuntimeError, OSError, safetensors.SafetensorError) as error:
        raise ModelError(f"{path}: the weights do not fit {spec.arch}: {error}") from error
    return module.float().eval(), spec


def _check_classes(path: Path, spec: ModelSpec) -> None:
    """Hold the number of classes against the weights, before a network for so many is made.

    Raises:
        ModelError: if no layer has as many outputs.
    """
    with safetensors.safe_open(path, framework="pt") as file:
        first = {shape[0] for name in file.keys() if (shape := file.get_slice(name).get_shape())}  # noqa: SIM118
    if len(spec.classes) not in first:
        raise ModelError(
            f"{path}: the weights do not fit {spec.arch}: it names {len(spec.classes):,} classes, and no layer has as many outputs"
        )


def load_box_head(path: str | os.PathLike[str], spec: ModelSpec) -> BoxHead | None:
    """Read the box head of a model file, or a run folder, with its spec: in float32 and evaluation mode; None where there is none.

    Raises:
        ModelError: if the weights do not fit the spec.
    """
    if spec.boxes is None:
        return None
    path = _file(path)
    head = BoxHead(spec.boxes)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118
            head.load_state_dict({name.removeprefix(PREFIX): file.get_tensor(name) for name in names})
    except (RuntimeError, OSError, safetensors.SafetensorError) as error:
        raise ModelError(f"{path}: the weights of the box head do not fit its spec: {error}") from error
    return head.float().eval()


def store_localization(
    source: str | os.PathLike[str], localization: Mapping[str, Any], target: str | os.PathLike[str] | None = None
) -> Path:
    """Write down with a model at which threshold boxes are cut out of its maps; the weights stay as they are.

    Older versions read such a file as before, and pass the threshold over.

    Args:
        source: a model file of ours, or a run folder.
        localization: `threshold`, a share of the maximum, and the `method` it is for; more facts as plain JSON values.
        target: the file to write; None: the model's own.

    Returns:
        The file that was written, whole or not at all.

    Raises:
        ModelError: if the source is no model file of ours.
        OSError: if the file cannot be written.
    """
    source = _file(source)
    read_spec(source)  # complains about files that are not ours
    metadata = _metadata(source)
    fields = loads(metadata[KEY]) | {"localization": _localization(dict(localization))}
    tensors = safetensors.torch.load_file(source)
    path = source if target is None else Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, durable=True) as file:
        file.write(safetensors.torch.save(tensors, metadata={**metadata, KEY: json.dumps(fields)}))
    return path


def _preprocess(path: Path, fields: Mapping[str, Any]) -> Preprocess:
    try:
        return Preprocess(**fields)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _localization(fields: Any) -> dict[str, Any] | None:
    """What `store_localization` wrote, which may come from a stranger's file.

    Raises:
        ValueError: if it is nothing of that kind.
    """
    if fields is None:
        return None
    there = isinstance(fields, dict) and isinstance(fields.get("method"), str)
    if not there or not isinstance(fields.get("threshold"), float | int) or not 0 < fields["threshold"] <= 1:
        raise ValueError(f"localization {fields!r}")
    return dict(fields)


def _file(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise ModelError(f"{file}: no such model file")
    return file


def _metadata(path: Path) -> dict[str, str]:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            return file.metadata() or {}
    except (OSError, safetensors.SafetensorError) as error:
        raise ModelError(f"{path}: not a safetensors file that can be read ({error})") from error
