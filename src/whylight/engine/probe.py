"""Scores of very many inputs made from one picture: made, run and forgotten chunk by chunk."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from whylight.errors import ModelError, WhylightWarning
from whylight.methods.registry import Covering, same
from whylight.models.device import is_out_of_memory

After = Literal["auto", "logit", "probability"]

# Pixels in one chunk, by what the network computes in. Larger chunks pay only where the allocator keeps its blocks. As glibc comes,
# it gives those above 32 MiB, and what is free beyond twice the largest, back to the system, and pays page faults to have them
# again: at 224 × 224, ResNet-50 and MobileNetV2 are fastest with 10 pictures in bfloat16 and 6 in float32, and up to twice as
# slow with 32. A graphics card wants enough to be busy.
_PIXELS = {"bf16": 10 * 224 * 224, "fp32": 6 * 224 * 224, "card": 64 * 224 * 224}
_SAMPLED = 8  # inputs by which it is told whether bfloat16 will do
_MOST = 128  # inputs in a chunk, however small they are


class Prober:
    """Scores of perturbed inputs: what methods know as `probe`, see `methods.registry.Probe`.

    Args:
        inputs: the pictures' inputs, (N, 3, H, W).
        forward: (M, 3, H, W) → logits (M, C).
        score: logits (M, C), the picture they belong to, and what is asked for → scores (M,).
        chunk: inputs of one forward at most; None chooses by their size. It does not change what comes out.
        tick: called with (done, count) after every chunk.
        covering: lays maps on a grid of the network's evenly over the inputs, see `methods.registry.Covering`.
    """

    def __init__(
        self,
        inputs: Tensor,
        forward: Callable[[Tensor], Tensor],
        score: Callable[[Tensor, int, After], Tensor],
        *,
        chunk: int | None = None,
        tick: Callable[[int, int], None] | None = None,
        covering: Covering = same,
    ) -> None:
        self.covering = covering
        self._inputs, self._forward, self._score, self._tick = inputs, forward, score, tick
        self._chunk = chunk

    def __call__(
        self, picture: int, count: int, make: Callable[[range], Tensor], *, after: After = "logit"
    ) -> Iterator[tuple[range, Tensor]]:
        """Yield (range(i, j), scores (j - i,) float32) of the inputs `make(range(i, j))`; leave the loop to stop early.

        Where memory runs out, chunks are halved, with a warning.

        Raises:
            ModelError: if a single input does not fit into memory.
        """
        done = 0
        run = self._forward
        settle = getattr(run, "settle", None)
        if settle is not None and count > 1:  # in what it computes is told by inputs from all over the picture
            at = {round(i * (count - 1) / (_SAMPLED - 1)) for i in range(_SAMPLED)}
            settle(
                [make(range(one, one + 1)) for one in sorted(at)],
                lambda logits: self._score(logits, picture, after).float(),
            )
        while done < count:
            # What it computes in is settled at the first forward.
            length = chunk_of(self._inputs, getattr(self._forward, "precision", ""))
            length = length if self._chunk is None else min(length, self._chunk)
            indices = range(done, min(done + length, count))
            try:
                with torch.no_grad():
                    scores = self._score(run(make(indices)), picture, after).float()
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(len(indices), error)
                continue
            done = indices.stop
            # A network is looked at for changes once in a run, not at every chunk.
            run = getattr(self._forward, "again", self._forward)
            if self._tick is not None:
                self._tick(done, count)
            yield indices, scores

    def _halve(self, length: int, error: BaseException) -> None:
        if length == 1:
            raise ModelError(
                "one perturbed input alone does not fit into memory: use a smaller input size, or device='cpu'"
            ) from error
        self._chunk = length // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        warnings.warn(f"out of memory: going on with chunks of {self._chunk}", WhylightWarning, stacklevel=4)


def chunk_of(inputs: Tensor, precision: str) -> int:
    """How many inputs like these (N, 3, H, W) to run at once, by a network that computes in `"bf16"` or something wider."""
    h, w = inputs.shape[2:]
    kind = "card" if inputs.device.type != "cpu" else "bf16" if precision == "bf16" else "fp32"
    return max(1, min(_MOST, _PIXELS[kind] // (h * w)))
