"""Classifiers that can only be asked: a function from pictures to scores, with no layers to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.logits import turned_back
from whylight.models.base import Classifier
from whylight.models.device import is_out_of_memory, resolve_device

Outputs = Literal["auto", "logits", "probabilities"]

_OFFERED = ("inputs", "scores", "logits", "indices", "probe")

# What a function that is asked wrongly may raise. Others, KeyboardInterrupt above all, pass as they are.
_FAILURES = (
    *(ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError),
    *(RuntimeError, TypeError, ValueError),
)


class BlackBox(Classifier):
    """A classifier that is asked from outside: pictures (N, 3, H, W) → scores (N, C). Made by `whylight.wrap_callable`.

    Methods that perturb the picture work on it; those that read activations or gradients do not.

    Args:
        function: float32 inputs (N, 3, H, W) on the processor → scores (N, C), a tensor or an array.
        classes: one name for each score; None names them "0", "1", ….
        preprocessing: how a picture becomes its input.
        outputs: what its scores are, see `whylight.wrap_callable`.
        multilabel: the classes do not exclude each other.
        name: what to call it in messages; default: the function's own name.

    Raises:
        ModelError: if the function fails, or returns something else than scores.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Any],
        *,
        classes: Sequence[str] | None = None,
        preprocessing: Preprocess | None = None,
        outputs: Outputs = "auto",
        multilabel: bool = False,
        name: str | None = None,
    ) -> None:
        if not callable(function):
            raise ModelError(f"wrap_callable: expected a function, got {type(function).__name__}")
        if outputs not in ("auto", "logits", "probabilities"):
            raise ModelError(f"outputs: expected 'auto', 'logits' or 'probabilities', got {outputs!r}")
        self._function = function
        self.name = name or getattr(function, "__name__", type(function).__name__).strip("<>")
        self.preprocessing = preprocessing or Preprocess(mean=(0, 0, 0), std=(1, 1, 1))
        self._classes: int | None = None
        # Two pictures of noise, of the range that pictures have: one alone would not show a function that ignores the batch.
        probe = torch.rand((2, 3, *self.preprocessing.size), generator=torch.Generator().manual_seed(0))
        mean, std = (
            torch.tensor(three).reshape(3, 1, 1) for three in (self.preprocessing.mean, self.preprocessing.std)
        )
        scores = self._scores((probe - mean) / std)
        self._classes = scores.shape[1]
        single = self._classes == 1
        self.multilabel = multilabel or single
        self.gives_probabilities = self._decide(scores, outputs)
        if single and classes is not None and len(classes) == 1:
            classes = (f"not {classes[0]}", classes[0])
        self.classes = tuple(classes) if classes is not None else tuple(map(str, range(self._classes + single)))
        if len(self.classes) != self._classes + single:
            raise ModelError(
                f"classes: {len(self.classes)} names were given, but {self.name} returns {self._classes} scores"
            )

    @property
    def device(self) -> torch.device:
        """The processor: inputs are handed over there, wherever the function computes."""
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Type of the inputs that the function gets."""
        return torch.float32

    def to(self, device: str | torch.device) -> BlackBox:
        """Return this model; a black box stays where its function is.

        Raises:
            ModelError: if another device than the processor is insisted on.
        """
        if device != "auto" and resolve_device(device).type != "cpu":
            raise ModelError(f"device {str(device)!r}: {self.name} computes where its own code does; leave device out")
        return self

    def prepare(self, x: Tensor) -> Tensor:
        """Bring a batch (N, 3, H, W) to the processor, as float32 in the order of its shape."""
        if x.ndim != 4 or x.shape[1] != 3 or len(x) == 0:
            raise ModelError(f"x: expected a batch of pictures (N, 3, H, W), got {tuple(x.shape)}")
        with torch.inference_mode(False):
            x = x.clone() if x.is_inference() else x.detach()
            return x.to("cpu", torch.float32, memory_format=torch.contiguous_format)

    def logits(self, x: Tensor) -> Tensor:
        """Ask it: (N, 3, H, W) → logits (N, C) float32; of probabilities their logarithms, or log-odds where `multilabel`."""
        scores = self._scores(self.prepare(x))
        if self.gives_probabilities:
            scores = turned_back(scores, "sigmoid" if self.multilabel else "softmax")
        return torch.cat([-scores, scores], dim=1) if self._classes == 1 else scores

    def fast(self, precision: Literal["auto", "fp32", "bf16"] = "auto") -> Callable[[Tensor], Tensor]:
        """The way to the logits of many inputs, which is `logits`: how precisely the function computes is its own business.

        Raises:
            ModelError: if bfloat16 is insisted on.
        """
        if precision == "bf16":
            raise ModelError(f"precision 'bf16': {self.name} computes in a precision of its own; leave it at 'auto'")
        return self.logits

    def borrow(self) -> AbstractContextManager[None]:
        """Nothing is borrowed: there is no network to hand back."""
        return nullcontext()

    def lacks(self, need: str) -> str | None:
        """Why a kind of evidence cannot be had from it, in words; None where it can."""
        if need in _OFFERED:
            return None
        return f"looks inside the network, and {self.name} is a black box: only methods that perturb the picture work"

    def _decide(self, scores: Tensor, outputs: Outputs) -> bool:
        """Whether the scores are probabilities: by their rows, where it is not said."""
        in_range = bool((scores >= 0).all()) and bool((scores <= 1 + 1e-3).all())
        summing = self.multilabel or bool(((scores.sum(1) - 1).abs() <= 1e-3).all())
        if outputs == "auto":
            return in_range and summing
        if outputs == "probabilities" and not in_range:
            low, high = float(scores.min()), float(scores.max())
            raise ModelError(
                f"outputs='probabilities': {self.name} returns scores from {low:.4g} to {high:.4g}, outside of 0 … 1; "
                "if they are logits, say outputs='logits'"
            )
        return outputs == "probabilities"

    def _scores(self, x: Tensor) -> Tensor:
        """What the function returns, checked: (N, C) float32 on the processor."""
        shape = tuple(x.shape)
        try:
            with torch.inference_mode(False), torch.no_grad():
                found = self._function(x)
        except _FAILURES as error:
            if is_out_of_memory(error):
                raise  # those who ask with fewer pictures at once must see it as what it is
            raise ModelError(
                f"{self.name} failed on an input of shape {shape}: {type(error).__name__}: {error}"
            ) from error
        if isinstance(found, np.ndarray):
            found = torch.from_numpy(np.ascontiguousarray(found)) if found.dtype != object else found
        if not isinstance(found, Tensor):
            raise ModelError(
                f"{self.name} returned {type(found).__name__} for an input of shape {shape}; it must return a tensor or an "
                f"array of scores, one row for each picture: ({shape[0]}, classes)"
            )
        if found.ndim != 2 or len(found) != len(x) or found.shape[1] == 0:
            raise ModelError(
                f"{self.name} returned shape {tuple(found.shape)} for an input of shape {shape}; it must return one row of "
                f"scores for each picture: ({shape[0]}, classes)"
            )
        if self._classes not in (None, found.shape[1]):
            raise ModelError(
                f"{self.name} returned {found.shape[1]} scores for an input of shape {shape}, and {self._classes} before"
            )
        with torch.inference_mode(False):
            scores = found.detach().to("cpu", torch.float32, copy=True)
        if not scores.isfinite().all():
            raise ModelError(f"{self.name} returned scores that are not finite (NaN or infinity), input shape {shape}")
        return scores

    def __repr__(self) -> str:
        names = ", ".join(self.classes[:4]) + (", …" if len(self.classes) > 4 else "")
        h, w = self.preprocessing.size
        return f"BlackBox({self.name}, 3×{h}×{w}, {len(self.classes)} classes: {names})"


def wrap_callable(
    function: Callable[[Tensor], Any],
    classes: Sequence[str] | None = None,
    size: int | tuple[int, int] = 224,
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    std: Sequence[float] = (1.0, 1.0, 1.0),
    *,
    preprocessing: Preprocess | None = None,
    outputs: Outputs = "auto",
    multilabel: bool = False,
) -> BlackBox:
    """Make any classifier explainable from outside: a remote service, another framework, a pipeline of your own.

    Args:
        function: float32 tensor (N, 3, H, W) → scores (N, C), a torch tensor or a NumPy array. With the default mean and std
            the pictures come in [0, 1].
        classes: one name for each score.
        size: side, or (height, width), of the input in pixels; the picture is stretched to it.
        mean: mean of red, green and blue in [0, 1] that is subtracted.
        std: standard deviation that is divided by.
        preprocessing: all of size, mean and std, and cropping too, in one object; overrides the three.
        outputs: what the scores are. `"probabilities"`: their logarithms serve as logits, those below 10⁻¹² counting as
            10⁻¹². `"logits"`: their softmax gives the probabilities. `"auto"`: probabilities if, on two pictures of noise,
            none is negative and each row sums to 1 (where `multilabel`: all lie in 0 … 1); logits otherwise.
        multilabel: the classes do not exclude each other: rows need not sum to 1; probabilities are sigmoids of logits.

    Raises:
        ModelError: if the function fails on pictures of noise, or does not return one row of finite scores for each picture.

    >>> import torch, whylight
    >>> redness = lambda x: torch.stack([x[:, 0].mean((1, 2)), x[:, 1].mean((1, 2))], 1)
    >>> wrap_callable(redness, classes=["red", "green"], size=32)
    BlackBox(lambda, 3×32×32, 2 classes: red, green)
    """
    return BlackBox(
        function,
        classes=classes,
        preprocessing=preprocessing or stretch(size, mean, std),
        outputs=outputs,
        multilabel=multilabel,
    )


def stretch(size: int | tuple[int, int], mean: Sequence[float], std: Sequence[float]) -> Preprocess:
    """Preprocessing that stretches the whole picture to a size and normalises it.

    Raises:
        ModelError: if mean or std are not three numbers each, or a number is out of range.
    """
    for name, three in (("mean", mean), ("std", std)):
        if len(three) != 3:
            raise ModelError(f"{name}: expected three numbers (red, green, blue), got {len(three)}")
    sides = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    red, green, blue = (float(value) for value in mean)
    return Preprocess(size=sides, mean=(red, green, blue), std=(float(std[0]), float(std[1]), float(std[2])))
