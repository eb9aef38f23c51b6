"""What every model offers, whether it can be cut in two or is only asked from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from whylight import methods
from whylight.errors import ModelError
from whylight.images import Picture, decode
from whylight.images.preprocess import Preprocess
from whylight.methods import Method
from whylight.models.boxhead import BoxHead


def checked(model: Any) -> Classifier:
    """The model, if it is one.

    Raises:
        ModelError: if it is a network as it is, or something else.
    """
    if isinstance(model, Classifier):
        return model
    name = type(model).__name__
    if isinstance(model, nn.Module):
        raise ModelError(
            f"model: this {name} is a network that does not say how pictures become its input: wrap it first, "
            "model = whylight.wrap(network, size=…, mean=…, std=…)"
        )
    raise ModelError(f"model: expected one from whylight.load or whylight.wrap, got {name}")


class Classifier(ABC):
    """An image classifier: pictures → scores of its classes.

    Attributes:
        classes: one name for each logit.
        preprocessing: how a picture becomes its input.
        name: what to call it: as it was loaded, or after its class or function; can be set.
        multilabel: whether classes are judged one by one (a sigmoid each) rather than against each other (a softmax).
        ending: what the network does to its logits, which are explained as they were before; "" where it does nothing.
        taken: what was taken from a file of weights, where that is not simply all of it; "" elsewhere.
        bands: channels of its input.
        box_head: the head that finds boxes, where the model was trained with boxes; None elsewhere.
        localization: the threshold that `whylight calibrate` stored with it, and the method it is for; None where none was, or
            where the model is looked at after another layer.
    """

    classes: tuple[str, ...]
    preprocessing: Preprocess
    name: str = ""
    multilabel: bool = False
    ending: str = ""
    taken: str = ""
    bands: int = 3
    box_head: BoxHead | None = None
    localization: Mapping[str, Any] | None = None

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where it computes."""

    @abstractmethod
    def to(self, device: str | torch.device) -> Classifier:
        """Move it to a device (`"auto"`, `"cpu"`, `"cuda:0"`, …) and return it."""

    @abstractmethod
    def prepare(self, x: Tensor) -> Tensor:
        """Bring a batch (N, 3, H, W) to its device, type and memory order."""

    @abstractmethod
    def logits(self, x: Tensor) -> Tensor:
        """Run it: (N, 3, H, W) → logits (N, C), without gradient."""

    @abstractmethod
    def fast(self, precision: Literal["auto", "fp32", "bf16"] = "auto") -> Callable[[Tensor], Tensor]:
        """The fastest way to the logits (M, C) float32 of many inputs (M, 3, H, W), without gradient."""

    @abstractmethod
    def borrow(self) -> AbstractContextManager[None]:
        """Have the network to oneself, in evaluation mode, and hand it back as it was."""

    @abstractmethod
    def lacks(self, need: str) -> str | None:
        """Why a kind of evidence (see `methods.registry`) cannot be had from it, in words; None where it can."""

    def preprocess(self, picture: Picture) -> Tensor:
        """Prepare a path, PIL picture or uint8 array: (3, H, W) float32.

        Raises:
            ModelError: if the network takes other than three channels, so that a picture has not what it needs.
        """
        self.check_pictures()
        return self.preprocessing(decode(picture))

    def check_pictures(self) -> None:
        """Raise a ModelError where pictures of three channels are not what it takes."""
        if self.bands != 3:
            raise ModelError(
                f"this network takes {self.bands} channels, which no picture has: give preprocessed tensors ({self.bands}, H, W)"
            )

    def probabilities(self, logits: Tensor) -> Tensor:
        """Turn logits (N, C) into probabilities (N, C) float32: rows that sum to 1, or one by one where `multilabel`."""
        return logits.float().sigmoid() if self.multilabel else logits.float().softmax(1)

    def predict(self, x: Tensor) -> Tensor:
        """Run it: (N, 3, H, W) → probabilities (N, C) float32."""
        return self.probabilities(self.logits(x))

    def why_not(self, method: str | Method) -> str | None:
        """Say in one sentence why a method does not apply to this model; None where it does."""
        method = methods.get(method) if isinstance(method, str) else method
        return next((f"method {method.name!r} {why}" for need in method.needs if (why := self.lacks(need))), None)

    def applicable_methods(self) -> list[str]:
        """Names of the registered methods that work on this model."""
        return [name for name in methods.names() if self.why_not(name) is None]
