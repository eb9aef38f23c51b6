"""Labelled pictures as a network takes them: prepared, changed where that is asked for, and handed out in batches."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from whylight.images import decode
from whylight.images.preprocess import Preprocess
from whylight.train.data.augment import Augment, pixels
from whylight.train.data.folders import Item


class Pictures(Dataset[tuple[Tensor, int, Tensor]]):
    """Pictures as inputs. With `augment`, a picture's changes depend on (seed, epoch, its place in the list) alone."""

    def __init__(self, items: list[Item], preprocess: Preprocess, augment: Augment | None = None) -> None:
        self.items, self.preprocess, self.augment = items, preprocess, augment
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor]:
        item = self.items[index]
        if self.augment is None:
            return self.preprocess(decode(item.path)), item.label, torch.ones(self.preprocess.size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(mix(self.augment.seed, self.epoch, index))
            picture, where = self.augment(item)
        return pixels(picture, self.preprocess), item.label, where


def mix(*numbers: int) -> int:
    """One seed from several numbers."""
    return int.from_bytes(hashlib.sha256(repr(numbers).encode()).digest()[:7])


def batches(
    dataset: Dataset[tuple[Tensor, int, Tensor]],
    batch: int,
    *,
    order: list[int] | None = None,
    workers: int = 0,
    pin: bool = False,
) -> DataLoader[tuple[Tensor, int, Tensor]]:
    """Read batches in the given order (default: the list's)."""
    return DataLoader(
        dataset,
        batch_size=batch,
        sampler=order if order is not None else range(len(dataset)),  # type: ignore[arg-type]
        num_workers=workers,
        worker_init_fn=_quiet if workers else None,
        prefetch_factor=4 if workers else None,
        pin_memory=pin,
        generator=torch.Generator().manual_seed(0),  # the loader draws a number from it that nothing of ours uses
    )


def _quiet(worker: int) -> None:
    """A reading process leaves Ctrl-C to the main one, which finishes its step and saves."""
    import signal

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
