"""Get a model by name: bundled, a file or run folder of ours, timm, torchvision, the Hugging Face hub.

timm and torchvision take a second or more each to import, so each is imported where it is needed.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess, as_colours, as_size
from whylight.models.adapters import huggingface
from whylight.models.adapters.blackbox import BlackBox
from whylight.models.adapters.facts import read_facts
from whylight.models.boxhead import BoxHead
from whylight.models.device import resolve_device
from whylight.models.model import Model
from whylight.models.prepared import GRAPHS
from whylight.models.zoo import bundled
from whylight.models.zoo.architectures import TORCHVISION, build, is_known, names
from whylight.models.zoo.files import FILE, load_box_head, load_weights
from whylight.models.zoo.foreign import load_foreign, rows_of
from whylight.models.zoo.published import timm_preprocessing, torchvision_preprocessing


def load(
    name: str | os.PathLike[str],
    *,
    pretrained: bool = True,
    weights: str | os.PathLike[str] | None = None,
    classes: Sequence[str] | None = None,
    device: str | torch.device = "auto",
    layer: str | None = None,
    multilabel: bool = False,
    size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    crop: float | None = None,
) -> Model | BlackBox:
    """Load a classifier by name.

    Args:
        name: a bundled model ("face", "person"); a run folder or `.safetensors` file that whylight wrote ("runs/7"); any timm name
            ("resnet50"), "torchvision/NAME", or "hf-hub:OWNER/NAME"; "hf:OWNER/NAME" or "hf:FOLDER" for one of Hugging Face's
            transformers; a graph that `whylight.export` wrote (.onnx, .xml); any other ONNX file, which is a black box then.
        pretrained: for timm's, torchvision's and "hf-hub:", fetch the weights through their own loader; False builds the network
            with random ones.
        weights: for the same, a file of weights instead (.pth, .pt, .ckpt or .safetensors state dict; never unpickled).
        classes: names of the classes, for weights that carry none.
        device: "auto" (CUDA, then Apple's MPS, then the processor), or insist: "cpu", "cuda:1", "mps".
        layer: dotted name of the layer to look at; default: the last spatial one.
        multilabel: the classes do not exclude each other: probabilities are sigmoids of the logits, one by one.
        size: side of the input, or (height, width), where the weights were trained with another than the model's own.
        mean, std: what is subtracted and divided by, of red, green and blue from 0 to 1; likewise.
        crop: share of the shorter side that is cut out of the centre; 0 squeezes the whole picture in; likewise.

    Raises:
        ModelError: naming what was tried, and the ways on.

    >>> import whylight
    >>> whylight.load("resnet18", pretrained=False, device="cpu").grid
    (7, 7)
    """
    text = os.fspath(name)
    other = _other(size, mean, std, crop)
    model = _loaded(text, pretrained, weights, classes, resolve_device(device), layer, multilabel, other)
    model.name = text
    return model


def _loaded(
    text: str,
    pretrained: bool,
    weights: str | os.PathLike[str] | None,
    classes: Sequence[str] | None,
    where: torch.device,
    layer: str | None,
    multilabel: bool,
    other: Mapping[str, Any],
) -> Model | BlackBox:
    if text.lower().endswith(GRAPHS):
        return _black_box(text, weights, layer, classes, multilabel, other)
    if text.startswith(huggingface.PREFIX):
        if weights is not None or not pretrained:
            raise ModelError(f"{text} brings its own weights: leave weights= and pretrained= out")
        return _from_hugging_face(text, classes, where, layer, multilabel, other)
    file = own_file(text)
    with torch.inference_mode(False):  # parameters made under it could never be differentiated
        if file is None:
            return _from_zoo(text, pretrained, weights, classes, where, layer, multilabel, other)
        if weights is not None:
            raise ModelError(f"{text} brings its own weights: leave weights= out, or name an architecture")
        module, spec = load_weights(file)
        box_head = load_box_head(file, spec)
        model = _model(
            module, classes or spec.classes, spec.preprocess.changed(**other), where, layer, multilabel, box_head
        )
        if spec.localization is not None and spec.localization.get("layer") == layer:
            model.localization = spec.localization
        return model


def _from_hugging_face(
    text: str,
    classes: Sequence[str] | None,
    device: torch.device,
    layer: str | None,
    multilabel: bool,
    other: Mapping[str, Any],
) -> Model:
    with torch.inference_mode(False):
        module, processor = huggingface.load_hf(text.removeprefix(huggingface.PREFIX))
    return _model(
        module,
        classes or huggingface.classes_of(module),
        huggingface.preprocess_of(processor).changed(**other),
        device,
        layer,
        multilabel or huggingface.is_multilabel(module),
    )


def _black_box(
    path: str,
    weights: str | os.PathLike[str] | None,
    layer: str | None,
    classes: Sequence[str] | None,
    multilabel: bool,
    other: Mapping[str, Any],
) -> BlackBox:
    from whylight.models.adapters.exported import load_exported
    from whylight.models.adapters.onnx import load_onnx

    if weights is not None or layer is not None:
        raise ModelError(
            f"{path}: such a graph brings its own weights and shows no layers: leave weights and layer out"
        )
    if path.lower().endswith(".xml") or read_facts(path) is not None:
        if other or multilabel:
            said = ", ".join([*other, *(["multilabel"] if multilabel else [])])
            raise ModelError(f"{path}: the exported graph says itself how pictures are prepared: leave {said} out")
        return load_exported(path, classes=classes)
    return load_onnx(path, classes, multilabel=multilabel, **other)


def own_file(name: str) -> Path | None:
    """The weights file of ours that a name stands for, or None if it names an architecture.

    Raises:
        ModelError: if it is a folder or file that holds no model.
    """
    shipped = bundled.file_of(name)
    if shipped is not None:
        return shipped
    path = Path(name)
    if path.is_dir():
        if (path / FILE).is_file():
            return path / FILE
        if is_known(name):  # a folder of results, say, that happens to be called like a network
            return None
        raise ModelError(f"{name}: this folder holds no {FILE}; whylight train writes it when it is done")
    if path.suffix == ".safetensors" or path.is_file():
        if path.suffix != ".safetensors" and path.is_file():
            raise ModelError(
                f"{name}: a file of weights alone does not say which network it belongs to. "
                f"Name the architecture and give the file beside it: load('resnet50', weights={name!r})"
            )
        return path
    return None


def _from_zoo(
    name: str,
    pretrained: bool,
    weights: str | os.PathLike[str] | None,
    classes: Sequence[str] | None,
    device: torch.device,
    layer: str | None,
    multilabel: bool,
    other: Mapping[str, Any],
) -> Model:
    if not is_known(name):
        raise _unknown(name)
    taken: list[str] = []
    if weights is None:
        module = build(name, pretrained=pretrained)
        if (getattr(module, "pretrained_cfg", None) or {}).get("num_classes") == 0:
            raise ModelError(
                f"{name} is published without a classifier (features only): name one that tells classes apart"
            )
    else:
        module = build(name, classes=len(classes) if classes is not None else None)
        left = load_foreign(module, weights, say=taken.append)
        if left:
            theirs, ours = rows_of(weights, left[0]), len(module.state_dict()[left[0]])
            named = "these class names are" if classes is not None else f"{name} has"
            raise ModelError(
                f"{weights}: its last layer ({left[0]}) has another number of classes: {theirs}, and {named} {ours}. Give the "
                "names of its classes, in order: classes=[…], or --classes FILE with one name a line"
            )
    preprocessing = torchvision_preprocessing(name) if name.startswith(TORCHVISION) else timm_preprocessing(module)
    preprocessing = preprocessing.changed(**other)
    model = _model(module, classes or _class_names(name, module), preprocessing, device, layer, multilabel)
    model.taken = "; ".join(taken)
    return model


def _other(
    size: int | tuple[int, int] | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    crop: float | None,
) -> dict[str, Any]:
    """What pictures are prepared with instead of a model's own, as `Preprocess.changed` takes it."""
    if crop is not None and not 0 <= crop <= 1:
        raise ModelError(f"crop: expected a share of the shorter side from 0 to 1, got {crop}")
    sides = None if size is None else as_size(size)
    colours = {name: as_colours(values, name) for name, values in (("mean", mean), ("std", std)) if values is not None}
    return {**({} if sides is None else {"size": sides}), **colours, **({} if crop is None else {"crop": float(crop)})}


def _model(
    module: nn.Module,
    classes: Sequence[str] | None,
    preprocessing: Preprocess,
    device: torch.device,
    layer: str | None,
    multilabel: bool,
    box_head: BoxHead | None = None,
) -> Model:
    module.requires_grad_(False).eval().to(device)
    if box_head is not None:
        box_head.requires_grad_(False).to(device)
    return Model(
        module, classes=classes, preprocessing=preprocessing, layer=layer, multilabel=multilabel, box_head=box_head
    )


def _class_names(name: str, module: nn.Module) -> tuple[str, ...] | None:
    """The names that a zoo's weights go by; None where nobody wrote them down."""
    import torchvision

    published: dict[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    if published.get("label_names"):
        return tuple(published["label_names"])
    count = published.get("num_classes", 1000)
    weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
    imagenet: list[str] = weights.meta["categories"]
    return tuple(imagenet) if count == len(imagenet) and not name.startswith("hf-hub:") else None


def _unknown(name: str) -> ModelError:
    known = [*bundled.names(), *names()]
    near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    hint = f"Near it: {', '.join(near)}. " if near else ""
    return ModelError(
        f"model {name!r} is not known, and there is no file or folder of that name. {hint}"
        f"It can be a bundled model ({', '.join(bundled.names()) or 'none'}), a timm name, torchvision/NAME, hf-hub:OWNER/NAME, "
        "hf:OWNER/NAME, a run folder, a .safetensors, .onnx or .xml file"
    )
