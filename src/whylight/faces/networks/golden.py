"""A golden output: what a network says about one fixed picture, written down to check another reading of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess

COUNT = 64  # logits that are written down, evenly spread over the classes

# Of the largest logit. No two machines give the same logits to the last bit, nor does one where the weights lie elsewhere in
# memory or another number of threads shares the work: the sums are taken in another order. Sixteen layers of float32 (6e-8) differ
# by 1e-7 … 1e-5; Winograd's convolutions and the like may add a digit. Weights in a wrong layout are off by tenths.
TOLERANCE = 1e-3


def fixed_picture() -> Image.Image:
    """Slanted stripes of another period in each colour, 224 × 224, from whole numbers only: the same on every machine."""
    y, x = np.mgrid[0:224, 0:224]
    planes = [(3 * y + 5 * x) % 256, (7 * y + 2 * x + 80) % 256, (x * y // 64 + 160) % 256]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def golden_output(network: nn.Module, preprocessing: Preprocess) -> dict[str, Any]:
    """Run the fixed picture: the classes looked at, their logits, and the largest of all, as plain JSON values.

    Args:
        network: in evaluation mode, on the processor: (1, 3, 224, 224) → logits (1, C).
        preprocessing: how the picture becomes its input.
    """
    with torch.no_grad():
        logits: Tensor = network(preprocessing(fixed_picture())[None])[0]
    looked_at = np.unique(np.linspace(0, len(logits) - 1, COUNT).round().astype(int)).tolist()
    return {
        "classes": looked_at,
        "logits": [float(logits[i]) for i in looked_at],
        "largest": float(logits.abs().max()),
    }


def check_golden(path: Path, network: nn.Module, preprocessing: Preprocess, golden: Mapping[str, Any]) -> float:
    """Compare with what was written down, but for rounding; return the largest difference, as a share of the largest logit.

    Raises:
        ModelError: if it is more than `TOLERANCE`, or what was written down is damaged.
    """
    now = golden_output(network, preprocessing)
    try:
        if list(golden["classes"]) != now["classes"]:
            raise ModelError(f"{path}: its golden output is of other classes; the file is damaged")
        difference = float(np.abs(np.subtract(golden["logits"], now["logits"])).max())
        share = difference / max(float(golden["largest"]), 1e-6)
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: its golden output is damaged ({error!r})") from error
    if not share <= TOLERANCE:  # NaN too
        raise ModelError(
            f"{path}: the weights give another output for the fixed picture than when they were written (off by "
            f"{share:.2g} of the largest logit, more than the {TOLERANCE:g} that rounding explains): the file is damaged. "
            "Convert the original again"
        )
    return share
