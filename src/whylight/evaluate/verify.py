"""The receipt for one explanation: is the score in the hottest pixels, and is the map the network's own?"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from whylight.engine import Precision
from whylight.errors import MethodError, ModelError, TargetError
from whylight.evaluate.baselines import blob
from whylight.evaluate.faithfulness import evidence, maps_for
from whylight.evaluate.ranking import enlarge, is_flat, ranks
from whylight.evaluate.sanity_figures import STAYS
from whylight.evaluate.scoring import Scorer
from whylight.evaluate.similarity import spearman, ssim
from whylight.explanation import Explanation
from whylight.methods import Method, get
from whylight.models.base import Classifier
from whylight.models.model import Model
from whylight.models.randomise import randomised
from whylight.targets import Resolved

FILL = "the picture's own mean colour"
_NETWORKS = 3  # with random weights; for methods that run the network many times, one


@dataclass(frozen=True)
class Receipt:
    """What was found out about one explanation. Printed, it is one plain sentence.

    Attributes:
        label: what was explained.
        method: the method.
        blank: there is no positive evidence. Of such a map, and of one that is the same everywhere, nothing is checked: the
            figures are None then.
        share: how much of the picture was removed, the hottest pixels first.
        score: before.
        removed: after the hottest pixels are gone.
        random: after as many others are gone: the mean over `draws` random places.
        lower: how many of the draws leave a higher score than the hottest pixels' removal.
        percentile: 0 … 100: the share of the draws that cost less; equal ones count half. 50 is chance.
        centre: after as many pixels in the middle of the picture are gone.
        draws: random places that were tried.
        fill: what removed pixels become.
        is_probability: scores are probabilities; otherwise the target was a function of the logits.
        rank: rank correlation of the map with those of the same network with random weights; None where it could not be
            checked.
        ssim: structural similarity with them.
        networks: how many there were.
        why_not: why the randomisation check was not made; "" where it was.
    """

    label: str
    method: str
    blank: bool
    share: float
    score: float | None = None
    removed: float | None = None
    random: float | None = None
    lower: int = 0
    percentile: float | None = None
    centre: float | None = None
    draws: int = 0
    fill: str = FILL
    is_probability: bool = True
    rank: float | None = None
    ssim: float | None = None
    networks: int = 0
    why_not: str = ""

    @property
    def survives(self) -> bool | None:
        """Whether the map changes when the weights are randomised, as it should; None where that could not be checked."""
        return None if self.rank is None else self.rank < STAYS

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against the map: its hottest pixels matter more than 95 of 100 others, and it is the network's."""
        return self.percentile is not None and self.percentile >= 95 and self.survives is not False

    @property
    def sentence(self) -> str:
        """All of it in words."""
        if self.score is None or self.removed is None or self.random is None:
            nothing = "has no positive evidence anywhere" if self.blank else "is the same everywhere"
            return (
                f"the map {nothing}: there is no hottest part to remove, and nothing that other weights could change."
            )
        before, after, others = (
            _number(value, self.is_probability) for value in (self.score, self.removed, self.random)
        )
        verb = "drops" if self.removed < self.score else "raises" if self.removed > self.score else "moves"
        return (
            f"removing the hottest {100 * self.share:g} % of the picture {verb} the score from {before} to {after}; random "
            f"removal: {others} (lower than {self.lower} of {self.draws} random removals); {self._weights()}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {**asdict(self), "survives": self.survives, "holds": self.holds, "sentence": self.sentence}

    def __str__(self) -> str:
        return self.sentence

    def _weights(self) -> str:
        if self.rank is None:
            return f"whether it changes when the weights are randomised was not checked: {self.why_not}."
        if self.survives:
            return "the map changes when the weights are randomised."
        return f"but the map hardly changes when the weights are randomised (rank correlation {self.rank:.2f}): do not trust it."


class Networks:
    """Copies of a model with random weights, made when first needed: for receipts of many explanations by one model."""

    def __init__(self, model: Classifier) -> None:
        self._model = model
        self._made: list[Model] = []

    def __call__(self, count: int) -> list[Model]:
        """The first ones.

        Raises:
            ModelError: if there are no weights to randomise, or the network cannot be copied.
        """
        if not isinstance(self._model, Model):
            raise ModelError("it is a black box, whose weights cannot be seen")
        while len(self._made) < count:
            self._made.append(randomised(self._model, seed=len(self._made)))
        return self._made[:count]


def verify(
    model: Classifier,
    ex: Explanation,
    *,
    method: str | Method | None = None,
    target: Resolved | int | None = None,
    x: Tensor | None = None,
    share: float = 0.1,
    draws: int = 100,
    seed: int = 0,
    precision: Precision = "auto",
    networks: Networks | None = None,
) -> Receipt:
    """Check one explanation against its model: what `ex.verify()` does, for an explanation that no longer knows its model.

    The hottest pixels are removed, then pixels at random places: the same shape, mirrored and moved at random, what leaves the
    picture on one side coming in on the other, so that it has the same area and is as much in one piece. Then the map is
    made again by copies of the network with random weights, and should be another one.

    Args:
        model: the model that was explained. It is left as it is.
        ex: the explanation.
        method: how it was made, where that is more than a method's name: with options, or a wrapper.
        target: what was explained; default: the explanation's class.
        x: the input (3, H, W) that was explained; default: the picture, prepared again.
        share: how much of the picture to remove, above 0, below 1.
        draws: random places, at least 1.
        seed: decides them.
        precision: as in `whylight.explain`.
        networks: copies with random weights, where many explanations are checked.

    Raises:
        MethodError: if the method's name is no method's, or an argument cannot be used.
        TargetError: if a function was explained, and is not given.
    """
    if not 0 < share < 1 or draws < 1:
        raise MethodError(f"verify: share must lie between 0 and 1, and draws be at least 1; got {share:g} and {draws}")
    asked = _method(ex, method)
    goal = _target(ex, target)
    x = (model.preprocess(ex.picture) if x is None else x).unsqueeze(0).to(model.device)
    heat = enlarge([evidence(ex)], (x.shape[2], x.shape[3]))
    facts: dict[str, Any] = {
        "label": ex.label,
        "method": ex.method,
        "blank": ex.is_blank,
        "share": share,
        "is_probability": goal.function is None,
    }
    if ex.is_blank or bool(is_flat(heat)):
        return Receipt(**facts, why_not="the map is the same everywhere, or blank")
    facts |= _removals(model, x, heat, goal, share, draws, seed, precision)
    facts |= _randomisation(model, x, ex, asked, goal, precision, networks or Networks(model))
    return Receipt(**facts)


def _removals(
    model: Classifier,
    x: Tensor,
    heat: Tensor,
    goal: Resolved,
    share: float,
    draws: int,
    seed: int,
    precision: Precision,
) -> dict[str, Any]:
    """Scores without the hottest part, without the middle, and without random parts."""
    pixels = heat[0].numel()
    count = min(max(1, round(share * pixels)), pixels - 1)
    hot = ranks(heat)[0] < count  # (H, W)
    middle = ranks(blob((x.shape[2], x.shape[3])).unsqueeze(0))[0] < count
    gone = torch.stack([torch.zeros_like(hot), hot, middle, *_moved(hot, draws, seed)]).to(
        x.device
    )  # (3 + draws, H, W)
    colour = x.mean((2, 3), keepdim=True)  # (1, 3, 1, 1)
    targets: Tensor | Resolved = goal if goal.index is None else torch.tensor([goal.index])

    def make(chunk: range) -> Tensor:
        return torch.where(gone[chunk.start : chunk.stop].unsqueeze(1), colour, x)

    with model.borrow():
        found = Scorer(model, x, targets, precision=precision)(torch.zeros(len(gone), dtype=torch.long), make)
    score, removed, centre, *others = found.tolist()
    lower = sum(other > removed for other in others)
    same = sum(other == removed for other in others)
    return {
        "score": score,
        "removed": removed,
        "centre": centre,
        "random": sum(others) / draws,
        "lower": lower,
        "percentile": 100 * (lower + same / 2) / draws,
        "draws": draws,
    }


def _moved(hot: Tensor, draws: int, seed: int) -> list[Tensor]:
    """A region (H, W) mirrored and moved at random, round the edges."""
    dice = torch.Generator().manual_seed(seed)
    found = []
    for down, across, mirrored, turned in torch.rand((draws, 4), generator=dice).tolist():
        sides = [side for side, yes in ((0, turned < 0.5), (1, mirrored < 0.5)) if yes]
        shift = (int(down * hot.shape[0]), int(across * hot.shape[1]))
        found.append(hot.flip(sides).roll(shift, (0, 1)))
    return found


def _randomisation(
    model: Classifier,
    x: Tensor,
    ex: Explanation,
    method: Method,
    goal: Resolved,
    precision: Precision,
    networks: Networks,
) -> dict[str, Any]:
    """How like the map is to those of networks with random weights."""
    try:
        chosen = networks(1 if method.is_slow else _NETWORKS)
        maps = torch.cat([maps_for(one, x, method, goal, precision=precision) for one in chosen])  # (n, h, w)
    except (ModelError, MethodError) as error:
        return {"why_not": str(error).rstrip(".")}
    before = evidence(ex).expand_as(maps)
    maps = torch.where(maps.isfinite().flatten(1).all(1)[:, None, None], maps, 0.0)
    rank, alike = float(spearman(before, maps).mean()), float(ssim(before, maps).mean())
    return {"rank": rank, "ssim": alike, "networks": len(chosen)}


def _method(ex: Explanation, method: str | Method | None) -> Method:
    if isinstance(method, Method):
        return method
    try:
        return get(method or ex.method)
    except MethodError as error:
        raise MethodError(
            f"verify: how the map was made is not known: {error}. Give method=, as it was given to explain"
        ) from error


def _target(ex: Explanation, target: Resolved | int | None) -> Resolved:
    if isinstance(target, Resolved):
        return target
    index = ex.target if target is None else target
    if index is None:
        raise TargetError(
            f"verify: {ex.label!r} is no class but a function of the logits, which is not known here; call ex.verify() on the "
            "explanation as it came, or give target="
        )
    return Resolved(index=index)


def _number(value: float, is_probability: bool) -> str:
    return f"{value:.2f}" if is_probability else f"{value:.4g}"
