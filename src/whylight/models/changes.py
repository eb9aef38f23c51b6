"""Whether a network changed since it was last looked at: its parts, its weights, its statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Watch:
    """Tells whether tensors or parts of networks changed since they were noted.

    A tensor's version counter counts every in-place operation but those through `.data`. For these, one number of each row
    or filter, and all of each vector, are compared: views of the live tensors, so that a look costs a fraction of a millisecond.

    Args:
        networks: what is watched, with all their parts.
    """

    def __init__(self, *networks: nn.Module) -> None:
        self._networks = networks
        self._noted: tuple[object, ...] = ()
        self._views: list[Tensor] = []
        self._sample = torch.empty(0)

    def note(self) -> None:
        """Remember the present state."""
        self._noted = self._marks()
        self._views = [_view(t.detach()) for t in self._tensors() if t.is_floating_point()]
        self._sample = _joined(self._views)

    def changed(self) -> bool:
        """Whether anything is different from what was noted."""
        return self._noted != self._marks() or not torch.equal(_joined(self._views), self._sample)

    def _parts(self) -> list[nn.Module]:
        return [part for network in self._networks for part in network.modules()]

    def _tensors(self) -> list[Tensor]:
        return [
            tensor
            for part in self._parts()
            for tensor in (*part._parameters.values(), *part._buffers.values())
            if tensor is not None
        ]

    def _marks(self) -> tuple[object, ...]:
        parts = tuple((id(part), bool(part._forward_hooks or part._forward_pre_hooks)) for part in self._parts())
        return (parts, tuple((t.data_ptr(), t._version) for t in self._tensors()))


def _view(tensor: Tensor) -> Tensor:
    """All of a vector, or the first number of each row or filter."""
    while tensor.ndim > 1:
        tensor = tensor.select(-1, 0)
    return tensor.reshape(-1)


def _joined(views: list[Tensor]) -> Tensor:
    return torch.cat([view.float() for view in views]) if views else torch.empty(0)
