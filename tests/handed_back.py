"""What of a network must be the same after whylight has looked at it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def state_of(network: nn.Module) -> dict[str, Any]:
    return {
        "training": [part.training for part in network.modules()],
        "types": [type(part) for part in network.modules()],
        "hooks": [
            (len(p._forward_hooks), len(p._forward_pre_hooks), len(p._backward_hooks)) for p in network.modules()
        ],
        "requires_grad": [p.requires_grad for p in network.parameters()],
        "grad": [None if p.grad is None else p.grad.clone() for p in network.parameters()],
        "weights": {name: value.clone() for name, value in network.state_dict().items()},
        "attributes": sorted(network.__dict__),
    }


def assert_same(before: dict[str, Any], network: nn.Module) -> None:
    after = state_of(network)
    for key in ("training", "types", "hooks", "requires_grad", "attributes"):
        assert after[key] == before[key], key
    for was, now in zip(before["grad"], after["grad"], strict=True):
        assert (was is None) == (now is None)
        assert was is None or torch.equal(was, now)
    assert all(torch.equal(value, before["weights"][name]) for name, value in after["weights"].items())
