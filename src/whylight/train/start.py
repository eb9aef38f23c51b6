"""What a run starts from: the network as it is built, its first weights, and how pictures become its input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from whylight.errors import TrainError
from whylight.images.preprocess import Preprocess
from whylight.models.boxhead import PREFIX
from whylight.models.gap_head import give_gap_head
from whylight.models.split.cut import repeat
from whylight.models.split.linear import find_linear_head
from whylight.models.surgery import classifier_of, fold_batch_norm
from whylight.models.zoo.architectures import TORCHVISION, build, looked_for
from whylight.models.zoo.files import FILE, ModelSpec, own_spec
from whylight.models.zoo.foreign import load_foreign
from whylight.models.zoo.published import timm_preprocessing, torchvision_preprocessing
from whylight.train.config import TrainConfig
from whylight.train.network import cut, freeze


def start(
    config: TrainConfig, classes: tuple[str, ...], say: Callable[[str], None] = lambda remark: None
) -> tuple[nn.Module, ModelSpec]:
    """Build the network with the weights a run starts from, and say which of them are trained.

    Args:
        config: the settings.
        classes: names of the classes.
        say: takes a remark about what a model file of ours brings along.

    Returns:
        The network, and the spec of the model that will be stored.

    Raises:
        TrainError: `weights` is a model of another architecture, or there is no dropout to set.
        ModelError: the network cannot be built, or the weights cannot be had.
    """
    own = None if config.weights is None else own_spec(config.weights)
    if own is not None and own.arch != config.arch:
        raise TrainError(f"weights: {config.weights} is a {own.arch}, not a {config.arch}: say --arch {own.arch}")
    kept = {} if own is None else {name: True for name in own.options if own.options[name] is True}
    stride = own.output_stride if own is not None and config.output_stride is None else config.output_stride

    torch.manual_seed(config.seed)  # a new classifier, and a network from scratch, depend on the seed alone
    options: dict[str, object] = dict(kept)
    if config.dropout is not None and not config.arch.startswith(TORCHVISION):
        options["drop_rate"] = config.dropout  # not in the spec: it means nothing once training is over
    if config.pretrained:
        say(looked_for(config.arch))
    module = build(
        config.arch, classes=len(classes), output_stride=stride, pretrained=config.pretrained, options=options
    )
    fresh = _fill(module, config, own, classes, say)
    changed = False
    if config.head == "gap" and "gap_head" not in kept and not _linear(module, config.size):
        changed = give_gap_head(module, config.size)
        kept |= {"gap_head": True} if changed else {}
        say(
            f"{config.arch}: its head is replaced by global average pooling and one linear layer (--head own leaves it)"
            if changed
            else f"{config.arch}: keeps its head, which is not global average pooling and one linear layer: no `cam` for it"
        )
    if config.dropout is not None and config.arch.startswith(TORCHVISION):
        set_dropout(module, config.dropout)
    if config.fold_bn and "fold_batch_norm" not in kept:
        fold_batch_norm(module)
        kept["fold_batch_norm"] = True
    if config.unfreeze is not None:
        freeze(module, config.unfreeze)
    if own is not None:
        say(
            f"{config.weights}: a model of whylight's; taken over from it: preprocessing"
            + (f", output stride {stride}" if config.output_stride is None and stride is not None else "")
            + (", folded batch norm" if "fold_batch_norm" in own.options and not config.fold_bn else "")
            + (
                "; its classifier is replaced" + (", for other classes" if fresh else "")
                if fresh or changed
                else ", classifier"
            )
        )
    return module, ModelSpec(
        arch=config.arch,
        classes=classes,
        preprocess=_preprocess(config, module, own),
        output_stride=stride,
        options=kept,
    )


def _fill(
    module: nn.Module, config: TrainConfig, own: ModelSpec | None, classes: tuple[str, ...], say: Callable[[str], None]
) -> bool:
    """Read the file of weights, if there is one; return whether the classifier is a new one all the same."""
    if config.weights is None:
        return not config.pretrained
    path = Path(config.weights)
    _, head = classifier_of(module)
    new = {name: value.clone() for name, value in head.state_dict().items()}
    without = PREFIX if own is not None and own.boxes is not None else None
    left = load_foreign(module, path / FILE if path.is_dir() else path, without=without, say=say)
    if own is not None and own.classes != classes and not left:  # as many classes, but others
        head.load_state_dict(new)
        return True
    return bool(left)


def _linear(module: nn.Module, size: int) -> bool:
    """Whether the head is global average pooling and one linear layer."""
    found = cut(module, size)
    with torch.no_grad():
        probe = torch.zeros((1, 3, size, size), device=found.grid.device)
        raw, context = found.split.encode(probe)

        def head(grid: Tensor) -> Tensor:
            some, rest = repeat(raw, context, len(grid))
            return found.split.decode(found.layout.from_grid(grid, some).clone(), rest)

        return find_linear_head(module, head, found.grid) is not None


def _preprocess(config: TrainConfig, module: nn.Module, own: ModelSpec | None) -> Preprocess:
    """The whole picture, stretched to --size; filtered and normalised as the network's weights were trained."""
    if own is not None:
        theirs = own.preprocess
    elif config.arch.startswith(TORCHVISION):
        theirs = torchvision_preprocessing(config.arch)
    else:
        theirs = timm_preprocessing(module)
    return replace(theirs, size=(config.size, config.size), mode="squash", crop_pct=1.0)


def set_dropout(module: nn.Module, p: float) -> None:
    """Set the dropout right before the classifier, in place, and no other.

    Raises:
        TrainError: if there is none: other layers with weights lie between any dropout and the classifier.
    """
    name, classifier = classifier_of(module)
    last: nn.Dropout | None = None
    for layer in module.modules():
        if layer is classifier:
            break
        if isinstance(layer, nn.Dropout):
            last = layer
        elif next(layer.parameters(recurse=False), None) is not None:
            last = None
    if last is None:
        raise TrainError(
            f"dropout: {type(module).__name__} has none right before its classifier ({name}): leave it out"
        )
    last.p = p
