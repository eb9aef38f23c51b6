"""Where to look in a network that is a backbone with something else than a classifier on top."""

from __future__ import annotations

from torch import nn


def last_of_backbone(network: nn.Module) -> str | None:
    """Dotted name of the last part of a network's `backbone`, as torchvision builds them; None where there is no such thing.

    The last part of what the picture passes first: `backbone.body` in front of a feature pyramid, `backbone.features` in front of
    the extra layers of an SSD, the backbone itself elsewhere.
    """
    for name in ("backbone.body", "backbone.features", "backbone"):
        part: nn.Module | None = network
        for step in name.split("."):
            part = getattr(part, step, None)
        children = [child for child, _ in part.named_children()] if isinstance(part, nn.Module) else []
        if children:
            return f"{name}.{children[-1]}"
    return None
