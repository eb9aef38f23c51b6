"""Run a convolution together with the addition and the activation behind it, in one pass over memory.

A convolution's result that is written, read, added to, written, read and clipped costs more than the convolution itself where
arithmetic is cheap, as in bfloat16. oneDNN does all three at once. PyTorch offers that to its own compiler only, by operators
without a public name, so they are used where they exist, and `fast.Fast` compares the result with the network's own.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional

_ADDITIONS = (operator.add, operator.iadd, torch.add)
_RECTIFIERS = (functional.relu, torch.relu, torch.relu_)

_KERNELS: Any = torch._C._nn  # whose types tell of another number of arguments than it takes
_USUAL = 8  # inputs at once, about

Activation = tuple[str, list[float], str]  # name, scalars, algorithm, as oneDNN's operators take them
_NONE: Activation = ("none", [], "")


class Pointwise(nn.Module):
    """act(conv(x) + other) in one kernel; the addition and the activation may each be absent.

    Args:
        conv: a plain convolution. Its weight is moved here, into the order that the kernel wants, when it first runs.
        activation: what to apply.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation) -> None:
        super().__init__()
        self.conv = conv
        self._activation = activation
        self._packed: Tensor | None = None

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:  # (N, K, h, w)
        conv, (name, scalars, algorithm) = self.conv, self._activation
        where = (conv.padding, conv.stride, conv.dilation, conv.groups)
        if self._packed is None:
            usual = (_USUAL, *x.shape[1:])  # what is best for one input is not for many
            self._packed = _KERNELS.mkldnn_reorder_conv2d_weight(conv.weight.to_mkldnn(), *where, usual)
            conv.register_parameter("weight", None)
        kernels, weight, bias = torch.ops.mkldnn, self._packed, conv.bias
        if other is None:
            alone: Tensor = kernels._convolution_pointwise(x, weight, bias, *where, name, scalars, algorithm)
            return alone
        unary = None if name == "none" else name
        added: Tensor = kernels._convolution_pointwise.binary(
            x, other, weight, bias, *where, "add", 1.0, unary, scalars, algorithm
        )
        return added


def available() -> bool:
    """Whether this build of PyTorch has the operators, and oneDNN is on."""
    kernels = getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    on = torch.backends.mkldnn.is_available() and bool(torch.backends.mkldnn.enabled)
    packs = hasattr(_KERNELS, "mkldnn_reorder_conv2d_weight")
    return on and packs and kernels is not None and "binary" in kernels.overloads()


def join(network: fx.GraphModule, probe: Tensor) -> int:
    """Join convolutions with what follows them, in place; return how many there are.

    One that nothing can be joined to is replaced as well: its weight is then brought into the kernel's order only once.

    Args:
        network: a traced network with plain convolutions, on the processor.
        probe: an input (1, 3, H, W), to learn the shapes of what is added: oneDNN does not broadcast.
    """
    ShapeProp(network).propagate(probe)
    order = {node: i for i, node in enumerate(network.graph.nodes)}
    joined = 0
    for node in list(network.graph.nodes):
        conv = _conv(network, node)
        if conv is None:
            continue
        end, other = node, None
        addition = _only_user(end)
        if addition is not None and addition.op == "call_function" and addition.target in _ADDITIONS:
            other = _addend(addition, node)
            # What is added must be there before the convolution runs; of two convolutions the later one takes the sum.
            if other is not None and order[other] < order[node] and _same_shape(other, node):
                end = addition
            else:
                other = None
        follower = _only_user(end)
        activation = _activation(network, follower) if follower is not None else _NONE
        if other is not None and activation[0] != "relu":
            activation = _NONE  # with an addition, oneDNN's operator takes a rectifier only
        if activation[0] != "none" and follower is not None:
            end = follower
        network.set_submodule(str(node.target), Pointwise(conv, activation))
        for late in (follower if end is follower else None, addition if other is not None else None):
            if late is not None:
                late.replace_all_uses_with(node)
                network.graph.erase_node(late)
        if other is not None:
            node.args = (node.args[0], other)
        joined += 1
    network.graph.lint()
    network.recompile()
    return joined


def _conv(network: fx.GraphModule, node: fx.Node) -> nn.Conv2d | None:
    if node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return None
    part = network.get_submodule(str(node.target))
    plain = type(part) is nn.Conv2d and part.padding_mode == "zeros" and not isinstance(part.padding, str)
    once = sum(other.target == node.target for other in network.graph.nodes if other.op == "call_module") == 1
    return part if plain and once and isinstance(part, nn.Conv2d) else None


def _only_user(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _addend(addition: fx.Node, node: fx.Node) -> fx.Node | None:
    if len(addition.args) != 2 or addition.kwargs:
        return None
    others = [part for part in addition.args if part is not node]
    return others[0] if len(others) == 1 and isinstance(others[0], fx.Node) else None


def _same_shape(a: fx.Node, b: fx.Node) -> bool:
    shapes = [getattr(node.meta.get("tensor_meta"), "shape", None) for node in (a, b)]
    return shapes[0] is not None and shapes[0] == shapes[1] and len(shapes[0]) == 4 and min(shapes[0][2:]) > 1


def _activation(network: fx.GraphModule, node: fx.Node) -> Activation:
    if node.op == "call_function":
        return ("relu", [], "") if node.target in _RECTIFIERS and len(node.args) == 1 else _NONE
    if node.op != "call_module":
        return _NONE
    part = network.get_submodule(str(node.target))
    kind = type(part)
    if kind is nn.ReLU:
        return "relu", [], ""
    if isinstance(part, nn.Hardtanh) and kind in (nn.Hardtanh, nn.ReLU6):
        return "hardtanh", [float(part.min_val), float(part.max_val)], ""
    if kind is nn.SiLU:
        return "swish", [], ""
    if kind is nn.Hardswish:
        return "hardswish", [], ""
    if isinstance(part, nn.GELU) and kind is nn.GELU:
        return "gelu", [], part.approximate
    return _NONE
