"""Any image classifier made explainable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import nn

from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess, as_colours, as_size
from whylight.models.adapters import huggingface
from whylight.models.adapters.inputs import Fed
from whylight.models.adapters.logits import EndsIn, Pick
from whylight.models.model import Model


def wrap(
    module: nn.Module | Any,
    layer: str | nn.Module | None = None,
    classes: Sequence[str] | None = None,
    size: int | tuple[int, int] | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    *,
    preprocessing: Preprocess | None = None,
    processor: Any = None,
    multilabel: bool = False,
    output: Pick = None,
    ends_in: EndsIn = "auto",
    run: int | None = None,
    channels: int = 3,
    inputs: Sequence[Any] | Mapping[str, Any] | None = None,
) -> Model:
    """Make any image classifier explainable.

    Args:
        module: a network (N, 3, H, W) → logits (N, C), or probabilities, or a mapping, tuple or object that has them; or one of
            Hugging Face's image classifiers, or a `pipeline("image-classification")`.
        layer: the layer to look at: a submodule, its dotted name, or None for the last spatial one.
        classes: one name for each logit; default: their numbers, or what a Hugging Face model's configuration calls them.
        size: side, or (height, width), of the input in pixels; the picture is stretched to it. Default 224.
        mean: mean of red, green and blue in [0, 1] that is subtracted; default ImageNet's.
        std: standard deviation that is divided by; default ImageNet's.
        preprocessing: all of size, mean and std, and cropping too, in one object; overrides the three.
        processor: a Hugging Face image processor in place of it. One of their models that was loaded by name brings its own,
            unless size, mean and std are all given.
        multilabel: the classes do not exclude each other: probabilities are sigmoids of the logits, one by one.
        output: which part of what the network returns has the logits: a key, an attribute's name, a place in a tuple, or a
            function of it; None = found out where it is clear.
        ends_in: what the network does to its logits at the end: "softmax", "log_softmax", "sigmoid", nothing ("logits"), or
            "auto" to find out by running. What went into it is explained; probabilities are the network's own.

        run: which run of `layer` is meant, from 0, where it runs several times in one forward: an encoder that also looks at a
            reference, say. None: the one that the picture goes through.
        channels: of the input. 1: pictures are made grey; other than 1 and 3, as of satellites: they come as preprocessed tensors.
        inputs: for a network that takes more than the picture: what it is called with, in order or by name, `"image"` where the
            picture goes: `inputs=("image", age)`. Tensors of one row serve every picture.

    A network of one logit z has two classes, no (score −z) and yes (score z), whose probabilities are their sigmoids; `classes`
    names both, in this order, or the second alone.

    Raises:
        ModelError: if the network does not run on that size, or cannot be split.

    >>> import torch, whylight
    >>> cnn = torch.nn.Sequential(
    ...     torch.nn.Conv2d(3, 8, 3, stride=8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
    ...     torch.nn.Linear(8, 2))
    >>> whylight.wrap(cnn, classes=["cat", "dog"], size=64)
    Model(Sequential, '1' 8×8×8, 2 classes: cat, dog)
    """
    if (pipeline := huggingface.from_pipeline(module)) is not None:
        module, own = pipeline
        processor = own if processor is None else processor
    if not isinstance(module, nn.Module):
        raise ModelError(f"wrap: expected a torch.nn.Module, got {type(module).__name__}")
    if layer is not None and not isinstance(layer, str | nn.Module):
        raise ModelError(
            f"layer: expected one submodule or its dotted name, got {type(layer).__name__}; "
            "several are for whylight.explain(layers=…)"
        )
    if classes is not None and (isinstance(classes, str) or not isinstance(classes, Sequence)):
        raise ModelError(f"classes: expected a list of names, one for each logit, got {type(classes).__name__}")
    if huggingface.is_theirs(module):
        classes = huggingface.classes_of(module) if classes is None else classes
        multilabel = multilabel or huggingface.is_multilabel(module)
        if processor is None and preprocessing is None and None in (size, mean, std) and huggingface.name_of(module):
            processor = huggingface.processor_of(module)
    if preprocessing is None:
        base = Preprocess() if processor is None else huggingface.preprocess_of(processor)
        preprocessing = replace(base, **_given(size, mean, std))
    module = getattr(module, "_orig_mod", module)  # what torch.compile made is the same network, and shows no layers
    module = getattr(module, "module", module) if isinstance(module, nn.DataParallel) else module
    if not isinstance(channels, int) or channels < 1:
        raise ModelError(f"channels: expected a number from 1 on, got {channels!r}")
    if inputs is not None or channels == 1:
        module = Fed(module, ("image",) if inputs is None else inputs, grey=channels == 1)
    if layer is None:  # an adapter knows which layer of the network inside it is meant
        layer = getattr(module, "default_layer", None)
    return Model(
        module,
        classes=classes,
        preprocessing=preprocessing,
        layer=layer,
        multilabel=multilabel,
        output=output,
        ends_in=ends_in,
        run=run,
        bands=3 if channels == 1 else channels,
    )


def _given(
    size: int | tuple[int, int] | None, mean: Sequence[float] | None, std: Sequence[float] | None
) -> dict[str, Any]:
    """What was said of the input, as `Preprocess` takes it."""
    found: dict[str, Any] = {}
    if size is not None:
        found |= {"size": as_size(size), "mode": "squash", "crop_pct": 1.0}
    return found | {
        name: as_colours(values, name) for name, values in (("mean", mean), ("std", std)) if values is not None
    }
