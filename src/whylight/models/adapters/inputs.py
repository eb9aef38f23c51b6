"""Networks that take more, or other, than one picture of three channels: what else they need is bound to them beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from whylight.errors import ModelError

IMAGE = "image"  # stands for the picture among the inputs
_LUMA = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as Pillow makes grey


class Fed(nn.Module):
    """A network (…) → logits as one of the picture alone. Made by `whylight.wrap`.

    Args:
        network: the classifier.
        inputs: what it is called with, in order or by name: `"image"` for the picture, tensors of one row for all pictures, other
            values as they are.
        grey: it takes one channel, made of red, green and blue.

    Raises:
        ModelError: if not just one of the inputs is the picture.
    """

    def __init__(
        self, network: nn.Module, inputs: Sequence[Any] | Mapping[str, Any] = (IMAGE,), *, grey: bool = False
    ) -> None:
        super().__init__()
        values = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
        if sum(isinstance(one, str) and one == IMAGE for one in values) != 1:
            raise ModelError(
                f"inputs: exactly one must be {IMAGE!r}, where the picture goes; the others are bound as they are"
            )
        self.network = network
        self._names = list(inputs) if isinstance(inputs, Mapping) else None
        self._given = values
        for place, one in enumerate(values):
            if isinstance(one, Tensor):
                self.register_buffer(f"bound_{place}", one.detach(), persistent=False)
        self.register_buffer("luma", torch.tensor(_LUMA).reshape(1, 3, 1, 1) if grey else None, persistent=False)

    @property
    def default_layer(self) -> str | None:
        """Where to look, unless told otherwise."""
        layer = getattr(self.network, "default_layer", None)
        return None if layer is None else f"network.{layer}"

    def forward(self, x: Tensor) -> Any:
        """(N, C, H, W) → what the network returns."""
        luma: Tensor | None = cast("Tensor | None", self.luma)
        picture = x if luma is None else (x * luma).sum(1, keepdim=True)
        values = [self._value(place, one, picture) for place, one in enumerate(self._given)]
        if self._names is not None:
            return self.network(**dict(zip(self._names, values, strict=True)))
        return self.network(*values)

    def _value(self, place: int, given: Any, picture: Tensor) -> Any:
        if isinstance(given, str) and given == IMAGE:
            return picture
        if not isinstance(given, Tensor):
            return given
        bound: Tensor = getattr(self, f"bound_{place}")
        if bound.is_floating_point():
            bound = bound.to(picture.dtype)
        return bound.expand(picture.shape[0], *bound.shape[1:]) if bound.ndim and bound.shape[0] == 1 else bound
