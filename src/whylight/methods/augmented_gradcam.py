"""Augmented Grad-CAM: the maps of many transformed copies, merged into one at the picture's resolution."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.gradcam import gradcam
from whylight.methods.parts.options import number, whole
from whylight.methods.parts.resampling import Box, Transforms, draw, operator, warp
from whylight.methods.parts.superresolution import superresolve
from whylight.methods.registry import Covering, LookAt, Maps, register, same

NAME = "augmented-gradcam"
SEEN_AT_ONCE = 32  # copies handed to the network together
SOLVED_AT_ONCE = 16  # pictures whose maps are sought together


@register(
    NAME,
    units="logit",
    cost="{copies} forwards and a solver, and as many backwards through the head unless that is linear",
)
def augmented_gradcam(
    inputs: Tensor,
    look_at: LookAt,
    covering: Covering = same,
    *,
    copies: int = 100,
    rotation: float = 45.0,
    shift: float = 0.1,
    scale: float = 1.25,
    flip: bool = True,
    tv: float = 0.1,
    ridge: float = 1.0,
    seed: int = 0,
    tolerance: float = 1e-4,
) -> Maps:
    """argmin_h Σ_l ‖M_l ⊙ (D T_l h − g_l)‖² + λ_tv·TV(h) + λ_e·‖h‖², g_l the Grad-CAM maps of L copies T_l x.

    T_l turns, shifts, scales and mirrors, with half-pixel centres; the first copy is the picture itself. What lies outside
    the frame is shown as its reflection; M_l is the share of each cell that lies inside, and only that part of the cell is
    compared. D is the mean over a cell's area. TV is isotropic and exact. h has the input's resolution and may be slightly
    negative. λ_tv = tv · s·c·m / (H·W) and λ_e = ridge · m / (H·W), where m is ΣM² over all cells, c is a cell's side in
    pixels and s the root mean square of the g_l, so that the options mean the same for every picture and network.

    Differs from the paper: weights of the penalties relative to the data, cells outside the frame left out, copies mirrored
    too, and a solver that tells how near the minimum it is.

    Args:
        inputs: x, (N, 3, H, W).
        look_at: inputs and the number of the picture each belongs to → activations and gradients there.
        covering: lays maps on the grid over the whole input.
        copies: L, the picture itself included. Even with `flip`.
        rotation: largest angle either way, in degrees.
        shift: largest shift either way, as a share of the input's width and height.
        scale: largest factor of enlargement and of reduction; 1 for none.
        flip: make each copy of the mirrored picture, too. The map of a mirrored picture is then the mirrored map.
        tv: weight of the total variation: more of it makes flatter maps with sharper steps.
        ridge: weight of the squares: more of it makes maps smoother and lower. Above 0.
        seed: equal seeds give equal copies.
        tolerance: how near the minimum, as a share of the energy of a map of zeros. Above 0.

    Returns:
        Maps (N, H, W), and for each the copies, the iterations, whether they converged and how much energy there was to gain
        at most (gap, a share of the energy of a map of zeros).

    Raises:
        MethodError: if an option is out of range.

    Source: Morbidelli et al., Augmented Grad-CAM: Heat-Maps Super Resolution Through Augmentation, ICASSP 2020.
    """
    box = Box(
        number(NAME, "rotation", rotation, below=360),
        number(NAME, "shift", shift, below=1),
        number(NAME, "scale", scale, least=1),
        bool(flip),
    )
    copies, seed = whole(NAME, "copies", copies), whole(NAME, "seed", seed, least=0)
    tv, ridge = number(NAME, "tv", tv), _above_zero("ridge", ridge)
    tolerance = _above_zero("tolerance", tolerance)
    transforms = draw(copies, box, seed)
    # Apple's MPS has no sparse matrices: there the processor solves.
    device = inputs.device if inputs.device.type == "cuda" else torch.device("cpu")
    values, details = torch.empty_like(inputs[:, 0]), []
    for first in range(0, len(inputs), SOLVED_AT_ONCE):
        some = range(first, min(first + SOLVED_AT_ONCE, len(inputs)))
        maps = covering(copy_maps(inputs, look_at, transforms, some), finer=1).to(device)  # (n, L, h, w)
        size, grid = (inputs.shape[2], inputs.shape[3]), (maps.shape[2], maps.shape[3])
        found = superresolve(
            maps, operator(copies, box, seed, size, grid, device), tv=tv, ridge=ridge, tolerance=tolerance
        )
        values[some.start : some.stop] = found.values.to(values.device)
        details += [
            {"copies": copies, "iterations": int(iterations), "converged": bool(converged), "gap": float(gap)}
            for iterations, converged, gap in zip(found.iterations, found.converged, found.gap, strict=True)
        ]
    return Maps(values, details)


def copy_maps(inputs: Tensor, look_at: LookAt, transforms: Transforms, pictures: range) -> Tensor:
    """Grad-CAM maps of all copies of some pictures, (n, L, h, w); only a few copies' activations are held at a time."""
    some = inputs[pictures.start : pictures.stop]
    step = max(1, SEEN_AT_ONCE // len(some))
    found = []
    for first in range(0, transforms.copies, step):
        copies = range(first, min(first + step, transforms.copies))
        seen = warp(some, transforms, copies)  # (copies, n, 3, H, W)
        owners = torch.arange(pictures.start, pictures.stop, device=inputs.device).repeat(len(copies))
        maps = gradcam(*look_at(seen.flatten(0, 1), owners))  # (copies · n, h, w)
        found.append(maps.unflatten(0, (len(copies), len(some))))
    return torch.cat(found).transpose(0, 1)


def _above_zero(option: str, value: Any) -> float:
    found = number(NAME, option, value)
    if found == 0:
        raise MethodError(f"method {NAME!r}: {option}={value!r}; it is a number above 0")
    return found
