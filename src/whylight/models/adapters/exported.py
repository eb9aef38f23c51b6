"""Graphs that `whylight.export` wrote: logits and the maps of all classes from one run, without PyTorch's part in it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from whylight.cells import Span
from whylight.errors import ModelError
from whylight.methods import Method
from whylight.methods import get as method_named
from whylight.models.adapters.blackbox import BlackBox
from whylight.models.adapters.facts import Facts, read_facts
from whylight.models.adapters.runtimes import OnnxRuntime, OpenVino, Runtime
from whylight.models.split.linear import LinearHead

# What depends on activations and weights through the classes' maps alone, on a head of average pooling and one linear layer.
EXACT = ("cam", "gradcam", "hirescam")


class Exported(BlackBox):
    """An exported classifier. Made by `whylight.load("model.onnx")` and `whylight.load("model.xml")`.

    The graph gives the map of each class, M = Σ_k w_k A_k. Seen as activations, one channel a class, maps have a head of average
    pooling and one linear layer too, whose weight is the identity: methods that ask for no more give what they give with the
    network itself.

    Args:
        runtime: the graph, loaded.
        facts: what its file says.
        name: what to call it in messages.
        classes: other names for the classes.

    Raises:
        ModelError: if the graph does not run, or has not what its file says.
    """

    def __init__(self, runtime: Runtime, facts: Facts, *, name: str, classes: Sequence[str] | None = None) -> None:
        self.facts, self._runtime = facts, runtime
        super().__init__(
            lambda x: self._runtime.run(x.numpy())[0],
            classes=classes if classes is not None else facts.classes,
            preprocessing=facts.preprocess,
            outputs="logits",
            multilabel=facts.multilabel,
            name=name,
        )
        self.ending = facts.ending
        if facts.grid is not None:
            self.look(torch.zeros((1, 3, *facts.preprocess.size)))

    @property
    def linear(self) -> LinearHead:
        """The head of the maps: average pooling and the identity. Its bias is nobody's business, so none is told."""
        return LinearHead(None, len(self.classes))

    def see(
        self, pixels: NDArray[np.uint8], *, inside: bool = False
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits and maps of one picture, as fast as it goes: for pictures that come from a camera.

        Args:
            pixels: (H, W, 3) uint8, RGB.
            inside: have the graph itself resize pictures of another size than the input's: up to a grey level or so another
                picture than Pillow makes. Without, Pillow resizes, as for every model.

        Returns:
            logits (C,), and the map of each class (C, h, w).

        Raises:
            ModelError: if it is no such picture, or the graph has no maps.
        """
        if self.facts.grid is None:
            raise ModelError(f"{self.name} was exported with its logits alone: it has no maps; use logits or predict")
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
            raise ModelError(f"pixels: expected a picture (H, W, 3) of uint8, got {pixels.dtype} {pixels.shape}")
        if self._takes(pixels.shape[:2], inside):
            logits, maps = self._runtime.see(np.ascontiguousarray(pixels)[None])
        else:
            x = self.preprocessing(Image.fromarray(pixels)).unsqueeze(0).contiguous()
            logits, maps = self._runtime.run(x.numpy())
        return logits[0], maps[0]

    def look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (N, C, h, w) and logits (N, C) of prepared pictures (N, 3, H, W).

        Raises:
            ModelError: if the graph does not run on them, or has not what its file says.
        """
        shape = tuple(x.shape)
        try:
            found = self._runtime.run(self.prepare(x).numpy())
        except RuntimeError as error:
            raise ModelError(f"{self.name} failed on an input of shape {shape}: {error}") from error
        shapes = [one.shape for one in found]
        wanted = [(len(x), len(self.classes)), (len(x), len(self.classes), *(self.facts.grid or ()))]
        if shapes != wanted:
            raise ModelError(f"{self.name} gave {shapes} where its file says {wanted}: export it anew")
        return torch.from_numpy(found[1]), torch.from_numpy(found[0])

    def span(self, size: tuple[int, int], grid: tuple[int, int]) -> Span:
        """Over which part of the input the cells of its maps are spread."""
        return self.facts.span

    def why_not(self, method: str | Method) -> str | None:
        """Say in one sentence why a method does not apply; None where it does."""
        method = method_named(method) if isinstance(method, str) else method
        if self.facts.grid is not None and (method.name in EXACT or _around_exact(method)):
            return None
        return super().why_not(method)

    def lacks(self, need: str) -> str | None:
        """Why a kind of evidence cannot be had from it, in words; None where it can."""
        if super().lacks(need) is None:
            return None
        if self.facts.grid is None:
            return f"looks inside the network, and {self.name} was exported with its logits alone"
        return f"looks at single channels, and the exported {self.name} holds the classes' maps alone"

    def _takes(self, shape: tuple[int, ...], inside: bool) -> bool:
        """Whether a picture goes into the graph as it is."""
        if shape != self.preprocessing.size:
            return inside and self.facts.resize
        # The input's own size is left alone, except by a graph that scales and crops every picture alike.
        return inside or not self.facts.resize or self.preprocessing.mode == "squash"

    def __repr__(self) -> str:
        names = ", ".join(self.classes[:4]) + (", …" if len(self.classes) > 4 else "")
        h, w = self.preprocessing.size
        maps = "no maps" if self.facts.grid is None else f"maps {self.facts.grid[0]}×{self.facts.grid[1]}"
        return f"Exported({self.name}, 3×{h}×{w}, {maps}, {len(self.classes)} classes: {names})"


def _around_exact(method: Method) -> bool:
    """Whether it is such a method on mirrored copies, which needs nothing else of them."""
    inner: Any = getattr(method, "inner", None)
    return inner is not None and method.name == f"tta({inner.name})" and inner.name in EXACT


def load_exported(
    path: str | os.PathLike[str], *, classes: Sequence[str] | None = None, threads: int | None = None
) -> Exported:
    """Load a graph that `whylight.export` wrote: `.onnx` with ONNX Runtime, `.xml` (and the `.bin` beside it) with OpenVINO.

    Args:
        path: the file.
        classes: other names for its classes.
        threads: how many it may compute with; None: the runtime's own choice.

    Raises:
        ModelError: the runtime is not installed, the file cannot be read, or whylight did not write it.
    """
    path = Path(path)
    facts = read_facts(path)
    if facts is None:
        raise ModelError(
            f"{path}: whylight did not write it, so it does not say its classes, how pictures are prepared, or where its maps "
            "are. Use a .onnx file of the network as a black box (whylight.load_onnx), or whylight export on the network itself"
        )
    runtime = OpenVino(path, threads) if path.suffix.lower() == ".xml" else OnnxRuntime(path, threads)
    return Exported(runtime, facts, name=path.name, classes=classes)
