"""Run a convolution and the batch norm behind it as one convolution: the same affine map, a pass over memory less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from whylight.models.changes import Watch


class ConvNorm(nn.Module):
    """norm(conv(x)) as one convolution, with folded weights of its own; the two layers are left as they are."""

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.layers = (conv, norm)  # in a tuple, so that they are not registered as parts of this one too
        self._weight: Tensor | None = None
        self._bias: Tensor | None = None

    def fold(self) -> None:
        """Take over the layers' present weights."""
        conv, norm = self.layers
        self._weight = self._bias = None
        if not _foldable(conv, norm) or norm.running_mean is None or norm.running_var is None:
            return
        weight, bias = fuse_conv_bn_weights(
            conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        # The order of the input that the engine gives; for other orders the kernels convert it, as they always do.
        self._weight = weight.detach().contiguous(memory_format=torch.channels_last)
        self._bias = bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        conv, norm = self.layers
        if self._weight is None or any(layer._forward_hooks or layer._forward_pre_hooks for layer in self.layers):
            plain: Tensor = norm(conv(x))
            return plain
        folded: Tensor = conv._conv_forward(x, self._weight, self._bias)
        return folded


class Folding:
    """All folded pairs of a network, kept in step with its layers."""

    def __init__(self, pairs: Sequence[ConvNorm]) -> None:
        self._pairs = pairs
        self._watch = Watch(*(layer for pair in pairs for layer in pair.layers))

    def renew(self) -> None:
        """Fold again if any weight or statistic changed."""
        if self._pairs and self._watch.changed():
            for pair in self._pairs:
                pair.fold()
            self._watch.note()


def fold_graph(graph: fx.Graph, module: nn.Module) -> list[tuple[str, str]]:
    """Replace each convolution with a batch norm behind it by one node, `folded_0`, `folded_1`, …; return their names."""
    pairs: list[tuple[str, str]] = []
    calls = [node.target for node in graph.nodes if node.op == "call_module"]
    for norm in list(graph.nodes):
        conv = norm.args[0] if norm.op == "call_module" and norm.args else None
        if not isinstance(conv, fx.Node) or conv.op != "call_module" or len(conv.users) != 1:
            continue
        names = (str(conv.target), str(norm.target))
        if calls.count(conv.target) == calls.count(norm.target) == 1 and _foldable(*map(module.get_submodule, names)):
            conv.target = f"folded_{len(pairs)}"
            norm.replace_all_uses_with(conv)
            graph.erase_node(norm)
            pairs.append(names)
    return pairs


def bind(module: nn.Module, graph: fx.Graph, pairs: Sequence[tuple[str, str]] = ()) -> tuple[fx.GraphModule, Folding]:
    """Tie a graph to a network's present submodules, parameters and buffers, and to its folded pairs."""
    parts: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op in ("call_module", "get_attr") and not str(node.target).startswith("folded_"):
            owner, _, name = str(node.target).rpartition(".")
            parts[str(node.target)] = getattr(module.get_submodule(owner), name)
    folded = [
        ConvNorm(cast(nn.Conv2d, module.get_submodule(conv)), cast(nn.BatchNorm2d, module.get_submodule(norm)))
        for conv, norm in pairs
    ]
    parts |= {f"folded_{i}": pair for i, pair in enumerate(folded)}
    return fx.GraphModule(parts, graph), Folding(folded)


def _foldable(conv: nn.Module, norm: nn.Module) -> bool:
    return (
        type(conv) is nn.Conv2d  # a subclass may do more
        and type(norm) is nn.BatchNorm2d
        and norm.running_mean is not None
        and conv.weight.dtype == norm.running_mean.dtype == torch.float32  # folding in half precision would round
        and not conv.weight.is_inference()
    )
