"""Average drop and average increase: what becomes of the score when the map alone decides how much of each pixel is seen.

Source: Chattopadhay, Sarkar, Howlader and Balasubramanian, Grad-CAM++: Improved Visual Explanations for Deep Convolutional
Networks, WACV 2018.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from whylight.evaluate.measures.scoring import Score, each

PROTOCOL: dict[str, Any] = {
    "shown": "the normalised input times the map's positive part relative to its maximum, enlarged bilinearly",
    "drop": "max(0, whole − shown) / whole",
    "increase": "shown > whole",
}
_LEAST = 1e-7


class Drop(NamedTuple):
    """Of each map (M,)."""

    drop: Tensor  # share of the score that is lost, in 0 … 1
    increase: Tensor  # 1 where the score rises, else 0


def drop(score: Score, x: Tensor, heat: Tensor, of: Tensor) -> Drop:
    """Show each picture through its map.

    Args:
        score: see `Score`; it must not be negative, as probabilities are not.
        x: inputs (N, 3, H, W).
        heat: maps at the input's size, (M, H, W). Their positive part counts, relative to its maximum; a blank map shows
            nothing.
        of: (M,), the picture of each map.
    """
    evidence = heat.clamp(min=0).to(x.device)
    shown = evidence / evidence.amax((1, 2), keepdim=True).clamp(min=1e-30)
    whole = score(each(len(x)), lambda chunk: x[chunk.start : chunk.stop])[of]

    def make(chunk: range) -> Tensor:
        return x[of[chunk.start : chunk.stop]] * shown[chunk.start : chunk.stop].unsqueeze(1)

    masked = score(of, make)
    return Drop((whole - masked).clamp(min=0) / (whole + _LEAST), (masked > whole).float())
