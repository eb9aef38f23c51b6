"""Find where to cut a network: the last layer that still knows places, and whose places the logits depend on."""

from __future__ import annotations

import difflib
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from whylight.errors import ModelError, WhylightWarning
from whylight.models.split.cut import UNTRACEABLE, Context, MethodSplit, Split, logits_of, repeat
from whylight.models.split.graph import GraphSplit
from whylight.models.split.hooks import HookSplit
from whylight.models.split.layout import Layout, Size, layout_of, layouts_of
from whylight.models.split.proof import proved
from whylight.models.split.runs import chosen_run, runs_of
from whylight.models.split.stream import is_stream

_NOT_PLACES = (
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool2d,
    nn.Dropout,
    nn.Dropout2d,
    nn.Identity,
    nn.Softmax,
)


@dataclass(frozen=True)
class Found:
    """Where a network is cut: the split, how to read its activations as a grid, and a sample of that grid (1, K, h, w)."""

    split: Split
    layout: Layout
    grid: Tensor


def find_split(module: nn.Module, x: Tensor, layer: str | nn.Module | None = None, run: int | None = None) -> Found:
    """Cut a network, in evaluation mode, at `layer` or at the last place where that is possible.

    Args:
        module: the classifier.
        x: any input it takes, (1, 3, H, W).
        layer: a submodule or its dotted name; None finds one.
        run: which of its runs, where it runs several times in one forward; None: the one that the picture goes through.

    Raises:
        ModelError: if the layer does not exist, has no grid, or none was found.
    """
    if layer is not None:
        return _at(module, x, _name_of(module, layer), run)
    if run is not None:
        raise ModelError("run= says which run of a layer is meant: name the layer, too, with layer=…")
    if callable(getattr(module, "forward_features", None)) and callable(getattr(module, "forward_head", None)):
        method = MethodSplit(module)
        # A forward() that does more than the two, such as normalising or scaling, makes them another network.
        found = _accept(method, module, x) if _agree(method, module, x) else None
        if found is not None:
            return found
    for name, at, count in _candidates(module, x):
        found = _accept(HookSplit(module, name, at, count), module, x)
        if found is not None:
            return _sharpen(found, module, x, past_relu=True)
    raise ModelError(
        f"{type(module).__name__}: no layer with a grid of places was found before the logits. Name one with layer=…; "
        "a network without one can only be explained from outside, by methods that hide parts of the picture"
    )


def _at(module: nn.Module, x: Tensor, name: str, run: int | None) -> Found:
    split = HookSplit(module, name, *chosen_run(module, name, x, run))
    with torch.no_grad():
        raw, context = split.encode(x)
        layout = _read(split, module, x, raw)
    if layout is None:
        raise ModelError(
            f"layer {name!r} gives shape {tuple(raw.shape)}, which is no grid of places for a {x.shape[2]}×{x.shape[3]} input: "
            "no cell of it changes most where the picture is changed. Name a convolution, block or norm before the pooling"
        )
    found = Found(split, layout, layout.to_grid(raw, _size(x)))
    if not _depends_on_places(split, layout, raw, context, x):
        warnings.warn(
            f"the logits do not depend on the places of layer {name!r}: gradient maps there are empty. Name an earlier layer",
            WhylightWarning,
            stacklevel=4,
        )
    return _sharpen(found, module, x, past_relu=False)


def _name_of(module: nn.Module, layer: str | nn.Module) -> str:
    names: dict[str, nn.Module] = {name: part for name, part in module.named_modules() if name}
    if isinstance(layer, nn.Module):
        for name, part in names.items():
            if part is layer:
                return name
        raise ModelError(
            f"layer: this {type(layer).__name__} is not a part of the {type(module).__name__} that is wrapped"
        )
    if layer not in names and f"network.{layer}" in names:  # within an adapter, where its owner does not see it
        return f"network.{layer}"
    if layer not in names:
        near = _near(layer, names)
        raise ModelError(f"layer {layer!r} does not exist in {type(module).__name__}. Near it: {', '.join(near)}")
    return layer


def _near(layer: str, names: dict[str, nn.Module]) -> list[str]:
    """The layers that may be meant: of the same name further in, or in the same part; written almost so; else the last blocks.

    >>> parts = {name: nn.Identity() for name in ("body", "body.layer4", "body.layer4.0", "body.layer4.1", "fc")}
    >>> _near("layer4", parts), _near("body.layer4.7", parts), _near("layer9", parts)
    (['body.layer4', 'body.layer4.0', 'body.layer4.1'], ['body.layer4.0', 'body.layer4.1'], ['body.layer4'])
    """
    within = [name for name in names if f".{layer}." in f".{name}."]
    if not within and (parent := layer.rpartition(".")[0]):
        within = [name for name in names if name.rpartition(".")[0] == parent][-3:]
    found = within[:4] or difflib.get_close_matches(layer, names, n=3, cutoff=0.75)
    if not found:
        ends = {name.rpartition(".")[2]: name for name in names}
        found = [ends[end] for end in difflib.get_close_matches(layer, ends, n=3, cutoff=0.75)]
    blocks = [name for name, part in names.items() if name.count(".") == 1 and any(part.children())]
    return found or blocks[-3:] or list(names)[-3:]


def _candidates(module: nn.Module, x: Tensor) -> Iterator[tuple[str, int, int]]:
    """Names of the layers whose output is a grid, which run of it, and of how many, the last to finish first.

    Of layers that run several times, those are left out that look at the picture more than once.
    """
    finished: dict[int, tuple[str, Tensor]] = {}  # by tensor: of layers that hand on the same one, the outermost stays
    runs: Counter[str] = Counter()

    def note(name: str, part: nn.Module, inputs: Any, output: Any) -> None:
        runs[name] += 1
        if isinstance(output, Tensor) and output.shape[:1] == x.shape[:1]:
            finished.pop(id(output), None)
            finished[id(output)] = (name, output)

    with torch.no_grad(), ExitStack() as hooks:
        for name, part in module.named_modules():
            if name and not isinstance(part, _NOT_PLACES):
                hooks.enter_context(part.register_forward_hook(partial(note, name)))
        module(x)
    several = runs_of(module, [name for name, count in runs.items() if count > 1], x)
    done = set()
    for name, output in reversed(finished.values()):
        seen = several.get(name, [True])
        if name in done or sum(seen) != 1 or (output.ndim != 3 and layout_of(output.shape, _size(x)) is None):
            continue
        done.add(name)
        if output.ndim == 4 or is_stream(module.get_submodule(name), *_arguments_of(module, name, x)):
            yield name, seen.index(True), len(seen)


def _arguments_of(module: nn.Module, layer: str, x: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What a layer is called with."""
    found: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def note(part: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> None:
        found.append((inputs, named))

    part = module.get_submodule(layer)
    with torch.no_grad(), part.register_forward_pre_hook(note, with_kwargs=True):
        module(x)
    return found[-1]


def _accept(split: Split, module: nn.Module, x: Tensor) -> Found | None:
    with torch.no_grad():
        raw, context = split.encode(x)
        layout = _read(split, module, x, raw, context)
    return None if layout is None else Found(split, layout, layout.to_grid(raw, _size(x)))


def _read(split: Split, module: nn.Module, x: Tensor, raw: Tensor, context: Context | None = None) -> Layout | None:
    """How a layer's output is read as places; with a context, only where the logits depend on them.

    Channels first is what convolutions give. Whatever else it may be has to be proved.
    """
    likely = layouts_in(raw, module, _size(x))
    if not likely and raw.ndim != 3:
        return None
    if likely == [Layout("nchw")] and min(raw.shape[2:]) > 1:
        works = context is None or _depends_on_places(split, likely[0], raw, context, x)
        return likely[0] if works else None
    if likely and context is not None and not _depends_on_places(split, likely[0], raw, context, x):
        return None  # a class token alone is read from here on: that is soon seen
    if likely and isinstance(split, MethodSplit) and _is_stated(module, raw, _size(x)):
        return likely[0]
    layout = proved(lambda some: split.encode(some)[0], x, raw, likely)
    if layout is None and Layout("nchw") in likely and min(raw.shape[2:]) > 1:
        layout = Layout("nchw")  # on a grid of four cells a proof is hard, and this is what convolutions give
    if layout is not None and context is not None and not _depends_on_places(split, layout, raw, context, x):
        return None
    return layout


def _is_stated(module: nn.Module, raw: Tensor, size: Size) -> bool:
    """Whether the network says itself that its features are a grid: timm's do, by how much each stage reduces the picture."""
    info = getattr(module, "feature_info", None)
    last = info[-1] if isinstance(info, list) and info and isinstance(info[-1], dict) else {}
    reduction, channels = last.get("reduction"), last.get("num_chs")
    if not isinstance(reduction, int) or not isinstance(channels, int) or channels not in raw.shape[1:]:
        return False
    places = -(-size[0] // reduction) * -(-size[1] // reduction)
    prefix = getattr(module, "num_prefix_tokens", 0) if raw.ndim == 3 else 0
    return raw[0].numel() == channels * (places + (prefix if isinstance(prefix, int) else 0))


def layout_in(raw: Tensor, module: nn.Module, size: Size) -> Layout | None:
    """The likeliest of `layouts_in`."""
    return next(iter(layouts_in(raw, module, size)), None)


def layouts_in(raw: Tensor, module: nn.Module, size: Size) -> list[Layout]:
    """The layouts that the shape of what `module`, or a part of it, gives suggests; `size` is the input's (height, width)."""
    prefix, channels = getattr(module, "num_prefix_tokens", None), getattr(module, "num_features", None)
    channels = channels if isinstance(channels, int) and channels in raw.shape[1:] else None
    stated = layouts_of(raw.shape, size, prefix=prefix if isinstance(prefix, int) else None, channels=channels)
    return list(dict.fromkeys([*stated, *layouts_of(raw.shape, size, channels=channels)]))


def _depends_on_places(split: Split, layout: Layout, raw: Tensor, context: Context, x: Tensor) -> bool:
    """Whether the logits depend on a place in the middle of the grid.

    A network that reads its class token alone ignores all other tokens after its last block. A NaN put at one place tells:
    unlike a gradient, it also gets through weights that are zero, as those of new heads often are.
    """
    grid = layout.to_grid(raw, _size(x)).clone()
    grid[:, :, grid.shape[2] // 2, grid.shape[3] // 2] = torch.nan
    with torch.no_grad(), suppress(RuntimeError, ValueError, AssertionError):  # some heads refuse a NaN
        if bool(split.decode(layout.from_grid(grid, raw), context).isnan().any()):
            return True
    # Some let none through (nan_to_num, where): there a large number tells, if the weights are not zero.
    whole = layout.to_grid(raw, _size(x)).clone()
    size = float(whole.abs().max()) or 1.0
    whole[:, :, whole.shape[2] // 2, whole.shape[3] // 2] += 10 * size
    with torch.no_grad():
        before, after = (split.decode(one.clone(), context) for one in (raw, layout.from_grid(whole, raw)))
    return not torch.equal(before, after)


def _sharpen(found: Found, module: nn.Module, x: Tensor, *, past_relu: bool) -> Found:
    """Replace hooks by a cut graph where the network can be traced and the two halves give what the whole gives."""
    if not getattr(found.split, "is_last", True):  # a graph is cut behind a layer's last run
        return found
    try:
        split = GraphSplit(module, found.split.layer, past_relu=past_relu)
    except UNTRACEABLE:
        return found
    if not _agree(split, module, x):
        return found
    with torch.no_grad():
        raw, _ = split.encode(x)
    return Found(split, found.layout, found.layout.to_grid(raw, _size(x)))


def _agree(split: Split, module: nn.Module, x: Tensor) -> bool:
    """Whether the two halves give what the whole network gives, also when one picture's activations are decoded many times.

    The second fails where a batch size, taken as a number before the cut, is used after it.
    """
    with torch.no_grad():
        whole = logits_of(module(x))
        try:
            raw, context = split.encode(x)
            halves = split.decode(raw.clone(), context)
            repeated, contexts = repeat(raw, context, 2)
            twice = split.decode(repeated.clone(), contexts)
        except UNTRACEABLE:
            return False  # nothing is lost: hooks are as exact, only slower where a method decodes many times
    tolerance = 1e-4 if x.dtype == torch.float32 else 2e-2
    return all(
        logits.shape[1:] == whole.shape[1:]
        and torch.allclose(logits, whole.expand_as(logits), rtol=tolerance, atol=tolerance * float(whole.abs().max()))
        for logits in (halves, twice)
    )


def _size(x: Tensor) -> Size:
    return x.shape[2], x.shape[3]
