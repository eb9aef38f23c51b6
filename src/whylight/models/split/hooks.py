"""A network cut in two by hooks on it as it is: what works on any network, at the price of a whole forward to decode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from whylight.errors import ModelError
from whylight.models.split.cut import Context, leaf_of, logits_of


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

    def run(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        caught: list[Tensor] = []
        # The clone is out of reach of an in-place operation after the layer.
        with self._hook(lambda part, inputs, output: caught.append(_one_tensor(output, self.layer).clone())):
            logits = logits_of(self._module(x))
        if not caught:
            raise ModelError(f"layer {self.layer!r} does not run in this model's forward: name another with layer=…")
        return caught[0], logits, (x,)

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

    def _hook(self, hook: Callable[[nn.Module, Any, Any], Any]) -> RemovableHandle:
        """A hook on the layer's last run, which comes off at the end of a `with`."""
        left = self._runs

        def at_last(part: nn.Module, inputs: Any, output: Any) -> Any:
            nonlocal left
            left -= 1
            return hook(part, inputs, output) if left == 0 else None

        return self._part.register_forward_hook(at_last)


class _Caught(BaseException):
    """Ends a forward early. Not an Exception, so that no network's own error handling takes it for a fault."""


def _one_tensor(output: Any, layer: str) -> Tensor:
    if not isinstance(output, Tensor):
        raise ModelError(f"layer {layer!r} returns {type(output).__name__}, not one tensor: name another with layer=…")
    return output
