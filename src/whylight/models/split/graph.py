"""A network cut in two by its `torch.fx` trace: the head runs alone, and before the cut batch norms are folded away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from whylight.errors import ModelError
from whylight.models.split.cut import UNTRACEABLE, Context, logits_of, look, run
from whylight.models.split.fold import bind, fold_graph


class GraphSplit:
    """A `torch.fx` trace of the network, cut after one layer.

    The two graphs call the network's own submodules, so weights are shared and training goes on unseen. Before the cut,
    where nothing is differentiated, convolutions run with their batch norm folded in.

    Args:
        module: the network, in evaluation mode.
        layer: dotted name of the submodule after which to cut.
        past_relu: move the cut behind a rectifier that directly follows (DenseNet's is a function, so no layer names it).
    """

    kind = "exact: the traced graph, cut in two"

    def __init__(self, module: nn.Module, layer: str, *, past_relu: bool) -> None:
        self.layer = layer
        self._module = module
        graph, cut = _trace(module, layer)
        follower = next(iter(cut.users), None)
        if past_relu and follower is not None and len(cut.users) == 1 and _is_relu(follower, module):
            cut = follower
            self.layer = f"{layer} + relu"
        self._graphs = _cut(graph, cut)
        self._folded = fold_graph(self._graphs[0], module)
        self._bind()

    def _bind(self) -> None:
        """Tie the graphs to the network's present submodules, parameters and buffers."""
        body, head = self._graphs
        self._body, self._folding = bind(self._module, body, self._folded)
        self._head, _ = bind(self._module, head)
        self._bound = self._parts()

    def _parts(self) -> tuple[int, ...]:
        constants = [node.target for graph in self._graphs for node in graph.nodes if node.op == "get_attr"]
        held = (
            getattr(self._module.get_submodule(owner), name)
            for owner, _, name in (c.rpartition(".") for c in constants)
        )
        return (*map(id, self._module.modules()), *map(id, held))

    @property
    def body(self) -> fx.GraphModule:
        """What lies before the cut, with the weights that it had when it last ran: x → raw activations, context."""
        return self._body

    def encode(self, x: Tensor) -> tuple[Tensor, Context]:
        # A graph keeps what it was tied to; a head that was swapped, or a buffer that moved to another device, is new.
        if self._parts() != self._bound:
            self._bind()
        self._folding.renew()
        raw, context = self._body.forward(x)  # a call of the module would print to stderr where it fails
        return raw, context

    def decode(self, raw: Tensor, context: Context) -> Tensor:
        return logits_of(self._head.forward(raw, *context))

    def run(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        return run(self, x)

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        return look(self, x)


class _Tracer(fx.Tracer):
    """Notes the node that holds one layer's output; of a layer that runs several times, its last one.

    Args:
        layer: dotted name of the layer.
        whole: do not look into the layer, which may be what cannot be traced.
    """

    def __init__(self, layer: str, *, whole: bool) -> None:
        super().__init__()
        self._layer, self._whole = layer, whole
        self.cut: fx.Node | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if module_qualified_name == self._layer and self._whole:
            return True
        return super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        if self.path_of_module(m) == self._layer and isinstance(output, fx.Proxy):
            self.cut = output.node
        return output


def _trace(module: nn.Module, layer: str) -> tuple[fx.Graph, fx.Node]:
    tracer = _Tracer(layer, whole=False)
    try:
        graph = tracer.trace(module)
    except UNTRACEABLE:
        tracer = _Tracer(layer, whole=True)
        graph = tracer.trace(module)
    if tracer.cut is None:
        raise ModelError(f"layer {layer!r} does not run in this model's forward: name another with layer=…")
    return graph, tracer.cut


def _is_relu(node: fx.Node, module: nn.Module) -> bool:
    if node.op == "call_module":
        return isinstance(module.get_submodule(str(node.target)), nn.ReLU)
    return node.target in (torch.relu, torch.relu_, nn.functional.relu, nn.functional.relu_, "relu", "relu_")


def _cut(graph: fx.Graph, cut: fx.Node) -> tuple[fx.Graph, fx.Graph]:
    """Split a traced graph after one node: x → (cut, (crossing …)) and (cut, crossing …) → output."""
    nodes = list(graph.nodes)
    before, after = nodes[: nodes.index(cut) + 1], nodes[nodes.index(cut) + 1 :]
    late = set(after)
    crossing = [node for node in before if node is not cut and node.op != "get_attr" and late & set(node.users)]

    body = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    for node in before:
        copies[node] = body.node_copy(node, copies.__getitem__)
    body.output((copies[cut], tuple(copies[node] for node in crossing)))

    head = fx.Graph()
    copies = {cut: head.placeholder("activations")}
    copies |= {node: head.placeholder(node.name) for node in crossing}
    for node in [node for node in before if node.op == "get_attr"] + after:
        copies[node] = head.node_copy(node, copies.__getitem__)
    return body, head
