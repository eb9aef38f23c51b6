"""What the check of one explanation found out, in numbers and in a sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

FILL = "the picture's own mean colour"
# Rank correlations with the map of random weights from which a map follows them in part, and from which it does not: 0.7 squared
# is one half, so that half of what tells cells apart is there without anything learned; of 0.35 it is an eighth.
PARTLY, STAYS = 0.35, 0.7
_SATURATED = len("0.9999")  # characters of a probability from which on log-odds tell more

Follows = Literal["follows the weights", "follows the weights in part", "does not follow the weights"]


def follows(rank: float) -> Follows:
    """What the rank correlation of maps with those of random weights says of them: the one rule of `verify` and `sanity`.

    >>> [follows(rank) for rank in (0.2, 0.5, 0.9)]
    ['follows the weights', 'follows the weights in part', 'does not follow the weights']
    """
    if rank >= STAYS:
        return "does not follow the weights"
    return "follows the weights in part" if rank >= PARTLY else "follows the weights"


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
        networks: how many there were whose maps could be compared.
        blank_networks: how many there were besides whose maps show nothing. They have no order that could be compared, and are
            left out; where all are, `rank` is None.
        why_not: why the randomisation check was not made; "" where it was.
        odds, odds_removed, odds_random: log-odds of the class, log(p / (1 - p)), for `score`, `removed` and (their mean) `random`:
            what the removals are judged by, since probabilities of a sure network are all 1. None where a function was explained.
        absent: the class says that something is not there (`no face` beside `face`). An absence has no place, so that no map of it
            could be right or wrong: nothing is checked.
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
    blank_networks: int = 0
    why_not: str = ""
    odds: float | None = None
    odds_removed: float | None = None
    odds_random: float | None = None
    absent: bool = False

    @property
    def follows(self) -> Follows | None:
        """Whether the map changes when the weights are randomised, as it should; None where that could not be checked."""
        return None if self.rank is None else follows(self.rank)

    @property
    def survives(self) -> bool | None:
        """Whether it passes that check: it follows the weights, and not in part only; None where that could not be checked."""
        return None if self.rank is None else self.follows == "follows the weights"

    @property
    def holds(self) -> bool | None:
        """Whether nothing speaks against the map: its hottest pixels matter more than 95 of 100 others, and it is the network's.

        None of an absence, which has no place.
        """
        if self.absent:
            return None
        return self.percentile is not None and self.percentile >= 95 and self.survives is not False

    @property
    def sentence(self) -> str:
        """All of it in words."""
        if self.absent:
            return f"{self.label!r} says that something is not there, and an absence has no place: there is nothing to check."
        if self.score is None or self.removed is None or self.random is None:
            nothing = "has no positive evidence anywhere" if self.blank else "is the same everywhere"
            return (
                f"the map {nothing}: there is no hottest part to remove, and nothing that other weights could change."
            )
        name, fell = "score", self.removed < self.score
        before, after, others = _numbers((self.score, self.removed, self.random), self.is_probability)
        if self.odds is not None and self.odds_removed is not None and self.odds_random is not None:
            near = before == after or len(before) > _SATURATED  # so many digits say nothing to anybody
            if near and self.odds != self.odds_removed:
                name, fell = f"log-odds (its probability stays at {self.score:.2f})", self.odds_removed < self.odds
                before, after, others = _numbers((self.odds, self.odds_removed, self.odds_random), False)
        of, aside = f"{self.lower} of {self.draws} random removals of the same size", f"({others} on average)"
        if before == after:
            change = f"leaves the {name} at {before}; after {of} it is higher {aside}"
        elif fell:
            change = f"drops the {name} from {before} to {after}, more than {of} {aside}"
        else:
            change = f"raises the {name} from {before} to {after}; after {of} it is higher {aside}"
        return f"removing the hottest {100 * self.share:g} % of the picture {change}; {self._weights()}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {
            **asdict(self),
            "follows": self.follows,
            "survives": self.survives,
            "holds": self.holds,
            "sentence": self.sentence,
        }

    def __str__(self) -> str:
        return self.sentence

    def _weights(self) -> str:
        if self.rank is None:
            what = "cannot be told" if self.blank_networks else "was not checked"
            return f"whether it changes when the weights are randomised {what}: {self.why_not}."
        total = self.networks + self.blank_networks
        left = f" ({self.blank_networks} of {total} left out: blank maps)" if self.blank_networks else ""
        if self.survives:
            return f"the map {self.follows}: it changes when they are randomised{left}."
        how, then = ("only in part", "take it with care") if self.rank < STAYS else ("hardly", "do not trust it")
        same = f"it changes {how} when they are randomised{left} (rank correlation {self.rank:.2f})"
        return f"but the map {self.follows}: {same}; {then}."


def _numbers(values: tuple[float, float, float], is_probability: bool) -> list[str]:
    """Before, after and at random, with as many digits as it takes to tell the first two apart; six at most."""

    def told(value: float, digits: int) -> str:
        if not is_probability:
            return f"{value:.{digits + 2}g}"
        return f"{value:.{digits}f}" if value >= 0.01 or value == 0 else f"{value:.{digits}g}"

    for digits in range(2, 7):
        texts = [told(value, digits) for value in values]
        if texts[0] != texts[1]:
            return texts
    return [told(value, 2) for value in values]
