"""Why a network cannot give a kind of evidence, in words."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from whylight.models.adapters.logits import name_of
from whylight.models.attention import AttentionMaps
from whylight.models.split.linear import LinearHead


class Found(Protocol):
    """What was found out about a network."""

    module: nn.Module
    linear: LinearHead | None

    @property
    def layer(self) -> str: ...
    @property
    def found_attention(self) -> AttentionMaps | str: ...
    @property
    def has_rectifiers(self) -> bool: ...
    @property
    def why_no_bias_gradients(self) -> str | None: ...


def lacking(model: Found, need: str) -> str | None:
    """Why a kind of evidence (see `methods.registry`) cannot be had from a model; None where it can."""
    network = name_of(model.module)
    if need == "class_weights" and model.linear is None:
        head = "a head of global average pooling and one linear layer"
        return f"needs {head}, which {network} does not have after {model.layer!r}"
    if need in ("attentions", "attention_gradients", "prefix"):
        attention = model.found_attention
        if isinstance(attention, str):
            return f"needs attention over all places: {attention}"
        if need == "attention_gradients" and attention.why_no_gradients is not None:
            return f"needs scores of each block's tokens: {attention.why_no_gradients}"
    if need == "guided_gradients" and not model.has_rectifiers:
        return f"needs rectifiers (ReLU) to guide the gradient at, and {network} has none"
    if need == "bias_gradients" and model.why_no_bias_gradients is not None:
        return f"needs a network whose score is the sum of its bias gradients: {model.why_no_bias_gradients}"
    return None
