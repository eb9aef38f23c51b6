"""Build a network by name: timm's architectures by their own name, torchvision's as `torchvision/NAME`.

Each of the two libraries takes a second or more to import, so each is imported where it is needed.
"""

from __future__ import annotations

import difflib
import urllib.error
from collections.abc import Mapping
from typing import Any, cast

from torch import nn

from whylight.errors import ModelError, WeightsError, cause_of
from whylight.models.adapters.hub import check_reach, soon_given_up
from whylight.models.gap_head import give_gap_head
from whylight.models.surgery import fold_batch_norm, set_output_stride
from whylight.models.zoo.foreign import fill
from whylight.models.zoo.mobilenet import FoldedMobileNetV2
from whylight.shown import shown

TORCHVISION = "torchvision/"
REMOTE = ("hf-hub:", "hf_hub:", "hf:", "local-dir:", "http:", "https:")  # timm would look elsewhere for these


def build(
    arch: str,
    *,
    classes: int | None = None,
    output_stride: int | None = None,
    pretrained: bool = False,
    options: Mapping[str, object] | None = None,
) -> nn.Module:
    """Build a network, in evaluation mode, randomly initialised unless `pretrained`.

    Args:
        arch: a timm name ("resnet18"), "hf-hub:OWNER/NAME", or "torchvision/NAME".
        classes: how many classes it tells apart, None for the network's own; with `pretrained` and another number than
            the weights have, the last layer is new.
        output_stride: pixels of the input for each cell of the last grid; None leaves the network's own (usually 32).
        pretrained: fetch the weights with timm's or torchvision's own loader.
        options: more arguments for the network's constructor; `fold_batch_norm=True` folds batch norm into convolutions, and
            `gap_head=True` ends it in global average pooling and one linear layer.

    Raises:
        ModelError: unknown name, options the architecture does not take, or weights that cannot be had.

    >>> build("torchvision/mobilenet_v2", classes=2, output_stride=16).classifier[1].out_features
    2
    """
    arguments = dict(options or {})
    fold = bool(arguments.pop("fold_batch_norm", False))
    gap = bool(arguments.pop("gap_head", False))
    if fold and arch == f"{TORCHVISION}mobilenet_v2" and not pretrained and not arguments:
        light = FoldedMobileNetV2(1000 if classes is None else classes).eval()
        if output_stride is not None:
            set_output_stride(light, output_stride)
        return light
    make = _from_torchvision if arch.startswith(TORCHVISION) else _from_timm
    module = make(arch, classes, output_stride, pretrained, arguments).eval()
    if gap:
        give_gap_head(module)
    if fold:
        fold_batch_norm(module)
    return module


def names() -> list[str]:
    """Every architecture that `build` knows by name."""
    import timm
    import torchvision

    theirs = [TORCHVISION + name for name in torchvision.models.list_models(module=torchvision.models)]
    return [*timm.list_models(), *theirs]


def is_known(arch: str) -> bool:
    """Whether `build` knows a name; of `hf-hub:` names only the hub can tell, so all of them pass."""
    if arch.startswith(TORCHVISION):
        import torchvision

        return arch.removeprefix(TORCHVISION) in torchvision.models.list_models(module=torchvision.models)
    if arch.startswith("hf-hub:"):
        return True
    import timm

    return bool(timm.is_model(arch))  # names with a tag too: resnet50.a1_in1k


def _from_timm(
    arch: str, classes: int | None, stride: int | None, pretrained: bool, options: dict[str, object]
) -> nn.Module:
    import timm

    if not is_known(arch):
        raise _unknown(arch)
    arguments: dict[str, Any] = {**options} if classes is None else {**options, "num_classes": classes}
    if stride is not None:
        arguments["output_stride"] = stride
    if pretrained:
        try:
            with soon_given_up():
                return timm.create_model(arch, pretrained=True, **arguments)
        except _no_weights() as error:
            raise _unavailable(arch, "timm", error) from error
    try:
        return timm.create_model(arch, pretrained=False, **arguments)
    except _no_weights(TypeError, NotImplementedError, AssertionError) as error:
        asked = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise ModelError(f"{arch} cannot be built with {asked}: {error}") from error


def _from_torchvision(
    arch: str, classes: int | None, stride: int | None, pretrained: bool, options: dict[str, object]
) -> nn.Module:
    import torchvision

    name = arch.removeprefix(TORCHVISION)
    if not is_known(arch):
        raise _unknown(arch)
    try:
        own = {} if classes is None else {"num_classes": classes}
        module = cast(nn.Module, torchvision.models.get_model(name, weights=None, **own, **options))
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{arch} cannot be built with {options}: {error}") from error
    if pretrained:
        weights = torchvision.models.get_model_weights(name)
        try:
            check_reach(weights["DEFAULT"].url)
            state = weights["DEFAULT"].get_state_dict(progress=False, check_hash=True)
        except _no_weights(KeyError) as error:
            raise _unavailable(arch, "torchvision", error) from error
        fill(module, dict(state), f"the weights of {arch}")
    if stride is not None:
        set_output_stride(module.eval(), stride)
    return module


def _no_weights(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What is raised for a missing network, a server that says no, a damaged file, an architecture without weights."""
    try:  # the client that huggingface_hub downloads with, from its version 1 on
        from httpx import HTTPError
    except ModuleNotFoundError:  # before that, requests, whose errors are OSErrors
        HTTPError = OSError  # type: ignore[assignment, misc]
    return (OSError, urllib.error.URLError, HTTPError, RuntimeError, ValueError, *more)


def looked_for(arch: str) -> str:
    """What is said before weights are looked for, which may take seconds.

    >>> looked_for("resnet18")
    'resnet18: looking for its published weights, in the cache of this machine and then on the network'
    """
    return f"{shown(arch)}: looking for its published weights, in the cache of this machine and then on the network"


def _unknown(arch: str) -> ModelError:
    near = difflib.get_close_matches(arch, names(), n=4, cutoff=0.5)
    hint = f"near it: {', '.join(near)}" if near else "`whylight models` lists the names"
    return ModelError(f"no architecture is called {arch!r}; {hint}")


def _unavailable(arch: str, loader: str, error: BaseException) -> WeightsError:
    cause = cause_of(error).rstrip(".")
    return WeightsError(
        f"the pretrained weights of {arch} could not be had: tried {loader}'s own loader (its cache on this machine, then "
        f"its server), which said: {cause}. Without a network there are two ways on: weights from a file you have "
        f'(--weights FILE, weights="FILE"), or a bundled model ("face", "person")'
    )
