"""How well an exported graph agrees with the network it was made from, on pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from whylight.errors import TargetError
from whylight.evaluate.labels import Labels
from whylight.models.adapters.exported import Exported
from whylight.models.model import Model


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How well a graph agrees with its network, on pictures that its ranges were not read off.

    Args:
        pictures: how many.
        top: share of them whose surest class is the same.
        maps: mean correlation of the maps of the network's surest class; NaN where the graph has none.
        right: shares of the pictures that the network and the graph class as the folder they lie in; None where folders are not
            the classes.
    """

    pictures: int
    top: float
    maps: float
    right: tuple[float, float] | None

    def __str__(self) -> str:
        """In words, for people."""
        words = [f"the same class on {self.top:.1%} of {self.pictures} pictures"]
        if self.maps == self.maps:
            words.append(f"maps correlate by {self.maps:.4f}")
        if self.right is not None:
            words.append(f"right on {self.right[1]:.1%}, the network on {self.right[0]:.1%}")
        return "; ".join(words)


def both(model: Model, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """Logits (N, C) and, where the head is linear, maps (N, C, h, w) of the network itself."""
    logits = model.logits(x)
    if model.linear is None:
        return logits, None
    grid = model.features(x)
    return logits, F.conv2d(grid.float(), model.linear.weight.to(grid.device)[:, :, None, None])


def agreement(
    model: Model, exported: Exported, pictures: Sequence[Path], tick: Callable[[], None] = lambda: None
) -> Agreement:
    """Compare them, picture by picture.

    Args:
        model: the network.
        exported: its graph.
        pictures: files; where the folders they lie in are classes of the model, these are what they show.
        tick: called after each picture.

    Raises:
        ImageError: if one cannot be read.
    """
    same, correlations, right = 0, [], [0, 0]
    shown = _labels(model, pictures)
    for place, picture in enumerate(pictures):
        x = model.preprocess(str(picture)).unsqueeze(0)
        logits, maps = both(model, x)
        top = int(logits.argmax())
        if maps is not None and exported.facts.grid is not None:
            found, theirs = exported.look(x)
            correlations.append(
                float(torch.corrcoef(torch.stack([maps[0, top].cpu().flatten(), found[0, top].flatten()]))[0, 1])
            )
        else:
            theirs = exported.logits(x)
        same += int(theirs.argmax()) == top
        if shown is not None:
            right[0] += shown[place] == top
            right[1] += shown[place] == int(theirs.argmax())
        tick()
    n = len(pictures)
    maps_agree = torch.tensor(correlations).nanmean().item() if correlations else float("nan")
    return Agreement(
        pictures=n, top=same / n, maps=maps_agree, right=None if shown is None else (right[0] / n, right[1] / n)
    )


def _labels(model: Model, pictures: Sequence[Path]) -> list[int] | None:
    """What each picture shows, by the folder it lies in; None where one folder is no class."""
    labels = Labels(model.classes)
    try:
        return [model.classes.index(labels.name(picture.parent.name)) for picture in pictures]
    except TargetError:
        return None
