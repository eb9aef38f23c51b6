"""Finer-CAM: what tells the target from the classes most like it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.gradcam import gradcam
from whylight.methods.parts.options import number, whole
from whylight.methods.registry import GradientsOf, Maps, register

NAME = "finercam"


@register("finercam", units="logit", signed=False)
def finercam(
    activations: Tensor,
    logits: Tensor,
    indices: Tensor,
    gradients_of: GradientsOf,
    *,
    alpha: float = 0.6,
    comparisons: int | Sequence[int] = 3,
) -> Maps:
    """Grad-CAM of s_c − α · mean_d s_d, where the classes d are those whose logits are nearest to the target's.

    What the target shares with them cancels. α = 0 is Grad-CAM; α = 1 keeps only the differences.

    Args:
        activations: A, (N, K, h, w).
        logits: (N, C).
        indices: the target classes c, (N,).
        gradients_of: a function (N, C) → (N,) of the logits → its gradients by A, (N, K, h, w).
        alpha: how much of the other classes is taken away.
        comparisons: how many classes d (fewer where the model has no more), or their indices; the target is never among them.

    Returns:
        (N, h, w), nowhere negative. Details: the classes compared with.

    Raises:
        MethodError: if an option is out of range.

    Source: Zhang et al., Finer-CAM, CVPR 2025.
    """
    alpha = number(NAME, "alpha", alpha)
    others = _others(logits, indices, comparisons)

    def difference(logits: Tensor) -> Tensor:
        rows = zip(logits, indices.tolist(), others, strict=True)
        return torch.stack([row[c] - alpha * row[d].mean() if d else row[c] for row, c, d in rows])

    return Maps(gradcam(activations, gradients_of(difference)), [{"compared_with": d} for d in others])


def _others(logits: Tensor, indices: Tensor, comparisons: int | Sequence[int]) -> list[list[int]]:
    """The classes to compare each target with."""
    classes = logits.shape[1]
    if isinstance(comparisons, Sequence):
        for d in comparisons:
            if isinstance(d, bool) or not isinstance(d, int) or not 0 <= d < classes:
                raise MethodError(
                    f"method {NAME!r}: comparisons has {d!r}; classes are whole numbers, 0 to {classes - 1}"
                )
        return [[d for d in dict.fromkeys(comparisons) if d != c] for c in indices.tolist()]
    count = whole(NAME, "comparisons", comparisons)
    distance = (logits - logits.gather(1, indices.unsqueeze(1))).abs()  # (N, C)
    distance = distance.scatter(1, indices.unsqueeze(1), torch.inf)  # the target comes last
    order = distance.argsort(dim=1, stable=True)[:, : min(count, classes - 1)]
    return [[int(d) for d in row] for row in order.tolist()]
