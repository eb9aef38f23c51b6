"""Of a layer that runs several times in one forward: which runs see the picture, and which of them is meant.

An encoder may look at the picture and at a reference that is bound to the network; what it makes of the reference says nothing
about places of the picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from whylight.errors import ModelError


def runs_of(module: nn.Module, layers: Iterable[str], x: Tensor) -> dict[str, list[bool]]:
    """Of each run of each layer, in order, whether what it gives depends on the picture.

    Args:
        module: the network, in evaluation mode.
        layers: dotted names.
        x: an input (1, 3, H, W).
    """
    names = list(layers)
    here, there = (_outputs(module, names, one) for one in (x, x.flip(-1).neg() + 0.5))
    return {
        name: [not _same(a, b) for a, b in zip(here[name], there[name], strict=False)] or [False] * len(here[name])
        for name in names
    }


def chosen_run(module: nn.Module, layer: str, x: Tensor, run: int | None = None) -> tuple[int, int]:
    """The place among a layer's runs of the one that is meant, from 0, and how many runs there are.

    The one that the picture goes through; where one leads to the other, as of a rectifier that is shared, the last of them.

    Args:
        module, x: as for `runs_of`.
        layer: its dotted name.
        run: the one that somebody asks for.

    Raises:
        ModelError: if the layer does not run, there is no such run, or several runs look at the picture side by side.
    """
    (seen,) = runs_of(module, [layer], x).values()
    if not seen:
        raise ModelError(f"layer {layer!r} does not run in this model's forward: name another with layer=…")
    if run is not None:
        if not isinstance(run, int) or not 0 <= run < len(seen):
            raise ModelError(f"run={run!r}: layer {layer!r} runs {len(seen)} times; the first is run=0")
        return run, len(seen)
    able = [place for place, yes in enumerate(seen) if yes]
    if len(able) < 2:
        return (able[0] if able else len(seen) - 1), len(seen)
    if not _leads_on(module, layer, x, able):
        raise ModelError(
            f"layer {layer!r} runs {len(seen)} times in one forward, and {len(able)} of these look at the picture side by side: "
            f"say which with run=, one of {', '.join(map(str, able))}"
        )
    return able[-1], len(seen)


def _outputs(module: nn.Module, names: list[str], x: Tensor) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in names}

    def note(name: str, part: nn.Module, inputs: Any, output: Any) -> None:
        found[name].append(output.clone() if isinstance(output, Tensor) else output)

    with torch.no_grad(), ExitStack() as hooks:
        for name in names:
            hooks.enter_context(module.get_submodule(name).register_forward_hook(partial(note, name)))
        module(x)
    return found


def _leads_on(module: nn.Module, layer: str, x: Tensor, able: list[int]) -> bool:
    """Whether each run changes when the one before it gives something else."""
    plain = _outputs(module, [layer], x)[layer]

    def leads(before: int, after: int) -> bool:
        found: list[Any] = []

        def replace(part: nn.Module, inputs: Any, output: Any) -> Any:
            found.append(output.clone() if isinstance(output, Tensor) else output)
            return 2 * output + 1 if len(found) == before + 1 and isinstance(output, Tensor) else None

        with torch.no_grad(), module.get_submodule(layer).register_forward_hook(replace):
            module(x)
        return after < len(found) and not _same(found[after], plain[after])

    return all(leads(before, after) for before, after in itertools.pairwise(able))


def _same(a: Any, b: Any) -> bool:
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return not isinstance(a, Tensor) and not isinstance(b, Tensor)
    return a.shape == b.shape and torch.equal(a, b)
