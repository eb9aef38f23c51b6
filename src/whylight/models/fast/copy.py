"""The whole network for very many inputs: a private copy that does less work for the same logits.

Methods that perturb the input ask for thousands of forwards of one network. For these a copy pays: convolutions with their
batch norm folded in, weights in channels-last order, bfloat16 where the device computes in it, and on the processor oneDNN's
joint kernels. The copy is made when first needed, is compared with the network before it is trusted, and is made anew when
the network's weights change.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

from whylight.errors import ModelError
from whylight.models.changes import Watch
from whylight.models.device import why_not_bf16
from whylight.models.eval_mode import borrowed
from whylight.models.fast.convert import converted, folded, joint, plain
from whylight.models.split.cut import logits_of

Precision = Literal["auto", "fp32", "bf16"]

# The root mean square difference of the logits, relative to their spread over the classes, up to which a copy agrees.
AGREES = {torch.float32: 5e-3, torch.bfloat16: 0.1}
# The root mean square by which scores of one picture's inputs may be off against one another, as a share of their range.
SCORES_AGREE = 0.05

# What copy.deepcopy raises on networks that hold what cannot be copied.
_UNCOPYABLE = (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError, copy.Error)

_COMPARED = 4  # pictures of the first batch on which the copy is compared with the network


class Fast:
    """The logits of many inputs: (M, 3, H, W) → (M, C) float32, without gradient.

    Args:
        module: the classifier; it is left as it is.
        probe: an input (1, 3, H, W) on the network's device, in its type, and in the memory order that suits it.
        precision: `"auto"` takes bfloat16 where the device has it and the network agrees with its float32 self on the probe
            and on the first inputs it is given; `"fp32"` and `"bf16"` insist.

    Attributes:
        precision: what it computes in: `"bf16"`, `"fp32"`, or the network's own type where that is neither.
        why: the reason for that, in words.

    Raises:
        ModelError: at the first call, if bfloat16 is insisted on, and the device or the network cannot do it.
    """

    def __init__(self, module: nn.Module, probe: Tensor, *, precision: Precision = "auto") -> None:
        if precision not in ("auto", "fp32", "bf16"):
            raise ModelError(f"precision {precision!r}: expected 'auto', 'fp32' or 'bf16'")
        self._module, self._wanted = module, precision
        self._probe = probe
        channels_last = probe.is_contiguous(memory_format=torch.channels_last)
        self._order = torch.channels_last if channels_last else torch.contiguous_format
        self._network: Callable[[Tensor], Tensor] | None = None
        self._type = torch.float32
        self._watch = Watch(module)
        self._compared = self._settled = False
        self.precision, self.why = "", "not needed so far"

    def __call__(self, x: Tensor) -> Tensor:
        """Run it: (M, 3, H, W) → logits (M, C) float32."""
        with borrowed(self._module), torch.no_grad():
            if self._network is None or self._watch.changed():
                self._make()
            if not self._compared:
                self._compare(x)
            return self._run(x)

    def settle(self, inputs: Sequence[Tensor], score: Callable[[Tensor], Tensor]) -> None:
        """Give bfloat16 up, once and for all pictures, where it would show in a map made of the scores of inputs like these.

        A map tells inputs apart, so what counts is how the scores are off against one another, not all of them alike: the root
        mean square of that must stay within `SCORES_AGREE` of their range.

        Args:
            inputs: several inputs (1, 3, H, W) made from one picture.
            score: logits (M, C) → the scores (M,) that the map is made of.
        """
        if self._settled or self._wanted != "auto":
            return
        with borrowed(self._module), torch.no_grad():
            if self._network is None or self._watch.changed():
                self._make()
            self._settled = True
            if self.precision != "bf16" or self._probe.dtype != torch.float32:
                return
            found, expected = (torch.cat([score(run(x)) for x in inputs]) for run in (self._run, self._own))
            off = found - expected
            spread = float(expected.max() - expected.min())
            share = float((off - off.mean()).square().mean().sqrt()) / spread if spread > 0 else 0.0
            if share > SCORES_AGREE:
                trouble = self._try(torch.float32)
                self.why = f"scores in bfloat16 are off by {share:.1%} of their range"
                if trouble:
                    self._settle(self._module, self._probe.dtype, f"{trouble}, so the network runs itself")

    def again(self, x: Tensor) -> Tensor:
        """The same, right after another call: the network is not looked at for changes."""
        if self._network is None or not self._compared:
            return self(x)
        with borrowed(self._module), torch.no_grad():
            return self._run(x)

    def __getstate__(self) -> dict[str, Any]:
        # Kernels' weights can be neither copied nor pickled; who gets the copy makes its own.
        return {**self.__dict__, "_network": None, "_watch": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._watch = Watch(self._module)

    def _run(self, x: Tensor) -> Tensor:
        assert self._network is not None
        # The type first, then the order: in one step this takes twice as long.
        x = x.to(self._probe.device, self._type).contiguous(memory_format=self._order)
        # An fx module prints a traceback when it is called and fails; its forward does not.
        network = self._network.forward if isinstance(self._network, fx.GraphModule) else self._network
        return logits_of(network(x)).float()

    def _own(self, x: Tensor) -> Tensor:
        """The network itself: what a copy must agree with."""
        x = x.to(self._probe.device, self._probe.dtype, memory_format=self._order)
        return logits_of(self._module(x)).float()

    def _make(self) -> None:
        """Make the copy for the network's present weights: the fastest that agrees on the probe."""
        parameters = [p for p in self._module.parameters() if p.is_floating_point()]
        device, kind = (
            (parameters[0].device, parameters[0].dtype) if parameters else (self._probe.device, self._probe.dtype)
        )
        self._probe = self._probe.to(device, kind)
        self._watch.note()
        self._compared = self._settled = False
        own, hooked = self._probe.dtype, _hooked(self._module)
        if hooked:
            why = "the network has forward hooks, which belong to itself"
        elif self._wanted == "fp32":
            why = "asked for"
        else:
            why = why_not_bf16(device) if own == torch.float32 else f"the network is in {_name(own)}"
        if not why:
            why = self._try(torch.bfloat16)
            if not why:
                return
        if self._wanted == "bf16" and own != torch.bfloat16:
            raise ModelError(f"precision 'bf16' cannot be had: {why}. Leave it at 'auto'")
        trouble = "" if hooked else self._try(own)
        if hooked or trouble:
            self._settle(self._module, own, "; ".join(filter(None, (why, trouble, "so it runs itself"))))
        else:
            self.why = why

    def _try(self, kind: torch.dtype) -> str:
        """Make a copy in one type and take it if it agrees on the probe; else say why not."""
        trouble = ""
        for make in (joint, folded, plain):
            try:
                network = make(self._module, self._probe)
            except _UNCOPYABLE as error:
                return f"the network cannot be copied ({str(error).splitlines()[0]})"
            if network is None:
                continue
            self._settle(converted(network, kind, self._order), kind, "native here, and the logits agree")
            trouble = self._disagreement(self._probe)
            if not trouble:
                return ""
        return trouble

    def _settle(self, network: Callable[[Tensor], Tensor], kind: torch.dtype, why: str) -> None:
        self._network, self._type, self.precision, self.why = network, kind, _name(kind), why

    def _compare(self, x: Tensor) -> None:
        """Compare the copy with the network on inputs that are really asked about; fall back where it does not agree."""
        self._compared = True
        if self._network is self._module:
            return
        trouble = self._disagreement(x[:_COMPARED])
        if trouble and self.precision == "bf16" and self._wanted == "auto" and self._probe.dtype == torch.float32:
            trouble, why = self._try(torch.float32) or self._disagreement(x[:_COMPARED]), trouble
            self.why = why
        if trouble:
            if self._wanted == "bf16":
                raise ModelError(f"precision 'bf16' cannot be had: {trouble}. Leave it at 'auto'")
            self._settle(self._module, self._probe.dtype, f"{trouble}, so the network runs itself")

    def _disagreement(self, x: Tensor) -> str:
        """What is wrong with the copy's logits for these inputs, or ""."""
        try:
            found = self._run(x)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError, ValueError, AssertionError, NotImplementedError, IndexError) as error:
            return f"the network does not run in {self.precision} ({str(error).splitlines()[0]})"
        expected = self._own(x)  # (M, C)
        if not found.isfinite().all():
            return f"its logits are not finite in {self.precision}" if expected.isfinite().all() else ""
        difference = _difference(found, expected)
        # Who insists on bfloat16 has accepted its rounding.
        if difference <= AGREES.get(self._type, AGREES[torch.float32]) or self._wanted == "bf16":
            return ""
        return f"its logits in {self.precision} are off by {difference:.1%} of their spread"


def _difference(found: Tensor, expected: Tensor) -> float:
    """Root mean square difference of logits (M, C), relative to their spread over the classes; of one logit, to its size."""
    spread = expected - expected.mean(1, keepdim=True) if expected.shape[1] > 1 else expected
    size, off = spread.norm(), (found - expected).norm()
    return 0.0 if off == 0 else float("inf") if size == 0 else float(off / size)


def _hooked(module: nn.Module) -> bool:
    return any(part._forward_hooks or part._forward_pre_hooks for part in module.modules())


def _name(kind: torch.dtype) -> str:
    return {torch.bfloat16: "bf16", torch.float32: "fp32"}.get(kind, str(kind).removeprefix("torch."))
