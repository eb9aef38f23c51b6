"""Change a network's shape without changing what its weights compute: a finer last grid, folded batch norm, a centred head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from whylight.errors import ModelError

_POOLS = (nn.MaxPool2d, nn.AvgPool2d)


def set_output_stride(module: nn.Module, stride: int, *, size: int = 256) -> None:
    """Give a convolutional network a finer last grid: 1 cell for `stride` pixels instead of (usually) 32, weights unchanged.

    Strides beyond `stride` become 1, and the convolutions behind them are dilated by the same factor, so each still looks at
    the same spots of the picture, only at more places (Yu, Koltun, Funkhouser: Dilated Residual Networks, CVPR 2017).

    Args:
        module: the network; changed in place.
        stride: pixels of the input for each cell of the last grid.
        size: side of the square input used to measure the present strides.

    Raises:
        ModelError: if the network thins its grid by something else than convolutions, or not in whole steps.

    >>> import torchvision
    >>> network = torchvision.models.mobilenet_v2().eval()
    >>> set_output_stride(network, 16)
    >>> network.features(torch.zeros(1, 3, 224, 224)).shape[-1]
    14
    """
    before = _input_sides(module, size)
    if not any(size / side >= stride for side in before.values()):
        raise ModelError(f"output stride {stride}: this network's last grid is finer than that already")
    for layer, side in before.items():
        passed, rest = divmod(size, side * stride)  # how far beyond the wanted stride this layer's input lies
        if passed < 1:
            continue
        name = type(layer).__name__
        if rest:
            raise ModelError(f"output stride {stride}: the grid before {name} has {side} cells of {size} pixels")
        if not isinstance(layer, nn.Conv2d):
            if _pair(layer.stride) == (1, 1):
                continue
            raise ModelError(
                f"output stride {stride}: this network thins its last grid by {name}, which cannot be dilated"
            )
        layer.stride = (1, 1)
        if passed > 1 and layer.kernel_size != (1, 1):
            if not isinstance(layer.padding, tuple):
                raise ModelError(f"output stride {stride}: {name} pads by {layer.padding!r}, which cannot be dilated")
            layer.dilation = (layer.dilation[0] * passed, layer.dilation[1] * passed)
            layer.padding = (layer.padding[0] * passed, layer.padding[1] * passed)


def _input_sides(module: nn.Module, size: int) -> dict[Any, int]:
    """For each convolution and pooling, in the order in which they run: the side of the grid that goes in."""
    sides: dict[Any, int] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].ndim == 4 and inputs[0].shape[-1] > 1:
            sides.setdefault(layer, inputs[0].shape[-1])

    handles = [
        layer.register_forward_pre_hook(note) for layer in module.modules() if isinstance(layer, (nn.Conv2d, *_POOLS))
    ]
    training = module.training
    try:
        with torch.no_grad():
            parameter = next(module.parameters())
            module.eval()(torch.zeros(1, 3, size, size, device=parameter.device, dtype=parameter.dtype))
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
    return sides


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def fold_batch_norm(module: nn.Module) -> int:
    """Fold every batch norm that follows a convolution into that convolution, in place; return how many.

    In evaluation mode the two are one affine map: W' = W·γ/√(σ²+ε), b' = (b−μ)·γ/√(σ²+ε) + β. The folded network computes
    the same, runs faster, and has no running statistics left.

    Raises:
        ModelError: if the network cannot be traced.
    """
    try:
        graph = _Tracer().trace(module)
    except (torch.fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ModelError(f"cannot fold the batch norm of {type(module).__name__}: {error}") from error
    layers = dict(module.named_modules())
    folded = 0
    for node in graph.nodes:
        if node.op != "call_module" or node.args[0].op != "call_module":
            continue
        source, norm = node.args[0], layers.get(node.target)
        conv = layers.get(source.target)
        if not isinstance(norm, nn.BatchNorm2d) or not isinstance(conv, nn.Conv2d) or len(source.users) != 1:
            continue
        fused = fuse_conv_bn_eval(conv.eval(), norm.eval())
        fused.requires_grad_(conv.weight.requires_grad)  # the new bias comes frozen, and would never be trained
        _replace(module, source.target, fused.train(module.training))
        _replace(module, node.target, _after_norm(norm))
        folded += 1
    return folded


class _Tracer(torch.fx.Tracer):
    """Keeps every batch norm whole in the trace, timm's own kinds too."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.BatchNorm2d) or super().is_leaf_module(m, module_qualified_name)


def _after_norm(norm: nn.BatchNorm2d) -> nn.Module:
    """What is left of a batch norm once folded: nothing, or the activation that timm keeps in it."""
    return getattr(norm, "act", nn.Identity())


def _replace(module: nn.Module, name: str, new: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(module.get_submodule(parent), child, new)


def classifier_of(module: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    """Find the layer that makes the class scores: (its dotted name, the layer).

    Raises:
        ModelError: if the network has no linear or convolutional layer.
    """
    get: Callable[[], nn.Module] | None = getattr(module, "get_classifier", None)
    named = [(name, layer) for name, layer in module.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    if get is not None:
        head = get()
        named = [pair for pair in named if pair[1] is head] or named
    if not named:
        raise ModelError(f"{type(module).__name__} has no linear layer that makes class scores")
    return named[-1]


@torch.no_grad()
def centre_head(module: nn.Module) -> None:
    """Subtract from each class's weights the mean over all classes, in place: probabilities stay, class maps sharpen.

    Softmax only sees differences of scores, so a part that all classes share says nothing, yet shows in every class's map.
    With two classes the two maps become each other's negative.
    """
    _, head = classifier_of(module)
    head.weight.sub_(head.weight.mean(0, keepdim=True))
    if head.bias is not None:
        head.bias.sub_(head.bias.mean())


@torch.no_grad()
def scale_head(module: nn.Module, factor: float) -> None:
    """Multiply the class scores, in place: how sure the network is changes, what it decides does not."""
    _, head = classifier_of(module)
    head.weight.mul_(factor)
    if head.bias is not None:
        head.bias.mul_(factor)
