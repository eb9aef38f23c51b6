"""Use somebody's network and hand it back exactly as it came."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import nn

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_lock = threading.Lock()


@contextmanager
def borrowed(module: nn.Module) -> Iterator[None]:
    """Run a network in evaluation mode, outside any `inference_mode`, and restore every training flag afterwards.

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
        # Set directly rather than by .eval(): networks override train() to do more than set the flag.
        try:
            for part, _ in flags:
                part.training = False
            for part in checkpointed:
                part.grad_checkpointing = False  # type: ignore[assignment]
            with torch.inference_mode(False):
                yield
        finally:
            for part, training in flags:
                part.training = training
            for part in checkpointed:
                part.grad_checkpointing = True  # type: ignore[assignment]
