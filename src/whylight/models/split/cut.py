"""Cut a network in two: `encode(x)` gives the activations at a layer, `decode` goes on from there to the logits.

Three ways, from the best to the one that always works:

- `MethodSplit`: the network says itself where its head begins (timm's `forward_features` and `forward_head`);
- `GraphSplit`: `torch.fx` traces the network, and the graph is cut after the layer;
- `HookSplit`: the network runs as it is, and hooks catch and replace the layer's output, and always come off.

Each is exact. They differ in the price of `decode`: the first two run the head alone, hooks run the whole network again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor, fx, nn

from whylight.errors import ModelError
from whylight.models.fast.fold import bind, fold_graph

# What torch.fx raises on networks whose forward it cannot follow (control flow on values, foreign calls, …).
UNTRACEABLE = (
    torch.fx.proxy.TraceError,
    TypeError,
    ValueError,
    RuntimeError,
    AttributeError,
    LookupError,
    AssertionError,
    NotImplementedError,
    ModelError,
)

Context = tuple[Any, ...]  # what the head needs besides the activations: values that pass the cut on another way


class Split(Protocol):
    """A network cut at one layer."""

    layer: str
    kind: str

    def encode(self, x: Tensor) -> tuple[Tensor, Context]:
        """Run from the input (N, 3, H, W) to the layer's raw activations."""

    def decode(self, raw: Tensor, context: Context) -> Tensor:
        """Run from raw activations to the logits (N, C)."""

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        """Do both in one forward: a leaf that holds the activations, the logits that hang on it by autograd, the context."""


def logits_of(output: Any) -> Tensor:
    """Take the (N, C) logits out of what a classifier returned: a tensor, or an object that has them as `.logits`."""
    logits = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        shape = f"a tensor {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(output).__name__
        raise ModelError(f"a classifier must return logits of shape (N, C); this one returned {shape}")
    return logits


def leaf_of(raw: Tensor) -> Tensor:
    """A gradient leaf that shares the values of `raw`."""
    return raw.detach().requires_grad_()


def repeat(raw: Tensor, context: Context, rows: int) -> tuple[Tensor, Context]:
    """Repeat one picture's activations and context `rows` times, without copying."""

    def spread(part: Any) -> Any:
        return part.expand(rows, *part.shape[1:]) if isinstance(part, Tensor) and part.shape[:1] == (1,) else part

    return raw.expand(rows, *raw.shape[1:]), tuple(spread(part) for part in context)


class MethodSplit:
    """timm's own split: `forward_features`, then `forward_head`."""

    layer = "forward_features"
    kind = "exact: the model's own forward_features and forward_head"

    def __init__(self, module: nn.Module) -> None:
        self._features = cast("Callable[[Tensor], Tensor]", module.forward_features)
        self._head = cast("Callable[[Tensor], Tensor]", module.forward_head)

    def encode(self, x: Tensor) -> tuple[Tensor, Context]:
        return self._features(x), ()

    def decode(self, raw: Tensor, context: Context) -> Tensor:
        return logits_of(self._head(raw))

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        return _look(self, x)


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

    def encode(self, x: Tensor) -> tuple[Tensor, Context]:
        # A graph keeps what it was tied to; a head that was swapped, or a buffer that moved to another device, is new.
        if self._parts() != self._bound:
            self._bind()
        self._folding.renew()
        raw, context = self._body.forward(x)  # a call of the module would print to stderr where it fails
        return raw, context

    def decode(self, raw: Tensor, context: Context) -> Tensor:
        return logits_of(self._head.forward(raw, *context))

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        return _look(self, x)


class HookSplit:
    """The network as it is; a forward hook catches or replaces the layer's output.

    Args:
        module: the network.
        layer: dotted name of the submodule.
        runs: how often it runs in one forward (a shared rectifier does so many times); its last run counts.
    """

    kind = "hooks: decoding runs the whole network again"

    def __init__(self, module: nn.Module, layer: str, runs: int = 1) -> None:
        self.layer = layer
        self._module = module
        self._part = module.get_submodule(layer)
        self._runs = runs

    def encode(self, x: Tensor) -> tuple[Tensor, Context]:
        caught: list[Tensor] = []

        def catch(part: nn.Module, inputs: Any, output: Any) -> None:
            caught.append(_one_tensor(output, self.layer))
            raise _Caught  # nothing after the layer is needed

        with self._hook(catch):
            try:
                self._module(x)
            except _Caught:
                return caught[0], (x,)
        raise ModelError(f"layer {self.layer!r} does not run in this model's forward: name another with layer=…")

    def decode(self, raw: Tensor, context: Context) -> Tensor:
        # The clone lets an in-place operation after the layer have its way with a copy.
        with self._hook(lambda part, inputs, output: raw.clone()):
            return logits_of(self._module(context[0]))

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        caught: list[Tensor] = []

        def swap(part: nn.Module, inputs: Any, output: Any) -> Tensor:
            leaf = leaf_of(_one_tensor(output, self.layer).clone())
            caught.append(leaf)
            torch.set_grad_enabled(True)  # from here on, and only from here on, autograd records
            return leaf.clone()

        with torch.no_grad(), self._hook(swap):  # leaving no_grad restores the mode that the hook changed
            logits = logits_of(self._module(x))
        if not caught:
            raise ModelError(f"layer {self.layer!r} does not run in this model's forward: name another with layer=…")
        return caught[0], logits, (x,)

    @contextmanager
    def _hook(self, hook: Callable[[nn.Module, Any, Any], Any]) -> Iterator[None]:
        left = self._runs

        def at_last(part: nn.Module, inputs: Any, output: Any) -> Any:
            nonlocal left
            left -= 1
            return hook(part, inputs, output) if left == 0 else None

        handle = self._part.register_forward_hook(at_last)
        try:
            yield
        finally:
            handle.remove()


class _Caught(BaseException):
    """Ends a forward early. Not an Exception, so that no network's own error handling takes it for a fault."""


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


def _look(split: Split, x: Tensor) -> tuple[Tensor, Tensor, Context]:
    with torch.no_grad():
        raw, context = split.encode(x)
    leaf = leaf_of(raw)
    with torch.enable_grad():
        return leaf, split.decode(leaf.clone(), context), context


def _one_tensor(output: Any, layer: str) -> Tensor:
    if not isinstance(output, Tensor):
        raise ModelError(f"layer {layer!r} returns {type(output).__name__}, not one tensor: name another with layer=…")
    return output


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
