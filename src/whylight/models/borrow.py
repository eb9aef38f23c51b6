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

    Flags are kept per submodule, since people freeze batch norm in a network that trains. Gradients need no restoring: the
    engine asks `torch.autograd.grad` for the split's activations only, so nothing is ever added to a parameter's `.grad`.
    One thread has the network at a time: flags and hooks are the network's own, and two borrowers would undo each other's.
    """
    with _locks_lock:
        lock = _locks.setdefault(module, threading.RLock())
    with lock:
        flags = [(part, part.training) for part in module.modules()]
        # Set directly rather than by .eval(): networks override train() to do more than set the flag.
        try:
            for part, _ in flags:
                part.training = False
            with torch.inference_mode(False):
                yield
        finally:
            for part, training in flags:
                part.training = training
