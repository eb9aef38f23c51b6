"""How pictures are prepared for the zoos' networks, as timm and torchvision publish it."""

from __future__ import annotations

from typing import Any, cast, get_args

from torch import nn

from whylight.images.preprocess import Interpolation, Preprocess
from whylight.models.zoo.architectures import TORCHVISION


def timm_preprocessing(module: nn.Module) -> Preprocess:
    """As a network of timm's says."""
    from timm.data import resolve_model_data_config

    config: dict[str, Any] = resolve_model_data_config(module)
    _, height, width = config["input_size"]
    return Preprocess(
        size=(height, width),
        mode="squash" if config["crop_mode"] == "squash" else "crop",
        crop_pct=config["crop_pct"] if config["crop_mode"] != "squash" else 1.0,
        interpolation=_interpolation(config["interpolation"]),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
    )


def torchvision_preprocessing(name: str) -> Preprocess:
    """As the default weights of a network of torchvision's say."""
    import torchvision

    try:
        weights = torchvision.models.get_model_weights(name.removeprefix(TORCHVISION))["DEFAULT"]
    except (KeyError, ValueError):  # an architecture without published weights
        return Preprocess(mode="crop", crop_pct=0.875)
    published = weights.transforms()
    if not hasattr(published, "crop_size"):  # segmentation and detection weights prepare pictures in other ways
        return Preprocess(mode="crop", crop_pct=0.875)
    crop, resize = published.crop_size[0], published.resize_size[0]
    return Preprocess(
        size=(crop, crop),
        mode="crop",
        crop_pct=crop / resize,
        interpolation=_interpolation(published.interpolation.value),
        mean=tuple(published.mean),
        std=tuple(published.std),
    )


def _interpolation(name: str) -> Interpolation:
    # timm also says "random", for training; its evaluation then uses bilinear.
    return cast(Interpolation, name) if name in get_args(Interpolation) else "bilinear"
