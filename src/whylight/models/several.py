"""Activations at several layers from one forward, all on one graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from whylight.models.split.cut import leaf_of, logits_of


def look_at_layers(module: nn.Module, layers: Sequence[str], x: Tensor) -> tuple[dict[str, Tensor], Tensor] | None:
    """Run a network once and catch what several of its layers give, on the logits' graph.

    Autograd records from the first of the layers on, and not before.

    Args:
        module: the network, in evaluation mode.
        layers: dotted names of submodules.
        x: (N, 3, H, W).

    Returns:
        The raw activations by layer, and the logits (N, C) that hang on them; None where a layer gives no single tensor, runs
        not just once, or lies behind no other's graph, so that the layers have to be looked at one by one.
    """
    caught: dict[str, Tensor] = {}
    plain = True
    with torch.no_grad(), ExitStack() as stack:
        for name in layers:

            def catch(part: nn.Module, inputs: Any, output: Any, name: str = name) -> Tensor | None:
                nonlocal plain
                plain = plain and isinstance(output, Tensor) and name not in caught
                if not plain:
                    return None
                torch.set_grad_enabled(True)
                caught[name] = output if output.requires_grad else leaf_of(output.clone())
                return caught[name].clone()  # an in-place operation behind the layer has its way with a copy

            stack.callback(module.get_submodule(name).register_forward_hook(catch).remove)
        logits = logits_of(module(x))
    return (caught, logits) if plain and len(caught) == len(layers) else None
