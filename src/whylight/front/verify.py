"""The receipt for one explanation: is the score in the hottest pixels, and is the map the network's own?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from whylight.engine import Precision
from whylight.errors import MethodError, ModelError, TargetError
from whylight.evaluate.asking import evidence
from whylight.evaluate.baselines import blob
from whylight.evaluate.faithfulness import maps_for
from whylight.evaluate.measures.ranking import enlarge, is_flat, ranks
from whylight.evaluate.measures.scoring import Scorer
from whylight.evaluate.measures.similarity import spearman, ssim
from whylight.explanation import Explanation
from whylight.explanation.receipt import Receipt
from whylight.localize.location import is_background
from whylight.methods import Method, get
from whylight.models.base import Classifier, checked
from whylight.models.model import Model
from whylight.models.randomise import randomised
from whylight.targets import Resolved

_NETWORKS = 3  # with random weights; for methods that run the network many times, one


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
    checked(model)
    if not 0 < share < 1 or draws < 1:
        raise MethodError(f"verify: share must lie between 0 and 1, and draws be at least 1; got {share:g} and {draws}")
    asked = _method(ex, method)
    goal = _target(ex, target)
    x = (model.preprocess(ex.picture) if x is None else x).unsqueeze(0).to(model.device)
    heat = enlarge([evidence(ex)], (x.shape[2], x.shape[3]), [ex.span])
    facts: dict[str, Any] = {
        "label": ex.label,
        "method": ex.method,
        "blank": ex.flat == "blank",
        "share": share,
        "is_probability": goal.function is None,
    }
    if goal.index is not None and is_background(model.classes[goal.index], model.classes):
        return Receipt(**facts, absent=True)
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
    """Scores without the hottest part, without the middle, and without random parts.

    Of a class they are compared by log-odds: probabilities of a sure network are all 1, and differ by rounding.
    """
    pixels = heat[0].numel()
    count = min(max(1, round(share * pixels)), pixels - 1)
    hot = ranks(heat)[0] < count  # (H, W)
    middle = ranks(blob((x.shape[2], x.shape[3])).unsqueeze(0))[0] < count
    gone = torch.stack([torch.zeros_like(hot), hot, middle, *_moved(hot, draws, seed)]).to(
        x.device
    )  # (3 + draws, H, W)
    colour = x.mean((2, 3), keepdim=True)  # (1, 3, 1, 1)
    is_class = goal.index is not None
    targets: Tensor | Resolved = torch.tensor([goal.index]) if is_class else goal

    def make(chunk: range) -> Tensor:
        return torch.where(gone[chunk.start : chunk.stop].unsqueeze(1), colour, x)

    with model.borrow():
        ask = Scorer(model, x, targets, precision=precision, odds=is_class)
        found = ask(torch.zeros(len(gone), dtype=torch.long), make)
    judged = found[1]
    lower = int((found[3:] > judged).sum())
    same = int((found[3:] == judged).sum())
    told: dict[str, Any] = {}
    if is_class:
        told = {"odds": float(found[0]), "odds_removed": float(judged), "odds_random": float(found[3:].mean())}
        found = found.sigmoid()
    score, removed, centre, *others = found.tolist()
    return {
        "score": score,
        "removed": removed,
        "centre": centre,
        "random": sum(others) / draws,
        "lower": lower,
        "percentile": 100 * (lower + same / 2) / draws,
        "draws": draws,
        **told,
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
    # A map that shows nothing has no order that could be compared: it says nothing about the method.
    maps = maps[maps.isfinite().flatten(1).all(1) & ~is_flat(maps)]
    blank = len(chosen) - len(maps)
    if not len(maps):
        what = "the map of a network" if blank == 1 else f"the maps of all {blank} networks"
        shows = "shows" if blank == 1 else "show"
        return {"blank_networks": blank, "why_not": f"{what} with random weights {shows} nothing"}
    before = evidence(ex).expand_as(maps)
    rank, alike = float(spearman(before, maps).mean()), float(ssim(before, maps).mean())
    return {"rank": rank, "ssim": alike, "networks": len(maps), "blank_networks": blank}


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
