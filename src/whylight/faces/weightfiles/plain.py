"""safetensors: numbers with names and nothing else; the form that `whylight face convert` writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from whylight.errors import ModelError
from whylight.faces.weightfiles.oxford import Channels, oxford
from whylight.faces.weightfiles.pth import layers_of

KEY = "whylight-vggface"  # our entry in the file's metadata: its first layer takes blue, green, red


def read(path: Path, channels: Channels | None = None) -> dict[str, Tensor]:
    """Read a safetensors file: of ours, or a state dict that somebody wrote in this form.

    Raises:
        ModelError: if it is damaged, or not VGG-Face's weights.
    """
    try:
        state = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not a safetensors file that can be read: {error}") from error
    return oxford(path, layers_of(path, state), channels or "bgr")


def read_facts(path: Path) -> dict[str, Any] | None:
    """What `whylight face convert` wrote down with the weights; None for a file from elsewhere.

    Raises:
        ModelError: if the file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
        facts = None if text is None else json.loads(text)
    except (OSError, safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not a safetensors file that can be read: {error}") from error
    if facts is not None and not isinstance(facts, dict):
        raise ModelError(f"{path}: its metadata are damaged")
    return facts
