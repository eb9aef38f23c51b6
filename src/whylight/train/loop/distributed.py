"""The processes that train together: one, or those that `torchrun` started, each with its share of every batch."""

from __future__ import annotations

import atexit
import os
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor, nn

from whylight.errors import TrainError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

T = TypeVar("T")


class Team:
    """What one process knows of the others; alone, nothing here does anything.

    Lightning Fabric sets the processes up, averages gradients over them, and lets them talk. It is imported where there are
    several of them only.

    Args:
        device: where to train; of several GPUs each process gets its own.

    Attributes:
        rank: this process's number, from 0; the first one writes all files.
        size: how many there are.
        device: where this process trains.

    Raises:
        TrainError: if there are several processes, and Fabric is not installed.
    """

    def __init__(self, device: torch.device) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0")) if self.size > 1 else 0
        self.device = device
        self._fabric: Fabric | None = None
        if self.size == 1:
            return
        try:
            from lightning_fabric import Fabric as Made
        except ModuleNotFoundError as error:
            raise TrainError("several processes need Lightning Fabric: pip install 'whylight[train]'") from error
        here = int(os.environ.get("LOCAL_WORLD_SIZE", self.size))
        self._fabric = Made(
            accelerator="cuda" if device.type == "cuda" else "cpu",
            devices=here,
            num_nodes=self.size // here,
            strategy="ddp",
        )
        self._fabric.launch()
        atexit.register(_part)  # threads that still listen when the interpreter ends would abort the process
        self.device = self._fabric.device

    @property
    def first(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def wrap(self, module: nn.Module) -> nn.Module:
        """The same network, whose gradients are those of the whole batch."""
        return module if self._fabric is None else self._fabric.setup_module(module, move_to_device=False)

    def backward(self, loss: Tensor) -> None:
        """Go back from the loss of this process's share."""
        if self._fabric is None:
            loss.backward()
        else:
            self._fabric.backward(loss)

    def mean(self, value: float) -> float:
        """The mean over all processes."""
        if self._fabric is None:
            return value
        summed = self._fabric.all_reduce(torch.tensor(value, dtype=torch.float64), reduce_op="sum")
        assert isinstance(summed, Tensor)
        return float(summed) / self.size

    def told(self, value: T) -> T:
        """The first process's value, in all of them."""
        return value if self._fabric is None else self._fabric.broadcast(value)

    def wait(self) -> None:
        """Until all are here."""
        if self._fabric is not None:
            self._fabric.barrier()

    def share(self, order: list[int], batch: int) -> list[int]:
        """This process's part of each batch, in order.

        Raises:
            TrainError: if a batch cannot be cut in equal parts.
        """
        if batch % self.size:
            raise TrainError(f"batch: {batch} pictures cannot be shared equally by {self.size} processes")
        if self.size == 1:
            return order
        part = batch // self.size
        starts = range(self.rank * part, len(order) - len(order) % batch, batch)
        return [index for start in starts for index in order[start : start + part]]


def _part() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
