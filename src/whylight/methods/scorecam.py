"""Score-CAM: channels weighted by the score of the picture that they let through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.cam import cam
from whylight.methods.parts.options import choice
from whylight.methods.registry import Maps, Probe, register, same

_ROUNDS = 4  # in which the channels to run are chosen, each with what the earlier ones have shown
_NOISE = 0.05  # of a score, as a part of the scores' variance, that its mask does not explain


@register("scorecam", units="activation", signed=False, cost="a forward for each channel; channels=N runs fewer")
def scorecam(
    activations: Tensor,
    inputs: Tensor,
    probe: Probe,
    *,
    channels: int | Literal["all"] = "all",
    after: Literal["logit", "probability"] = "logit",
) -> Maps:
    """relu(Σ_k α_k A_k), α = softmax over k of C_k = s(x ⊙ M_k) - s(x_b), M_k = ↑A_k brought to 0…1 by its minimum and maximum.

    ⊙ on the preprocessed input. The baseline x_b is the input of zeros, that is what a mask of zeros leaves: all mean colour.
    A channel that is the same everywhere has no mask; it lets nothing through, so C = 0, and it is not run.

    With `channels=n` only n masks are run. A quarter of them is spread over the masks by how much they let through; the others
    are, in three rounds, those with the highest scores that a regression on the masks (kernel ridge, on the grid) predicts from
    what was run before, since the softmax gives nearly all weight to the highest. The rest keep their predicted scores.

    Args:
        activations: A, (N, K, h, w).
        inputs: x, (N, 3, H, W).
        probe: gives the scores.
        channels: how many channels to run, or `"all"`, which is exact.
        after: `"logit"`, s before softmax, or `"probability"`.

    Returns:
        (N, h, w), nowhere negative. Details: `channels` there are, `run` of them, and the `baseline` score.

    Raises:
        MethodError: if an option is out of range.

    Source: Wang et al., Score-CAM, CVPR Workshops 2020.
    """
    most = _most(channels)
    choice("scorecam", "after", after, ("logit", "probability"))
    weights, details = [], []
    for picture, (a, x) in enumerate(zip(activations, inputs, strict=True)):
        # A mask hides what its channel's places show, wherever these lie on the input.
        masks = _Masks(getattr(probe, "covering", same)(a, finer=1), x)
        baseline, scores = _scores(picture, masks, probe, most, after)
        increase = a.new_zeros(len(a))
        increase[masks.live] = scores - baseline  # C: (K,)
        weights.append(increase.softmax(0))
        run = min(len(masks.live), most or len(a))
        details.append({"channels": len(a), "run": run, "baseline": float(baseline)})
    return Maps(cam(activations, torch.stack(weights)).relu(), details)


def _scores(
    picture: int, masks: _Masks, probe: Probe, most: int | None, after: Literal["logit", "probability"]
) -> tuple[Tensor, Tensor]:
    """The baseline's score, and those of the live channels' masks (L,)."""

    def run(channels: Tensor) -> Tensor:
        def make(indices: range) -> Tensor:
            return masks.apply(channels[indices.start : indices.stop])

        # One tensor for all: small ones kept from every chunk would lie between its large ones, and memory would fragment.
        found = torch.zeros(len(channels), device=channels.device)
        for indices, scores in probe(picture, len(channels), make, after=after):
            found[indices.start : indices.stop] = scores
        return found

    live = masks.live
    nothing = live.new_full((1,), -1)  # the mask of zeros
    if most is None or most >= len(live):
        found = run(torch.cat([nothing, live]))
        return found[0], found[1:]
    return run(nothing)[0], _search(masks.grids(live), lambda rows: run(live[rows]), most)


def _most(channels: Any) -> int | None:
    """How many channels to run at the most; None for all."""
    if isinstance(channels, str) and channels == "all":
        return None
    if isinstance(channels, bool) or not isinstance(channels, int) or channels < 1:
        raise MethodError(f"method 'scorecam': channels={channels!r}; it is 'all' or a whole number, 1 or more")
    return channels


class _Masks:
    """One picture seen through its channels.

    Args:
        a: activations, (K, h, w).
        x: input, (3, H, W).
    """

    def __init__(self, a: Tensor, x: Tensor) -> None:
        self._a, self._x = a, x
        self._rows, self._columns = (_enlarge(*sides, a) for sides in zip(a.shape[1:], x.shape[1:], strict=True))
        flat = a.flatten(1).amax(1) == a.flatten(1).amin(1)
        self.live = (~flat).nonzero().flatten()  # numbers of the channels that have a mask

    def apply(self, channels: Tensor) -> Tensor:
        """x ⊙ M_k of the given channels: (n, 3, H, W); channel -1 stands for the mask of zeros."""
        enlarged = self._rows @ self._a[channels] @ self._columns.T  # (n, H, W); bilinear enlargement is separable
        shown = _between(enlarged)
        shown[channels < 0] = 0
        return self._x * shown.unsqueeze(1)

    def grids(self, channels: Tensor) -> Tensor:
        """The masks of the given channels before enlargement: (n, h·w)."""
        return _between(self._a[channels]).flatten(1)


def _search(grids: Tensor, run: Callable[[Tensor], Tensor], count: int) -> Tensor:
    """Scores (n,) of n masks, `count` < n of them run and the others predicted.

    Args:
        grids: the masks, (n, h·w).
        run: rows (m,) → their scores (m,).
        count: how many may be run.
    """
    n = len(grids)
    # The first ones: evenly spaced from the mask that lets least through to the one that lets most.
    first = -(-count // _ROUNDS)
    order = grids.mean(1).argsort(stable=True)
    known = order[torch.linspace(0, n - 1, first, dtype=torch.float64).round().long()]
    scores = run(known)
    while len(known) < count:
        predicted = _predict(grids, known, scores)
        predicted[known] = -torch.inf
        best = predicted.topk(min(first, count - len(known))).indices
        known, scores = torch.cat([known, best]), torch.cat([scores, run(best)])
    found = _predict(grids, known, scores)
    found[known] = scores
    return found


def _predict(grids: Tensor, known: Tensor, scores: Tensor) -> Tensor:
    """Scores (n,) of all masks from those that are known, by kernel ridge regression with a Gaussian kernel."""
    # In double precision, where the processor is as good as any device and Apple's has none.
    all_, some, y = grids.cpu().double(), grids[known].cpu().double(), scores.cpu().double()
    near = torch.cdist(some, some)
    width = near[near > 0].median() if (near > 0).any() else near.new_ones(())
    kernel = (-(near**2) / (2 * width**2)).exp()
    kernel.diagonal().add_(_NOISE)
    mean = y.mean()
    pull = torch.linalg.solve(kernel, y - mean)  # (m,)
    far = torch.cdist(all_, some)  # (n, m)
    predicted: Tensor = mean + (-(far**2) / (2 * width**2)).exp() @ pull
    return predicted.to(scores)


def _between(values: Tensor) -> Tensor:
    """Bring each channel (n, ·, ·) to 0…1 between its minimum and maximum; one that is the same everywhere to 0."""
    low, high = values.amin((1, 2), keepdim=True), values.amax((1, 2), keepdim=True)
    return torch.where(high > low, (values - low) / torch.where(high > low, high - low, 1), 0)


def _enlarge(places: int, side: int, like: Tensor) -> Tensor:
    """Bilinear interpolation with half-pixel centres along one axis: a matrix (side, places)."""
    one = torch.eye(places, device=like.device, dtype=like.dtype).unsqueeze(1)
    return torch.nn.functional.interpolate(one, size=side, mode="linear", align_corners=False)[:, 0].T
