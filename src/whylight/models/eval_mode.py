"""Run a network in evaluation mode, and hand it back exactly as it came."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import nn

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_lock = threading.Lock()


@contextmanager
def borrowed(module: nn.Module) -> Iterator[None]:
    """Run a network in evaluation mode, outside any `inference_mode` and `autocast`, and restore every training flag afterwards.

    Flags are kept per submodule, since people freeze batch norm in a network that trains. timm's gradient checkpointing is off
    meanwhile: a backward would run parts of the network again, which is not what was watched in the forward. Gradients need
    no restoring: the engine asks `torch.autograd.grad` for what it wants, so nothing is ever added to a parameter's `.grad`.
    One thread has the network at a time: flags and hooks are the network's own, and two borrowers would undo each other's.
    """
    with _locks_lock:
        lock = _locks.setdefault(module, threading.RLock())
    with lock:
        flags = [(part, part.training) for part in module.modules()]
        checkpointed = [part for part, _ in flags if part.__dict__.get("grad_checkpointing") is True]
        # Within a call that torch.compile has taken over, hooks on the parts are not heard.
        compiled = [(part, call) for part, _ in flags if (call := part.__dict__.get("_compiled_call_impl")) is not None]
        # Set directly rather than by .eval(): networks override train() to do more than set the flag.
        try:
            for part, training in flags:
                if (
                    training
                ):  # most are off: to set an attribute of a module takes a hundred times as long as to read it
                    part.training = False
            for part in checkpointed:
                part.grad_checkpointing = False  # type: ignore[assignment]
            for part, _ in compiled:
                part._compiled_call_impl = None
            # Nor in another precision than the network's own: a split is compared with the whole.
            off = [torch.autocast(kind, enabled=False) for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
            with ExitStack() as stack:
                for one in off:
                    stack.enter_context(one)
                stack.enter_context(torch.inference_mode(False))
                yield
        finally:
            for part, training in flags:
                if part.training is not training:
                    part.training = training
            for part, call in compiled:
                part._compiled_call_impl = call
            for part in checkpointed:
                part.grad_checkpointing = True  # type: ignore[assignment]
