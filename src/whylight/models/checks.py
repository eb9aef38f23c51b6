"""What is found out about a network before it is cut: whether its numbers can explain anything, and which memory order it takes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from whylight.errors import ModelError
from whylight.models.adapters.logits import name_of


def fastest_order(module: nn.Module, probe: Tensor) -> torch.memory_format:
    """Channels-last, unless the network cannot take it: code that flattens a grid by `.view` wants the default order."""
    try:
        with torch.no_grad():
            module(probe.to(memory_format=torch.channels_last))
    except RuntimeError:
        return torch.contiguous_format
    return torch.channels_last


def check_numbers(module: nn.Module, logits: Tensor) -> None:
    """Complain about weights that can explain nothing."""
    if not logits.isfinite().all():
        bad = [name for name, value in module.state_dict().items() if not value.isfinite().all()]
        where = f"{bad[0]} holds NaN or infinity" if bad else "its weights overflow: try float32"
        raise ModelError(f"{name_of(module)} gives logits that are not finite: {where}")
    if any(parameter.is_inference() for parameter in module.parameters()):
        raise ModelError(
            f"{name_of(module)} was made under torch.inference_mode, so nothing can be differentiated in it: "
            "make it outside, or under torch.no_grad; explaining it under inference_mode is fine"
        )
