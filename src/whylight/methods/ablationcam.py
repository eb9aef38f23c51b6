"""Ablation-CAM: channels weighted by what the score loses without them."""

from __future__ import annotations

import torch
from torch import Tensor

from whylight.methods.cam import cam
from whylight.methods.registry import register


@register("ablationcam", units="activation", signed=False)
def ablationcam(activations: Tensor, scores: Tensor, ablated_scores: Tensor) -> Tensor:
    """relu(Σ_k w_k A_k) with w_k = (s − s without A_k) / |s|, 0 where s is 0.

    The paper divides by s, which turns the map around where the score is negative: what the score loses without a channel then
    counts against it. By the size of s the weight keeps the sign of the loss, and is the paper's for every positive score.

    Args:
        activations: A, (N, K, h, w).
        scores: s, (N,).
        ablated_scores: s with channel k set to zero, (N, K).

    Returns:
        (N, h, w), nowhere negative.

    Source: Desai and Ramaswamy, Ablation-CAM, WACV 2020.
    """
    score = scores.unsqueeze(1)  # (N, 1)
    return cam(activations, torch.where(score == 0, 0, (score - ablated_scores) / score.abs())).relu()
