"""Weights as people have them: find the state dict in somebody's checkpoint, and lay it onto a network."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from whylight.errors import ModelError
from whylight.models.surgery import classifier_of
from whylight.models.zoo import pickled
from whylight.shown import plural

State = Mapping[str, Tensor]
_DEEP = 3  # how deep in a checkpoint state dicts are looked for
# What wrappers put between a part's name and its own tensors': torch.compile, sharding, checkpointing.
_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


def load_foreign(
    module: nn.Module,
    path: str | os.PathLike[str],
    *,
    without: str | None = None,
    say: Callable[[str], None] | None = None,
) -> list[str]:
    """Copy weights from somebody's file into a network: a state dict in .safetensors, .pth, .pt or .ckpt.

    It may lie within a checkpoint (beside settings and an optimizer's state), once more as a moving average (EMA, which is taken
    then), and its names may begin with what a wrapper put before them ("module.", "model.", "_orig_mod.", …): what fits the
    network is taken. The last layer stays as it is where the file's was made for another number of classes. PyTorch files are
    read with `weights_only=True`, so a file can never run code.

    Args:
        module: the network to fill, in place.
        path: the file.
        without: leave out the tensors whose names begin so: the network has no place for them.
        say: told in one line what was taken, where that is not simply all of the file.

    Returns:
        The names of the parameters that were left as they are (the last layer's), often none.

    Raises:
        ModelError: the file is missing or no state dict, or does not fit: it names the keys and shapes.
    """
    path = Path(path)
    wanted = module.state_dict()
    found = [one for place, state in _states(path) for one in _fitting(place, state, wanted)]
    chosen = _chosen(path, found)
    state = {name: value for name, value in chosen.state.items() if without is None or not name.startswith(without)}
    left, renamed = fill(module, state, str(path))
    if say is not None and (said := "; ".join(filter(None, (chosen.words, renamed)))):
        say(f"{path}: {said}")
    return left


def read_state(path: Path) -> dict[str, Tensor]:
    """Read the state dict of somebody's file, without "module." before its names: the largest, where there are several.

    Raises:
        ModelError: the file is missing, damaged, or holds no state dict.
    """
    _, state = max(_states(path), key=lambda one: len(one[1]))
    return {name.removeprefix("module."): value for name, value in state.items()}


def rows_of(path: str | os.PathLike[str], name: str) -> int | None:
    """How many rows a file's tensor of a name has, whatever a wrapper put before it; None where there is none."""
    found = (
        value for _, state in _states(Path(path)) for key, value in state.items() if f".{key}".endswith(f".{name}")
    )
    return next((len(value) for value in found if value.ndim), None)


@dataclass(frozen=True)
class _Fitting:
    """A state dict in a file, its names as the network's: where it lay, what stood before the names, how many names fit."""

    place: str
    prefix: str
    state: State
    fits: int
    aside: tuple[str, ...]

    @property
    def is_average(self) -> bool:
        """Whether its name says that it is a moving average of the weights."""
        words = re.split(r"[._]", f"{self.place}.{self.prefix}")
        return any(word.lower().startswith("ema") or word.endswith("EMA") for word in words)

    @property
    def words(self) -> str:
        """What was taken, where that is not all of the file under its own names."""
        parts = [f"its {self.place!r}"] if self.place else []
        parts += [f"the tensors under {self.prefix!r}"] if self.prefix else []
        if not parts:
            return ""
        average = ", a moving average of the weights," if self.is_average else ""
        left = (
            f"; {plural(len(self.aside), 'tensor')} beside them left aside ({self.aside[0]}, …)" if self.aside else ""
        )
        return f"taken: {', '.join(parts)}{average}{left}".rstrip(",").replace(",;", ";")


def _states(path: Path) -> list[tuple[str, State]]:
    """Each state dict in a file, by the keys that lead to it."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file of weights")
    if path.suffix == ".safetensors":
        try:
            return [("", safetensors.torch.load_file(path))]
        except (*pickled.DAMAGED, safetensors.SafetensorError) as error:
            raise ModelError(f"{path}: not a file of weights that can be read safely ({error})") from error
    content = pickled.read(path)
    found = list(_dicts("", content, _DEEP))
    if not found:
        parts = content.values() if isinstance(content, Mapping) and pickled.class_of(content) is None else [content]
        classes = [name for part in parts if (name := pickled.class_of(part))]
        if classes:
            raise pickled.whole_network(path, classes[0])
        raise ModelError(f"{path}: holds no state dict (names with tensors). {pickled.CONVERT}")
    for _, state in found:
        for name, value in state.items():
            _check(path, name, value)
    return found


def _dicts(place: str, content: Any, deep: int) -> Iterator[tuple[str, State]]:
    if not isinstance(content, Mapping) or not content or pickled.class_of(content) is not None:
        return
    if all(isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()):
        yield place, content
    elif deep:
        for key, value in content.items():
            if isinstance(key, str):
                yield from _dicts(f"{place}.{key}" if place else key, value, deep - 1)


def _check(path: Path, name: str, value: Tensor) -> None:
    """Raise a ModelError where a tensor has no plain numbers."""
    if value.layout is not torch.strided or value.is_meta or value.is_quantized or value.is_complex():
        kind = next(
            word
            for word, yes in (
                ("sparse", value.layout is not torch.strided),
                ("without numbers (meta)", value.is_meta),
                ("quantised", value.is_quantized),
                ("complex", True),
            )
            if yes
        )
        raise ModelError(
            f"{path}: {name} is {kind}; weights must be dense real numbers. Where it was made, convert it first"
        )


def _fitting(place: str, state: State, wanted: State) -> Iterator[_Fitting]:
    """The ways to read a state dict as the network's: with what may stand before the names taken off."""
    plain = {_unwrapped(name, wanted): value for name, value in state.items()}
    anchors = [name for name, value in wanted.items() if value.ndim > 1] or list(wanted)
    prefixes = {""} | {
        name.removesuffix(anchor) for anchor in anchors[:3] for name in plain if name.endswith(f".{anchor}")
    }
    for prefix in sorted(prefixes, key=len):
        own = {name.removeprefix(prefix): value for name, value in plain.items() if name.startswith(prefix)}
        fits = sum(name in own and own[name].shape == value.shape for name, value in wanted.items())
        aside = tuple(name for name in plain if not name.startswith(prefix))
        yield _Fitting(place, prefix, own, fits, aside)


def _unwrapped(name: str, wanted: State) -> str:
    if name not in wanted:
        for wrapper in _WRAPPERS:
            name = name.replace(wrapper, "")
    return name


def _chosen(path: Path, found: list[_Fitting]) -> _Fitting:
    """The one that fits best; of equal ones the moving average.

    Raises:
        ModelError: if several fit, with other numbers, and none is the moving average.
    """
    most = max(one.fits for one in found)
    best = [one for one in found if one.fits == most]
    first = next((one for one in best if one.is_average), best[0])
    if most and not first.is_average:
        others = [one for one in best if not _same(one.state, first.state)]
        if others:
            names = ", ".join(repr(f"{one.place}.{one.prefix}".strip(".")) for one in (first, *others))
            raise ModelError(
                f"{path}: holds several networks that fit: {names}. Save the one that you mean: "
                f"torch.save(torch.load({path.name!r}, weights_only=True)[…], 'weights.pth')"
            )
    return first


def _same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def fill(module: nn.Module, state: dict[str, Tensor], origin: str) -> tuple[list[str], str]:
    """Copy weights into a network: (names of what was left as it is, words on a last layer of another name).

    Args:
        module: the network, changed in place.
        state: tensors by the network's names; changed, too.
        origin: what the weights are from, for errors.

    Raises:
        ModelError: if they do not fit; it names keys and shapes.
    """
    wanted = module.state_dict()
    head, _ = classifier_of(module)
    renamed = _rename_head(state, wanted, head)
    left = [
        key
        for key in (f"{head}.weight", f"{head}.bias")
        if key in state and key in wanted and state[key].shape[0] != wanted[key].shape[0]
        and state[key].shape[1:] == wanted[key].shape[1:]
    ]  # fmt: skip
    for key in left:
        state[key] = wanted[key]
    counters = {key for key in wanted if key.endswith("num_batches_tracked")}  # absent from some exports, never used
    faults = [f"missing {key}" for key in wanted if key not in state and key not in counters]
    faults += [f"unexpected {key}" for key in state if key not in wanted]
    faults += [
        f"{key} is {tuple(state[key].shape)}, the network's is {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and state[key].shape != wanted[key].shape
    ]
    if faults:
        shown = "; ".join(faults[:6]) + (f"; and {len(faults) - 6} more" if len(faults) > 6 else "")
        own = _own_head(state, wanted, head)
        raise ModelError(
            f"{origin} does not fit {type(module).__name__}: {shown}. " + (own or "Is it the right architecture?")
        )
    module.load_state_dict({**{key: wanted[key] for key in counters}, **state})
    return left, renamed


def _rename_head(state: dict[str, Tensor], wanted: State, head: str) -> str:
    """Take one linear layer of another name for the last layer, where the names differ by nothing else."""
    more = [name for name in state if name not in wanted]
    other = {name.rpartition(".")[0] for name in more}
    like, weight = wanted.get(f"{head}.weight"), next((state[name] for name in more if name.endswith(".weight")), None)
    if (
        len(other) != 1
        or f"{head}.weight" in state
        or like is None
        or weight is None
        or weight.shape[1:] != like.shape[1:]
    ):
        return ""
    (name,) = other
    for key in more:
        state[f"{head}.{key.rpartition('.')[2]}"] = state.pop(key)
    return f"its last layer {name!r} is taken for {head!r}, which is right where nothing but dropout stands before it"


def _own_head(state: State, wanted: State, head: str) -> str:
    """What to do about a head of several layers; "" where the difference is another one."""
    stem = head.split(".")[0]
    missing = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    more = [name for name in state if name not in wanted]
    if missing and more and all(name.startswith(f"{stem}.") for name in (*missing, *more)):
        return (
            f"Its head ({stem}) is another one than the architecture's: build the network with that head, load the file into "
            "it, and whylight.wrap(network, …)"
        )
    return ""
