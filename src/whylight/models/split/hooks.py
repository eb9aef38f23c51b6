"""A network cut in two by hooks on it as it is: what works on any network, at the price of a whole forward to decode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from whylight.errors import ModelError
from whylight.models.split.cut import Context, leaf_of, logits_of, look


class HookSplit:
    """The network as it is; a forward hook catches or replaces the layer's output.

    Args:
        module: the network.
        layer: dotted name of the submodule.
        run: which of its runs counts, from 0, where it runs several times in one forward, as a shared rectifier does.
        runs: how many there are.
    """

    kind = "hooks: decoding runs the whole network again"

    def __init__(self, module: nn.Module, layer: str, run: int = 0, runs: int = 1) -> None:
        self.layer = layer
        self._module = module
        self._part = module.get_submodule(layer)
        self._run_at, self.is_last = run, run == runs - 1
        self._most: int | None = None  # inputs that the network itself runs at a time, where it takes them in parts

    def encode(self, x: Tensor) -> tuple[Tensor, Context]:
        raw = torch.cat([self._encode(some) for some in self._parts(x)])
        if 0 < len(raw) < len(x) and self._most is None:  # the network itself takes its inputs some at a time
            self._most = len(raw)
            return self.encode(x)
        return raw, (x,)

    def decode(self, raw: Tensor, context: Context) -> Tensor:
        parts = zip(self._parts(raw), self._parts(context[0]), strict=True)
        logits = torch.cat([self._decode(some, x) for some, x in parts])
        if len(logits) != len(raw) and self._most is None:  # what stood in for one part's output was all of it
            self.encode(context[0])
            return self.decode(raw, context)
        return logits

    def run(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        found = [self._run(some) for some in self._parts(x)]
        raw, logits = (torch.cat(parts) for parts in zip(*found, strict=True))
        if 0 < len(raw) < len(x) and self._most is None:
            self._most = len(raw)
            return self.run(x)
        return raw, logits, (x,)

    def look(self, x: Tensor) -> tuple[Tensor, Tensor, Context]:
        if len(self._parts(x)) > 1:
            return look(self, x)  # one leaf for all
        caught: list[Tensor] = []

        def swap(part: nn.Module, inputs: Any, output: Any) -> Tensor:
            leaf = leaf_of(_one_tensor(output, self.layer).clone())
            caught.append(leaf)
            torch.set_grad_enabled(True)  # from here on, and only from here on, autograd records
            return leaf.clone()

        with torch.no_grad(), self._hook(swap):  # leaving no_grad restores the mode that the hook changed
            logits = logits_of(self._module(x))
        if not caught:
            raise self._missing()
        if len(caught[0]) < len(x) and self._most is None:
            self._most = len(caught[0])
            return self.look(x)
        return caught[0], logits, (x,)

    def _encode(self, x: Tensor) -> Tensor:
        caught: list[Tensor] = []

        def catch(part: nn.Module, inputs: Any, output: Any) -> None:
            caught.append(_one_tensor(output, self.layer))
            raise _Caught  # nothing after the layer is needed

        with self._hook(catch):
            try:
                self._module(x)
            except _Caught:
                return caught[0]
        raise self._missing()

    def _decode(self, raw: Tensor, x: Tensor) -> Tensor:
        # The clone lets an in-place operation after the layer have its way with a copy.
        with self._hook(lambda part, inputs, output: raw.clone()):
            return logits_of(self._module(x))

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor]:
        caught: list[Tensor] = []
        # The clone is out of reach of an in-place operation after the layer.
        with self._hook(lambda part, inputs, output: caught.append(_one_tensor(output, self.layer).clone())):
            logits = logits_of(self._module(x))
        if not caught:
            raise self._missing()
        return caught[0], logits

    def _parts(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x,) if self._most is None or len(x) <= self._most else x.split(self._most)

    def _missing(self) -> ModelError:
        return ModelError(f"layer {self.layer!r} does not run in this model's forward: name another with layer=…")

    def _hook(self, hook: Callable[[nn.Module, Any, Any], Any]) -> RemovableHandle:
        """A hook on the layer's run that counts, which comes off at the end of a `with`."""
        left = self._run_at + 1

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
