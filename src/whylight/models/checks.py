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


def check_weights(module: nn.Module) -> None:
    """Complain about a network that cannot be run at all.

    Raises:
        ModelError: if its weights are nowhere yet, or it is a script that lets nobody look inside.
    """
    if any(value.is_meta for value in (*module.parameters(), *module.buffers())):
        raise ModelError(
            f"{name_of(module)} is on the meta device, where weights have no numbers: give it some first, with "
            'network.to_empty(device="cpu") and load_state_dict'
        )
    convolution = next((p for p in module.modules() if isinstance(p, nn.Conv1d | nn.Conv2d | nn.Conv3d)), None)
    if isinstance(convolution, nn.Conv1d | nn.Conv3d):
        what = "sequences" if isinstance(convolution, nn.Conv1d) else "volumes or videos"
        raise ModelError(
            f"{name_of(module)} takes {what}, as its {type(convolution).__name__} says; whylight explains classifiers of pictures "
            "(N, 3, H, W)"
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError(
            f"{name_of(module)} is a compiled script, which lets nobody look inside: whylight.wrap_callable(network, …) explains "
            "it from outside; or wrap the network that it was made of"
        )


def why_it_does_not_run(module: nn.Module, probe: Tensor, error: Exception) -> str:
    """Why a network does not run on the input that was made for it, and what to do."""
    shape, name = tuple(probe.shape), name_of(module)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            if part.in_channels != probe.shape[1]:
                return (
                    f"{name} takes {part.in_channels} channels, and pictures have {probe.shape[1]}: say "
                    f"channels={part.in_channels}, or put a layer before it that makes {part.in_channels} of them, such as "
                    f"torch.nn.Conv2d({probe.shape[1]}, {part.in_channels}, 1)"
                )
            break
    told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return (
        f"{name} does not run on an input of shape {shape}: {told}. "
        "Give the size it takes: size=224, or size=(height, width)"
    )


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
