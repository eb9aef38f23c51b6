"""What frozen layers make of pictures that are never changed, computed once and kept: later epochs run the rest alone."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.models.split.cut import UNTRACEABLE
from whylight.models.split.graph import GraphSplit
from whylight.models.split.hooks import HookSplit
from whylight.train import checkpoint
from whylight.train.config import TrainConfig
from whylight.train.data.folders import Item
from whylight.train.data.pictures import Pictures, batches
from whylight.train.network import last_frozen, train_mode

SPARE = 2 * 1024**3  # bytes of the disk that the cache leaves free


class Features(Dataset[tuple[Tensor, int, Tensor]]):
    """Kept activations in place of pictures: (K, h, w) float32, the label, and an empty tensor."""

    def __init__(self, items: list[Item], shape: tuple[int, ...], folder: Path) -> None:
        self.labels = [item.label for item in items]
        self.epoch = 0
        # The file has no name any more once it is open, so nothing is left of it however the run ends; the map keeps it alive.
        with (
            checkpoint.named_errors(folder / "what the frozen layers give"),
            tempfile.TemporaryFile(dir=folder) as file,
        ):
            if hasattr(os, "posix_fallocate"):  # a disk that fills up later must not end the process without a word
                os.posix_fallocate(file.fileno(), 0, 4 * len(items) * math.prod(shape))
            self.values = np.memmap(file, np.float32, "w+", shape=(len(items), *shape))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor]:
        return torch.from_numpy(np.array(self.values[index])), self.labels[index], torch.empty(0)


class Cache:
    """A network cut behind its last frozen block.

    Args:
        module: the network in training.
        layer: the last frozen block.
        probe: an input (N, 3, H, W) to cut and try it with.

    Raises:
        ModelError: if it cannot be cut there, or the two parts do not give what the whole gives, bit for bit: with dropout
            before the cut, for example, or where this machine rounds the two differently.
    """

    def __init__(self, module: nn.Module, layer: str, probe: Tensor, *, freeze_bn: bool) -> None:
        self._module, self._freeze_bn = module, freeze_bn
        try:
            self._body = HookSplit(module, layer)  # the very operations that training would run
            self._heads = {}
            for training in (True, False):  # a trace keeps what a function was told of the mode it ran in
                self._mode(training)
                self._heads[training] = GraphSplit(module, layer, past_relu=False)
        except UNTRACEABLE as error:
            raise ModelError(f"{type(module).__name__} cannot be cut behind {layer}: {error}") from error
        self._try(probe, layer)

    def _mode(self, training: bool) -> None:
        if training:
            train_mode(self._module, freeze_bn=self._freeze_bn)
        else:
            self._module.eval()

    def _try(self, probe: Tensor, layer: str) -> None:
        buffers = {name: value.clone() for name, value in self._module.named_buffers()}
        for training in (True, False):
            self._mode(training)
            raw = self.encode(probe).float().contiguous()  # as they are kept, and then as the loop hands them on
            raw = raw.to(memory_format=torch.channels_last) if raw.ndim == 4 else raw
            results = []
            for run in (self._module, self.decode):
                self._mode(training)
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(0)
                    results.append(run(probe if run is self._module else raw))
            if not torch.equal(*results):
                raise ModelError(f"{type(self._module).__name__} gives other scores when it is cut behind {layer}")
            if training:
                results[1].sum().backward()
                missed = [n for n, p in self._module.named_parameters() if p.requires_grad and p.grad is None]
                self._module.zero_grad(set_to_none=True)
                if missed:
                    raise ModelError(f"{missed[0]} is trained, and lies before the cut behind {layer}")
        with torch.no_grad():  # running means have seen the probe
            for name, value in self._module.named_buffers():
                value.copy_(buffers[name])

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """From pictures (N, 3, H, W) to what the frozen layers make of them."""
        self._module.eval()
        return self._body.encode(x)[0]

    def decode(self, raw: Tensor) -> Tensor:
        """From there to the logits (N, C), in the network's present mode."""
        return self._heads[self._module.training].decode(raw, ())

    def fill(
        self, items: list[Item], preprocess: Preprocess, config: TrainConfig, step: Callable[[], None], *, whole: bool
    ) -> Features:
        """Run the frozen layers on all pictures.

        Args:
            items, preprocess, config: the pictures, and how they are read.
            step: called after each batch.
            whole: fill up the last batch. Training takes whole batches only, and another size may round in another way.
        """
        device = next(self._module.parameters()).device
        kept: Features | None = None
        at = 0
        for x, _, _ in batches(Pictures(items, preprocess), config.batch, workers=config.workers):
            count = len(x)
            if whole and count < config.batch:
                x = torch.cat([x, x[-1:].expand(config.batch - count, *x.shape[1:])])
            raw = self.encode(x.to(device, memory_format=torch.channels_last)).float().cpu()[:count]
            if kept is None:
                kept = Features(items, tuple(raw.shape[1:]), Path(config.out))
            kept.values[at : at + len(raw)] = raw.numpy()
            at += len(raw)
            step()
        assert kept is not None
        return kept


def cache_for(
    config: TrainConfig, module: nn.Module, pictures: int, plain: bool, say: Callable[[str], None]
) -> Cache | None:
    """A cache where it changes nothing but the time: pictures are read as they are, and first layers are frozen.

    Args:
        config, module: the run.
        pictures: how many there are to keep.
        plain: nothing but these pictures, in fp32 and in this process, decides a step.
        say: takes the reason why there is none.
    """
    if config.augment or not config.cache or config.unfreeze is None or config.boxes is not None or config.local:
        return None
    if (layer := last_frozen(module)) is None:
        return None
    if not plain:
        say("the frozen layers run anew each epoch: a teacher, a moving average, bf16 or several processes need them")
        return None
    parameter = next(module.parameters())
    probe = torch.randn((2, 3, config.size, config.size), generator=torch.Generator().manual_seed(0)).to(parameter)
    try:
        cache = Cache(module, layer, probe.contiguous(memory_format=torch.channels_last), freeze_bn=config.freeze_bn)
    except ModelError as error:
        say(f"the frozen layers run anew each epoch: {error}")
        return None
    needed = pictures * 4 * math.prod(cache.encode(probe).shape[1:])
    free = shutil.disk_usage(config.out).free
    if needed + SPARE > free:
        say(
            f"the frozen layers run anew each epoch: to keep their output takes {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB "
            f"are free at {config.out}"
        )
        return None
    return cache
