"""Hugging Face's image classifiers: class names from their configuration, preparation of pictures from their image processor.

A model of theirs carries its names but not how pictures are prepared; that is a file beside the weights, which its image
processor reads. transformers is imported only where one is asked for by name, so a model that is at hand needs nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, cast

from torch import nn

from whylight.errors import ModelError, cause_of
from whylight.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Interpolation, Preprocess
from whylight.models.adapters.hub import soon_given_up

PREFIX = "hf:"
_FILTERS: dict[int, Interpolation] = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers


def is_theirs(module: object) -> bool:
    """Whether a network is one of transformers' models: it has a configuration that says what its classes are called."""
    return isinstance(module, nn.Module) and isinstance(
        getattr(getattr(module, "config", None), "id2label", None), Mapping
    )


def from_pipeline(given: Any) -> tuple[nn.Module, Any] | None:
    """The model and the image processor of a transformers pipeline; None where it is none.

    Raises:
        ModelError: if its task is another one than image classification.
    """
    task, model = getattr(given, "task", None), getattr(given, "model", None)
    if not isinstance(task, str) or not isinstance(model, nn.Module) or isinstance(given, nn.Module):
        return None
    if task != "image-classification":
        raise ModelError(
            f"wrap: a pipeline for {task!r} is no image classifier; pipeline('image-classification', …) makes one"
        )
    return model, getattr(given, "image_processor", None)


def classes_of(module: nn.Module) -> tuple[str, ...]:
    """The names of a model's classes, in the order of its logits."""
    names: Mapping[Any, Any] = cast(Any, module).config.id2label
    return tuple(str(names[key]) for key in sorted(names, key=int))


def is_multilabel(module: nn.Module) -> bool:
    """Whether its classes are judged one by one."""
    return getattr(module.config, "problem_type", None) == "multi_label_classification"


def name_of(module: nn.Module) -> str:
    """The name or folder that a model was loaded by; "" where it was made otherwise."""
    return str(getattr(module.config, "name_or_path", "") or "")


def processor_of(module: nn.Module) -> Any:
    """The image processor that was published beside a model's weights.

    It is looked for where the model came from: its folder, the cache of this machine, the hub.

    Raises:
        ModelError: if it cannot be had there.
    """
    name = name_of(module)
    asked = "Say how pictures are prepared: size=, mean=, std= (or processor=, preprocessing=)"
    try:
        with soon_given_up():
            return _transformers().AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise ModelError(f"wrap: the image processor of {name} could not be had: {cause_of(error)} {asked}") from error


def preprocess_of(processor: Any) -> Preprocess:
    """What an image processor does to a picture, as ours.

    Args:
        processor: one of transformers' image processors.

    Raises:
        ModelError: if it does what `Preprocess` cannot; the message says what.
    """
    if isinstance(config := getattr(processor, "data_config", None), Mapping):  # of timm's models there
        return _timms(config)
    name = type(processor).__name__

    def said(key: str, default: Any = None) -> Any:
        value = getattr(processor, key, None)
        return default if value is None else value

    if said("do_flip_channel_order", False):
        raise ModelError(
            f"processor: {name} hands its model blue first, which preprocessing= cannot; put the model into a module that "
            "flips its input (x.flip(1)), and wrap that with classes=, size=, mean= and std="
        )
    if not said("do_resize", True):
        raise ModelError(
            f"processor: {name} does not resize pictures, and a map needs one size: give size=, mean= and std="
        )
    size, mode, crop = _geometry(processor, name)
    to_unit = 255.0 * float(said("rescale_factor", 1 / 255)) if said("do_rescale", True) else 255.0
    shift = 1.0 if said("do_rescale", True) and said("rescale_offset", False) else 0.0  # to −1 … 1
    normal = said("do_normalize", True)
    mean = _three(said("image_mean", IMAGENET_MEAN)) if normal else (0.0,) * 3
    std = _three(said("image_std", IMAGENET_STD)) if normal else (1.0,) * 3
    return Preprocess(
        size=size,
        mode=mode,
        crop_pct=crop,
        interpolation=_FILTERS.get(int(said("resample", 2)), "bilinear"),
        mean=((mean[0] + shift) / to_unit, (mean[1] + shift) / to_unit, (mean[2] + shift) / to_unit),
        std=(std[0] / to_unit, std[1] / to_unit, std[2] / to_unit),
    )


def load_hf(name: str) -> tuple[nn.Module, Any]:
    """A classifier by its name on the hub, or a folder, with its image processor: `(model, processor)`, in evaluation mode.

    Code that a repository brings along is not run.

    Raises:
        ModelError: if it cannot be had, or is no image classifier.
    """
    if not name:
        raise ModelError(f"{PREFIX} needs a name: {PREFIX}OWNER/NAME of the hub, or {PREFIX}FOLDER")
    if name.startswith(("/", ".", "~")) and not Path(name).expanduser().is_dir():
        raise ModelError(
            f"{PREFIX}{name}: no such folder; save_pretrained writes one, and {PREFIX}OWNER/NAME is a model of the hub"
        )
    library, name = _transformers(), str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name
    try:
        with nullcontext() if Path(name).is_dir() else soon_given_up():
            model = library.AutoModelForImageClassification.from_pretrained(name)
            processor = library.AutoImageProcessor.from_pretrained(name)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        where = "folder" if Path(name).is_dir() else "model of the Hugging Face hub"
        raise ModelError(
            f"{PREFIX}{name}: this {where} could not be loaded as an image classifier: {cause_of(error)} Without a network, "
            f"give the folder that save_pretrained wrote: {PREFIX}FOLDER"
        ) from error
    return model.eval(), processor


def _geometry(processor: Any, name: str) -> tuple[tuple[int, int], Literal["squash", "crop"], float]:
    """(height, width) of the input, `Preprocess`' mode, and the share that is cropped."""
    size = getattr(processor, "size", None)
    sides = _sides(size)
    shortest = _get(size, "shortest_edge")
    if getattr(processor, "do_center_crop", False):
        crop = _sides(getattr(processor, "crop_size", None))
        if crop is None or (shortest is None and sides is None):
            raise ModelError(f"processor: {name} crops, and does not say to what size; give preprocessing=")
        if shortest is not None:
            return crop, "crop", min(1.0, min(crop) / shortest)
        if crop == sides:
            return crop, "squash", 1.0
        raise ModelError(
            f"processor: {name} stretches pictures to {sides} and then crops to {crop}, which preprocessing cannot; give size=, "
            "mean= and std= to stretch them to the model's size"
        )
    if sides is not None:
        return sides, "squash", 1.0
    if shortest is None:
        raise ModelError(
            f"processor: {name} does not say to what size pictures are brought ({size}); give size=, mean= and std="
        )
    crop_pct = getattr(processor, "crop_pct", None)
    # ConvNeXt's: scaled to a larger size, and its middle cut out; stretched from 384 on.
    if crop_pct and shortest < 384:
        return (shortest, shortest), "crop", float(crop_pct)
    return (shortest, shortest), "squash" if crop_pct else "crop", 1.0


def _sides(size: Any) -> tuple[int, int] | None:
    height, width = _get(size, "height"), _get(size, "width")
    if height is not None and width is not None:
        return height, width
    return (int(size), int(size)) if isinstance(size, int) else None


def _get(size: Any, key: str) -> int | None:
    value = size.get(key) if isinstance(size, Mapping) else getattr(size, key, None)
    return None if value is None else int(value)


def _three(values: Any) -> tuple[float, ...]:
    found = tuple(float(value) for value in values) if isinstance(values, Sequence) else (float(values),) * 3
    return found if len(found) == 3 else (found[0],) * 3


def _timms(config: Mapping[str, Any]) -> Preprocess:
    filter_ = config.get("interpolation")
    return Preprocess(
        size=(int(config["input_size"][1]), int(config["input_size"][2])),
        mode="squash" if config.get("crop_mode") == "squash" else "crop",
        crop_pct=1.0 if config.get("crop_mode") == "squash" else float(config.get("crop_pct", 1.0)),
        interpolation=next((known for known in _FILTERS.values() if known == filter_), "bilinear"),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def _transformers() -> Any:
    try:
        import transformers
    except ModuleNotFoundError:
        raise ModelError("Hugging Face's models need the package transformers: pip install 'whylight[hf]'") from None
    return transformers
