"""End a network in global average pooling and one linear layer, so that its class activation maps have a closed form."""

from __future__ import annotations

import torch
from torch import nn


def give_gap_head(module: nn.Module, size: int = 224) -> bool:
    """Replace a head of hidden layers, or of another pooling, in place: VGG, AlexNet, SqueezeNet, MobileNetV3, vision transformers.

    The new linear layer is drawn from torch's default generator; what lies before it stays.

    Args:
        module: a torchvision or timm classifier.
        size: side of an input that it runs on.

    Returns:
        Whether the head was replaced: False where this is not known how to do for the architecture. Whether a network ends so
        already is `find_linear_head`'s to tell.

    Source: Zhou, Khosla, Lapedriza, Oliva and Torralba, Learning deep features for discriminative localization, CVPR 2016.

    >>> import torchvision
    >>> network = torchvision.models.vgg11(num_classes=3)
    >>> give_gap_head(network), network.classifier[-1].in_features
    (True, 512)
    """
    if hasattr(module, "reset_classifier"):
        return _timm(module, size)
    features, classifier = getattr(module, "features", None), getattr(module, "classifier", None)
    if not isinstance(features, nn.Module) or not isinstance(classifier, nn.Sequential):
        return False
    classes = [layer for layer in classifier if isinstance(layer, (nn.Linear, nn.Conv2d))][-1].weight.shape[0]
    training, pooling = module.training, getattr(module, "avgpool", None)
    drop = [layer for layer in classifier if isinstance(layer, nn.Dropout)][-1:]
    parameter = next(module.parameters())
    probe = parameter.new_zeros(1, 3, size, size)
    with torch.no_grad():
        channels = module.eval().features(probe).shape[1]  # type: ignore[operator]
        # Some of these networks pool and flatten before their classifier; the others leave both to it, and flatten once more.
        pool = [] if pooling is not None else [nn.AdaptiveAvgPool2d(1)]
        if pooling is not None:
            module.avgpool = nn.AdaptiveAvgPool2d(1)
        module.classifier = nn.Sequential(*pool, nn.Flatten(), *drop, nn.Linear(channels, classes)).to(parameter)
        try:
            changed = tuple(module(probe).shape) == (1, classes)
        except RuntimeError:
            changed = False
    if not changed:  # something else lies between its features and its classifier
        module.classifier = classifier
        if pooling is not None:
            module.avgpool = pooling
    module.train(training)
    return changed


def _timm(module: nn.Module, size: int) -> bool:
    classes = int(module.num_classes)  # type: ignore[arg-type]
    pool = getattr(module, "global_pool", None)  # a transformer's is a word, a convolutional network's a layer
    if getattr(pool, "pool_type", pool) not in (None, "", "avg", "fast") and not isinstance(pool, nn.Identity):
        module.reset_classifier(classes, "avg")  # type: ignore[operator]
        return True
    parameter = next(module.parameters())
    probe = parameter.new_zeros(1, 3, size, size)
    training = module.training
    with torch.no_grad():
        features = module.eval().forward_features(probe)  # type: ignore[operator]
        hidden = [name for name in _HIDDEN if isinstance(getattr(module, name, None), nn.Module)]
        before = {name: getattr(module, name) for name in (*hidden, "head", "classifier") if hasattr(module, name)}
        changed = False
        if features.ndim == 4:
            for name in hidden:
                setattr(module, name, nn.Identity())
            put = _put_head(module, features.shape[1], classes, parameter, bool(hidden))
            changed = put and _runs(module, probe, classes)
        if not changed:
            for name, part in before.items():
                setattr(module, name, part)
    module.train(training)
    return changed


# Layers behind the pooling: of VGG, of MobileNetV3 and its kin.
_HIDDEN = ("pre_logits", "conv_head", "norm_head", "act2")


def _put_head(module: nn.Module, channels: int, classes: int, like: nn.Parameter, hidden: bool) -> bool:
    """Put a linear layer in place of the classifier behind hidden layers, or of a head that is a module; False: there is none."""
    from timm.layers import ClassifierHead

    if hidden and isinstance(getattr(module, "classifier", None), nn.Linear):
        module.classifier = nn.Linear(channels, classes).to(like)
        return True
    if isinstance(getattr(module, "head", None), nn.Module) and not isinstance(module.head, nn.Linear):
        module.head = ClassifierHead(channels, classes, "avg").to(like)
        return True
    return False


def _runs(module: nn.Module, probe: torch.Tensor, classes: int) -> bool:
    try:
        return tuple(module(probe).shape) == (1, classes)
    except (RuntimeError, TypeError, AttributeError):  # what lies between is more than a head
        return False
