"""Copies of a network that do less work for the same logits: folded, with joint kernels, in another type."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights

from whylight.models.fast import pointwise
from whylight.models.split.cut import UNTRACEABLE
from whylight.models.split.fold import fold_graph


def plain(module: nn.Module, probe: Tensor) -> nn.Module:
    """A copy as it is."""
    return copy.deepcopy(module).requires_grad_(False)


def folded(module: nn.Module, probe: Tensor) -> fx.GraphModule | None:
    """A copy traced by torch.fx, with its batch norms folded; None where it cannot be traced."""
    root = copy.deepcopy(module)
    try:
        graph = fx.Tracer().trace(root)
        for i, (conv, norm) in enumerate(fold_graph(graph, root)):
            setattr(root, f"folded_{i}", _fold(root.get_submodule(conv), root.get_submodule(norm)))
        return fx.GraphModule(root, graph).requires_grad_(False)
    except UNTRACEABLE:
        return None


def _fold(conv: nn.Module, norm: nn.Module) -> nn.Conv2d:
    """Fold a batch norm into the convolution before it, in place: a second set of weights would be the peak of the memory."""
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    return conv


def joint(module: nn.Module, probe: Tensor) -> fx.GraphModule | None:
    """The same with convolutions joined with what follows them; None where that is not to be had."""
    if not (probe.device.type == "cpu" and probe.dtype == torch.float32 and pointwise.available()):
        return None
    network = folded(module, probe)
    try:
        return network if network is not None and pointwise.join(network, probe) else None
    except UNTRACEABLE:
        return None


def converted(network: nn.Module, kind: torch.dtype, order: torch.memory_format) -> nn.Module:
    """A copy brought to a type, in place, and its convolutions' weights to a memory order."""
    network = network.to(kind)
    for part in network.modules():
        if isinstance(part, _BatchNorm) and kind == torch.bfloat16:
            part.float()  # running statistics need the digits, and the kernels take the two types together
        if isinstance(part, nn.Conv2d) and order == torch.channels_last:
            part.to(memory_format=order)
    if kind == torch.bfloat16:
        _widen_last(network)
    return network


class _Wide(nn.Module):
    """A linear layer in float32 behind a network in bfloat16, whose 8 bits would round the logits to steps."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear.float()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.linear(x.float())
        return found


def _widen_last(network: nn.Module) -> None:
    """Let the last linear layer, which is the classifier in most networks, compute in float32.

    Where it is not, what follows meets float32 instead of bfloat16, and the comparison with the network tells.
    """
    last = [(name, part) for name, part in network.named_modules() if type(part) is nn.Linear][-1:]
    for name, part in last:
        owner, _, attribute = name.rpartition(".")
        setattr(network.get_submodule(owner), attribute, _Wide(part))
