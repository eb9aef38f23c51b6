"""Plots of a comparison: nothing lies over the curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from whylight.experiment import plots
from whylight.experiment.findings import Measured, Run
from whylight.experiment.recipe import Arm


def arm(name: str, noise: float) -> Measured:
    """Two hundred pictures of two classes, told apart the worse the more noise there is."""
    label = torch.arange(200) % 2
    signal = torch.stack([1.0 - 2.0 * label, 2.0 * label - 1.0], 1)
    logits = signal + noise * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    run = Run(0, Path(name), {}, logits, label, ["a", "b"], np.zeros((2, 4, 4), np.float32))
    return Measured(Arm((name,), {}), (run,))


@pytest.mark.parametrize("plot", [plots.ranking, plots.precision])
def test_an_inset_only_where_no_curve_passes(plot: object) -> None:
    good, chance = arm("good", 0.3), arm("chance", 50.0)
    for arms, insets in (([good], 1), ([chance], 0), ([good, chance], 0)):
        (axes,) = plot(arms).axes  # type: ignore[operator]
        assert len(axes.child_axes) == insets
