"""The classifier as whylight sees it: two halves, class names, and how pictures become its input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from whylight.cells import Span
from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.models import backprop, boxhead
from whylight.models.adapters.logits import EndsIn, Logits, Pick, name_of, read_logits
from whylight.models.attention import AttentionMaps, find_attention
from whylight.models.base import Classifier
from whylight.models.boxhead import BoxHead, FoundBoxes
from whylight.models.checks import check_numbers, check_weights, fastest_order, why_it_does_not_run
from whylight.models.device import resolve_device
from whylight.models.eval_mode import borrowed
from whylight.models.fast.copy import Fast
from whylight.models.lacking import lacking
from whylight.models.split.cut import Context, logits_of, repeat
from whylight.models.split.find import find_split
from whylight.models.split.linear import LinearHead, find_linear_head
from whylight.models.split.places import span_of


class Model(Classifier):
    """An image classifier split in two: `features(x)` → A (N, K, h, w), `head(A)` → logits (N, C).

    Made by `whylight.load` and `whylight.wrap`. The network itself stays as it was given: in its training mode, on its
    device, without hooks.

    Args:
        module: the classifier: (N, 3, H, W) → logits (N, C).
        classes: one name for each logit; None names them "0", "1", ….
        preprocessing: how a picture becomes its input.
        layer: a submodule or its dotted name at which to look; None = the last spatial one.
        multilabel: the classes do not exclude each other: probabilities are sigmoids of the logits, one by one.
        output: which part of what the network returns has the logits: a key, an attribute's name, a place in a tuple, or a
            function of it; None = found out where it is clear.
        ends_in: what the network does to its logits at the end: "softmax", "log_softmax", "sigmoid", nothing ("logits"), or
            "auto" to find out by running. What went into it is explained; probabilities are the network's own.
        box_head: a head that finds boxes; it reads the last spatial layer, whatever `layer` is.
        run: which run of `layer` is meant, from 0, where it runs several times; None: the one that the picture goes through.
        bands: channels of the input.

    Raises:
        ModelError: if the network does not run on such an input, cannot be split, or has another number of classes.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        classes: Sequence[str] | None = None,
        preprocessing: Preprocess | None = None,
        layer: str | nn.Module | None = None,
        multilabel: bool = False,
        box_head: BoxHead | None = None,
        output: Pick = None,
        ends_in: EndsIn = "auto",
        run: int | None = None,
        bands: int = 3,
    ) -> None:
        self.module, self.bands, self.box_head, self.name = module, bands, box_head, name_of(module)
        self._layer_given = layer is not None
        self.preprocessing = preprocessing or Preprocess()
        self.multilabel = multilabel
        self._order = torch.contiguous_format
        self._fast: dict[str, Fast] = {}
        self._at: dict[str, Model] = {}
        self._spans: dict[tuple[tuple[int, int], tuple[int, int]], Span] = {}
        check_weights(module)
        with borrowed(module):
            probe = self._probe()
            try:
                with torch.no_grad():
                    given = module(probe)
            except Exception as error:  # whatever a network raises, it is told as what it is: the network's
                raise ModelError(why_it_does_not_run(module, probe, error)) from error
            self._order = fastest_order(module, probe)
            probe = self._probe()
            self.module = module = read_logits(module, probe, given, output=output, ends_in=ends_in, classes=classes)
            with torch.no_grad():
                logits = logits_of(module(probe)) if isinstance(module, Logits) else logits_of(given)
            check_numbers(module, logits)
            found = find_split(module, probe, layer, run)
            self.split, self.layout = found.split, found.layout
            _, self.channels, *grid = found.grid.shape
            self.grid: tuple[int, int] = (grid[0], grid[1])
            with torch.no_grad():
                raw, context = self.split.encode(probe)
                self.linear: LinearHead | None = find_linear_head(
                    module, lambda grid: self.decode(grid, *repeat(raw, context, len(grid))), found.grid
                )
        count = logits.shape[1]
        if isinstance(module, Logits):
            self.multilabel = multilabel or module.is_single or module.ends_in == "sigmoid"
            self.ending = module.ending
            if module.is_single and classes is not None and len(classes) == 1:
                classes = (f"not {classes[0]}", classes[0])
        self.classes: tuple[str, ...] = tuple(classes) if classes is not None else tuple(str(i) for i in range(count))
        if len(self.classes) != count:
            raise ModelError(f"classes: {len(self.classes)} names were given, but {name_of(module)} has {count} logits")
        self._remembered = WeakTensorKeyDictionary()
        with borrowed(module):
            self.span(self.preprocessing.size, self.grid)  # found once, and not while somebody waits for a map

    def __getstate__(self) -> dict[str, Any]:
        # What was remembered beside each grid belongs to tensors that stay behind.
        return {**self.__dict__, "_remembered": None, "_at": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _remembered=WeakTensorKeyDictionary())

    @property
    def layer(self) -> str:
        """Name of the layer after which the network is split."""
        return self.split.layer

    @property
    def split_kind(self) -> str:
        """How the network is split, in words."""
        return self.split.kind

    def span(self, size: tuple[int, int], grid: tuple[int, int]) -> Span:
        """Over which part of an input of (height, width) the cells of a grid (h, w) of its are spread."""
        if (size, grid) not in self._spans:
            self._spans[size, grid] = span_of(self.module, self.prepare(torch.zeros((1, self.bands, *size))), grid)
        return self._spans[size, grid]

    @property
    def device(self) -> torch.device:
        """Where the network's parameters are."""
        parameter = next(self.module.parameters(), None)
        return parameter.device if parameter is not None else torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Floating-point type of the network's parameters."""
        return next((p.dtype for p in self.module.parameters() if p.is_floating_point()), torch.float32)

    def to(self, device: str | torch.device) -> Model:
        """Move the network to a device (`"auto"`, `"cpu"`, `"cuda:0"`, …) and return this model."""
        self.module.to(resolve_device(device))
        if self.box_head is not None:
            self.box_head.to(resolve_device(device))
        return self

    def prepare(self, x: Tensor) -> Tensor:
        """Bring a batch (N, 3, H, W) to the network's device and type, and into the memory order that is fastest for it.

        The weights stay as they are: convolutions take channels-last input with the same arithmetic, only faster.
        """
        if x.ndim != 4 or x.shape[1] != self.bands or len(x) == 0:
            raise ModelError(f"x: expected a batch of pictures (N, {self.bands}, H, W), got {tuple(x.shape)}")
        with torch.inference_mode(False):
            x = x.clone() if x.is_inference() else x.detach()  # autograd refuses tensors made under inference_mode
            return x.to(self.device, self.dtype, memory_format=self._order)

    def features(self, x: Tensor) -> Tensor:
        """Run the first half: (N, 3, H, W) → activations A (N, K, h, w), without gradient."""
        x = self.prepare(x)
        with borrowed(self.module), torch.no_grad():
            raw, context = self.split.encode(x)
            grid = self.layout.to_grid(raw, (x.shape[2], x.shape[3]))
        # The set-aside tokens are remembered beside the grid. Never the grid itself: an entry that held its own key would stay.
        self._remembered[grid] = self.layout.aside(raw), context
        return grid

    def head(self, a: Tensor, like: Tensor | None = None) -> Tensor:
        """Run the second half: A (N, K, h, w) → logits (N, C). Gradients flow if the caller lets them.

        Args:
            a: activations.
            like: where `a` was made from what `features` returned (scaled, masked, …), that tensor: a transformer's head
                also needs its class token, and a network split by hooks its input.
        """
        remembered = self._remembered.get(a if like is None else like)
        if remembered is None and (self.layout.prefix or self.layout.suffix or self.split.kind.startswith("hooks")):
            raise ModelError(
                "head: this network's second half needs more than the grid (a class token, or the input). "
                "Pass what features() returned, or model.head(changed, like=original)"
            )
        prefix, context = remembered or (None, ())
        with borrowed(self.module):
            return self.decode(a, a if prefix is None else prefix, context)

    def decode(self, grid: Tensor, raw: Tensor, context: Context) -> Tensor:
        """Run the second half on a grid that was changed: what is not in the grid comes from `raw` and `context`."""
        return self.split.decode(self.layout.from_grid(grid, raw).clone(), context)

    def logits(self, x: Tensor) -> Tensor:
        """Run the whole network: (N, 3, H, W) → logits (N, C), without gradient."""
        x = self.prepare(x)
        with borrowed(self.module), torch.no_grad():
            return self.split.run(x)[1]

    def fast(self, precision: Literal["auto", "fp32", "bf16"] = "auto") -> Callable[[Tensor], Tensor]:
        """The fastest way to the logits of many inputs: (M, 3, H, W) → (M, C) float32, without gradient.

        Args:
            precision: `"auto"`: bfloat16 where the device has it and the network agrees with its float32 self; `"fp32"` and
                `"bf16"` insist.

        Raises:
            ModelError: if bfloat16 is insisted on and cannot be had.
        """
        if precision not in self._fast:
            self._fast[precision] = Fast(self.module, self._probe(), precision=precision)
        return self._fast[precision]

    def find_boxes(self, x: Tensor) -> FoundBoxes:
        """Ask the box head: (N, 3, H, W) → for each picture a box and its scores for each cell, without gradient.

        `whylight.localize.supervised.regressed` makes boxes in pixels of a picture from them.

        Raises:
            ModelError: if the model has no box head.
        """
        if self.box_head is None:
            raise ModelError(
                f"{name_of(self.module)} was not trained with boxes: whylight train --boxes FILE makes a model that was"
            )
        home = self._home
        with torch.no_grad():
            grid = home.features(x)
            out = self.box_head(grid.float())
            return boxhead.read(self.box_head, out, (x.shape[2], x.shape[3]), home.head(grid))

    @cached_property
    def _home(self) -> Model:
        """The same classifier, looked at where the box head does."""
        return self if not self._layer_given else Model(self.module, preprocessing=self.preprocessing)

    def borrow(self) -> AbstractContextManager[None]:
        """Have the network to oneself, in evaluation mode, and hand it back as it was."""
        return borrowed(self.module)

    def at(self, layer: str) -> Model:
        """The same classifier, looked at after another layer.

        Raises:
            ModelError: if there is no such layer, or it has no grid of places.
        """
        if layer not in self._at:
            self._at[layer] = Model(
                self.module,
                classes=self.classes,
                preprocessing=self.preprocessing,
                layer=layer,
                multilabel=self.multilabel,
                box_head=self.box_head,
                bands=self.bands,
            )
            self._at[layer]._fast = self._fast  # it is the same network
        return self._at[layer]

    @property
    def attention(self) -> AttentionMaps:
        """How its attention is read; only for models that have attention over all places."""
        assert not isinstance(self.found_attention, str)  # why_not has seen to it
        return self.found_attention

    @cached_property
    def found_attention(self) -> AttentionMaps | str:
        with self.borrow():
            return find_attention(self.module, self._probe(), replace(self.layout, grid=self.grid))

    @cached_property
    def has_rectifiers(self) -> bool:
        with self.borrow():
            return backprop.has_rectifiers(self.module, self._probe())

    @cached_property
    def why_no_bias_gradients(self) -> str | None:
        with self.borrow():
            return backprop.why_no_bias_gradients(self.module, self._probe())

    def _probe(self) -> Tensor:
        """One fixed random picture (1, 3, H, W): shapes, dead ends and closed forms are found by running, not by guessing."""
        probe = torch.randn((1, self.bands, *self.preprocessing.size), generator=torch.Generator().manual_seed(0))
        return self.prepare(probe)

    def lacks(self, need: str) -> str | None:
        """Why a kind of evidence cannot be had from this network, in words; None where it can."""
        return lacking(self, need)

    def __repr__(self) -> str:
        h, w = self.grid
        names = ", ".join(self.classes[:4]) + (", …" if len(self.classes) > 4 else "")
        what = f"{name_of(self.module)}, {self.layer!r} {self.channels}×{h}×{w}, {len(self.classes)} classes: {names}"
        return f"Model({what}{f'; {self.ending}' if self.ending else ''})"
