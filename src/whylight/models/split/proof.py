"""Whether the cells of a layer's output are places of the picture, proved by running: change a part, see which cells change most.

A shape says little. A hundred learned queries, latents or prompt tokens have the number of a grid; class, register and detection
tokens stand before or behind one; rows may be columns; and where a layer has as many channels as rows, either may come first. What
changes with a part of the picture tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from whylight.models.split.layout import Layout, Size

BLOCKS = 12  # parts of the picture that are changed, one after another
_SIDE = 0.25  # of a part, as a share of the picture's
_STRENGTH = 3.0  # standard deviations of the noise put in
# How often a cell inside the part must change more than one outside; by chance it is 0.5, give or take some that depends on the
# number of cells. A reading that only the proof speaks for, one of hundreds, needs more.
LIKELY, UNLIKELY = 0.7, 0.75
_SURE = 0.95  # from here on no other reading is tried
_BETTER = 0.01  # by so much another reading must be better than one that the shape, or the model, suggests first
_MOST_ASIDE = 16  # tokens before the grid that are tried


def proved(run: Callable[[Tensor], Tensor], x: Tensor, raw: Tensor, likely: Iterable[Layout]) -> Layout | None:
    """Find how a layer's output is read as a grid of places.

    Args:
        run: from inputs (M, 3, H, W) to the layer's output (M, …).
        x: an input (1, 3, H, W).
        raw: the output for it.
        likely: the readings that its shape suggests, the likeliest first.

    Returns:
        The reading whose cells change where the picture does; None where there is none.
    """
    size = (x.shape[2], x.shape[3])
    blocks = list(_blocks())
    changed = torch.cat([_changed(x, block, number, size) for number, block in enumerate(blocks)])
    outputs = run(changed)
    if len(outputs) != len(changed):  # a network that takes one picture at a time
        outputs = torch.cat([run(one[None]) for one in changed])
    difference = (outputs.float() - raw.float()).square()
    first = list(likely)
    if not bool(
        difference.any()
    ):  # a network that was never trained may not see the picture yet: its shape alone speaks
        return first[0] if first else None
    best, most = None, 0.0
    for layout in first:
        found = _agreement(difference, layout, size, blocks)
        if found.share >= max(LIKELY, 0.5 + 3 * found.chance, most + _BETTER):
            best, most = layout, found.share
    if most >= _SURE:
        return best
    for layout in _others(raw.shape, size, first):
        found = _agreement(difference, layout, size, blocks)
        if found.share >= max(UNLIKELY, 0.5 + 5 * found.chance, most + _BETTER):
            best, most = layout, found.share
    return best


class _Agreement(NamedTuple):
    """How often a cell inside a changed part changes more than one outside, and by how much chance alone moves that from a half."""

    share: float
    chance: float


def _agreement(difference: Tensor, layout: Layout, size: Size, blocks: list[tuple[float, float]]) -> _Agreement:
    """How well a reading agrees with what changed; each cell is measured by what it changes on average."""
    grid = layout.to_grid(difference, size).sum(1)  # (M, h, w)
    h, w = grid.shape[1:]
    cells = grid.flatten(1).sqrt()
    cells = cells / cells.mean(0).clamp(min=1e-30)
    inside = torch.stack([(_inside(h, top)[:, None] & _inside(w, left)[None]).flatten() for top, left in blocks])
    within, beyond = inside.sum(1), (~inside).sum(1)  # (M,)
    if bool((beyond == 0).any()) or not bool(cells.isfinite().all()):
        return _Agreement(0.0, 0.0)
    order = cells.cpu().argsort(dim=1, stable=True).argsort(dim=1) + 1
    more = ((order * inside).sum(1) - within * (within + 1) / 2) / (within * beyond)
    variance = (within + beyond + 1) / (12 * within * beyond)  # of Mann and Whitney's statistic
    # Of cells that nothing changes the order says nothing: a layer that does not see the picture.
    alive = cells.std() > 0
    return _Agreement(float(more.mean()) if alive else 0.0, float(variance.mean().sqrt() / len(blocks) ** 0.5))


def _inside(cells: int, start: float) -> Tensor:
    """Which cells along a side have their centre in the part; the nearest one where none has."""
    centres = (torch.arange(cells) + 0.5) / cells
    found = (centres >= start) & (centres < start + _SIDE)
    if not bool(found.any()):
        found[int((centres - start - _SIDE / 2).abs().argmin())] = True
    return found


def _blocks() -> Iterator[tuple[float, float]]:
    """Upper left corners of the parts, as shares of the sides: in every region, and symmetric to no turn."""
    down, across = (0.0, 0.25, 0.5, 0.75), (0.02, 0.3, 0.6, 0.75)
    for number, (top, left) in enumerate(product(down, across)):
        if number % 4 != number // 4:  # not those on the diagonal, which look the same with rows and columns exchanged
            yield top, left


def _changed(x: Tensor, block: tuple[float, float], seed: int, size: Size) -> Tensor:
    top, left = round(block[0] * size[0]), round(block[1] * size[1])
    height, width = max(1, round(_SIDE * size[0])), max(1, round(_SIDE * size[1]))
    noise = torch.randn((1, x.shape[1], height, width), generator=torch.Generator().manual_seed(seed + 1))
    changed = x.clone()
    part = changed[:, :, top : top + height, left : left + width]
    part.copy_(_STRENGTH * noise[:, :, : part.shape[2], : part.shape[3]].to(x))
    return changed


def _others(shape: torch.Size, size: Size, first: list[Layout]) -> Iterator[Layout]:
    """The readings that a shape allows besides."""
    if len(shape) == 4:
        every = (Layout(kind, turned=turned) for turned in (False, True) for kind in ("nchw", "nhwc"))
    else:
        every = (
            Layout("tokens", prefix, shape[1] - prefix - h * w, turned, (h, w))
            for h, w in _shapes(shape[1], size)
            for prefix in range(min(_MOST_ASIDE, shape[1] - h * w) + 1)
            for turned in (False, True)
        )
    yield from (layout for layout in every if layout not in first)


def _shapes(tokens: int, size: Size) -> Iterator[Size]:
    """Grids of square patches that so many tokens have room for, the largest first."""
    seen: set[Size] = set()
    for patch in range(1, min(size) + 1):
        for h, w in ((size[0] // patch, size[1] // patch), (-(-size[0] // patch), -(-size[1] // patch))):
            if max(4, tokens // 4) <= h * w <= tokens and (h, w) not in seen:
                seen.add((h, w))
                yield h, w
