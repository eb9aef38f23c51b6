"""Run over any number of items in batches that fit into memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch

from whylight.errors import ModelError, WhylightWarning
from whylight.models.device import is_out_of_memory

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    items: Iterable[Item | None], run: Callable[[Sequence[Item]], Result], batch_size: int
) -> Iterator[tuple[Sequence[Item], Result]]:
    """Run over items in batches; where memory runs out, halve the batch, say so, and go on from the same item.

    Items are taken as they are needed, so that there may be any number of them. None among them says that no more come before those
    that came are done with: the batch is run as it is.

    Raises:
        ModelError: if a single item does not fit.
    """
    source = iter(items)
    waiting: list[Item] = []
    more = True
    while more or waiting:
        while more and len(waiting) < batch_size:
            try:
                item = next(source)
            except StopIteration:
                more = False
                break
            if item is None:
                break
            waiting.append(item)
        batch = waiting[:batch_size]
        if not batch:
            continue
        try:
            result = run(batch)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise ModelError(
                    "one picture alone does not fit into memory: use a smaller input size, or device='cpu'"
                ) from error
            batch_size = len(batch) // 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            warnings.warn(f"out of memory: going on with batches of {batch_size}", WhylightWarning, stacklevel=2)
            continue
        yield batch, result
        waiting = waiting[len(batch) :]
        del batch, result  # they are large, and somebody may be waiting for their memory before there are more
