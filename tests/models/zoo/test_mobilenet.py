"""The light MobileNetV2 is torchvision's, folded: names, shapes and numbers."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torchvision

from whylight.models.surgery import fold_batch_norm, set_output_stride
from whylight.models.zoo.mobilenet import FoldedMobileNetV2


@pytest.mark.parametrize("stride", [32, 16])
def test_it_is_torchvisions_folded(stride: int) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.mobilenet_v2(num_classes=3).eval()
    for part in theirs.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 2)
    fold_batch_norm(theirs)
    ours = FoldedMobileNetV2(3).eval()
    ours.load_state_dict(theirs.state_dict())
    if stride != 32:
        set_output_stride(theirs, stride)
        set_output_stride(ours, stride)
    x = torch.randn(2, 3, 96, 128)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)
        assert ours.features(x).shape == (2, 1280, 96 // stride, 128 // stride)


def test_the_bundled_model_loads_without_the_zoos() -> None:
    """Their import takes longer than the explanation of a picture."""
    code = (
        "import sys, whylight, numpy as np; m = whylight.load('face', device='cpu');"
        "whylight.explain(m, np.zeros((50, 60, 3), np.uint8));"
        "print([name for name in ('torchvision', 'timm', 'torch._dynamo', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
