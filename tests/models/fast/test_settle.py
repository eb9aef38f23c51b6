"""What a fast copy computes in is told by the scores of one picture's inputs, of which maps are made, and not by logits alone."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from whylight.models.device import why_not_bf16
from whylight.models.fast.copy import Fast


def fast(network: nn.Module, precision: Literal["auto", "bf16"] = "auto") -> Fast:
    return Fast(network, torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(0)), precision=precision)


@pytest.mark.skipif(why_not_bf16(torch.device("cpu")) != "", reason="bfloat16 is not native here")
def test_scores_that_bf16_blurs_are_made_in_float32() -> None:
    """Its logits agree within their spread over the classes; those of one class, over one picture's inputs, do not."""

    class Blurred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            mean = x.mean((2, 3))[:, :1] * self.scale
            return torch.cat([0 * mean - 60, (mean + 100) - 100, 0 * mean + 60], 1)

    network = Blurred().eval()
    x = torch.randn((8, 3, 64, 64), generator=torch.Generator().manual_seed(1)) + torch.linspace(-0.2, 0.2, 8).reshape(
        -1, 1, 1, 1
    )
    blurred = fast(network)
    assert blurred(x).shape == (8, 3)
    assert blurred.precision == "bf16"
    blurred.settle(x.split(1), lambda logits: logits[:, 1])
    assert blurred.precision == "fp32"
    assert "off by" in blurred.why
    assert "of their range" in blurred.why
    with torch.no_grad():
        torch.testing.assert_close(blurred(x), network(x))
    clear = fast(Blurred().eval())
    clear.settle((x * 40).split(1), lambda logits: logits[:, 1])
    assert clear.precision == "bf16"
    insisting = fast(network, "bf16")
    insisting.settle(x.split(1), lambda logits: logits[:, 1])
    insisting(x)
    assert insisting.precision == "bf16"
