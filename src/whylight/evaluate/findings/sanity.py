"""From single comparisons of maps to figures over all pictures, the curves over the stages, and a verdict on each method."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from whylight.evaluate.baselines import BASELINES, BLOB, RANDOM, random_map
from whylight.evaluate.bootstrap import Interval, interval
from whylight.evaluate.figures import Better, Cell, Curve
from whylight.evaluate.measures.similarity import spearman
from whylight.evaluate.results import Result
from whylight.explanation.receipt import PARTLY, STAYS, follows
from whylight.jobs.lines import Key
from whylight.jobs.store import Store
from whylight.methods import Method
from whylight.shown import plural

NETWORKS = 3  # with random weights, at the first and the last stage; one between them, and for slow methods
NOISE, COPIES = 0.02, 4  # standard deviation in units of the pixel range, and noisy copies of each picture

RANK = "All weights random: rank correlation"
SSIM = "All weights random: structural similarity"
LAST = "Last layer random: rank correlation"
LABELS = "Labels at random: rank correlation"
NOISE_RANK = "Small noise: rank correlation"
NOISE_SSIM = "Small noise: structural similarity"

ANSWERS = {
    RANK: "Is the map still the same when the network has forgotten everything? Near 0 it is another one, as it should be; near 1 "
    "the method draws what it draws whatever the network learned, as an edge detector does. The centred blob never changes, the "
    "random map always does: to pass is necessary, and not enough.",
    SSIM: "The same by how alike the two look. A grid of 7 × 7 is compared as a whole.",
    LAST: "And when only the layer that names the classes is random? Methods that do not ask about a class, such as eigencam, "
    "stay.",
    LABELS: "Is the map of a network that was trained on labels dealt out at random another one? It should be.",
    NOISE_RANK: "Does the map stay when the picture gets a little noise that nobody sees? It should.",
    NOISE_SSIM: "The same by how alike the two look.",
}
FIGURES = {
    "rank": (
        "Likeness to the map of the trained network",
        "share of the layers that are random, from the top",
        "rank correlation",
    ),
    "ssim": (
        "The same by structural similarity",
        "share of the layers that are random, from the top",
        "structural similarity",
    ),
}


@dataclass(frozen=True)
class Setup:
    """What is checked, and how.

    Attributes:
        methods: by the names that the report calls them.
        asked: whose map: that of the picture's own class, or of the one that is most probable.
        stages: steps from the last layer to all layers.
        seed: decides the random weights and the noise.
    """

    methods: Mapping[str, Method]
    asked: Literal["true", "predicted"] = "true"
    stages: int = 6
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """What figures depend on besides picture, method and check."""
        return {
            "class": self.asked,
            "stages": self.stages,
            "seed": self.seed,
            "noise": NOISE,
            "copies": COPIES,
            "networks": NETWORKS,
        }


def verdict(rank: float) -> str:
    """What a mean rank correlation with the maps of a network without any learned weights says about a method.

    >>> verdict(0.9)
    'does not follow the weights: do not trust'
    """
    word = follows(rank)
    then = {"does not follow the weights": ": do not trust", "follows the weights in part": ": take with care"}
    return word + then.get(word, "")


def result(
    store: Store,
    keys: Sequence[Key],
    setup: Setup,
    shares: Sequence[float],
    checks: Sequence[str],
    layers: Sequence[str],
    model: str,
    data: str,
    protocol: Mapping[str, Any],
) -> Result:
    """All figures of a sanity check over the pictures with these keys.

    Args:
        shares: of each stage, the share of the layers that are random.
        checks: names of the checks; the stages come first.
        layers: of each stage, what is random in it, in words.
    """
    found = {
        (name, check): [record for key in keys if (record := store.get((*key, name, check))) is not None]
        for name in setup.methods
        for check in checks
    }
    last = checks[len(shares) - 1]
    zero: Better = "nearer 0"
    wanted: list[tuple[str, str, str, Better]] = [(RANK, last, "rank", zero), (SSIM, last, "ssim", zero)]
    wanted += [(LAST, checks[0], "rank", zero)]
    wanted += [(LABELS, check, "rank", zero) for check in checks if check == "labels at random"]
    wanted += [(NOISE_RANK, "noise", "rank", "higher"), (NOISE_SSIM, "noise", "ssim", "higher")]
    cells: list[Cell] = []
    curves: list[Curve] = []
    remarks = (
        ["One picture only: there is no interval, and no figure says more than that picture."] if len(keys) == 1 else []
    )
    for measure, check, part, better in wanted:
        for name in setup.methods:
            values = _finite(found[name, check], part)
            if values:
                notes = [verdict(float(np.mean(values)))] if measure == RANK else []
                notes += _left_out(found[name, check], noise=check == "noise")
                cells.append(Cell(name, measure, interval(values), "", better, "; ".join(notes)))
        if check == last and part == "rank":
            cells += _baselines(keys)
    for name in setup.methods:
        for figure in FIGURES:
            means = [float(np.mean(_finite(found[name, check], figure) or [np.nan])) for check in checks[: len(shares)]]
            there = [(share, mean) for share, mean in zip(shares, means, strict=True) if np.isfinite(mean)]
            curves.append(Curve(figure, name, [0.0, *(x for x, _ in there)], [1.0, *(y for _, y in there)]))
    for name in setup.methods:
        cell = next((cell for cell in cells if (cell.method, cell.measure) == (name, RANK)), None)
        remarks.append(_remark(name, found[name, last], cell))
    return Result(
        kind="sanity",
        title="Do the maps depend on what the network learned?",
        model=model,
        data=data,
        pictures=len(keys),
        protocol={**_protocol(setup, layers), **protocol},
        cells=cells,
        curves=curves,
        figures=FIGURES,
        answers={measure: text for measure, text in ANSWERS.items() if any(cell.measure == measure for cell in cells)},
        baselines=BASELINES,
        remarks=tuple(remarks),
    )


def _finite(records: Sequence[Mapping[str, Any]], part: str) -> list[float]:
    """The values that are there."""
    return [record[part] for record in records if record[part] is not None]


def _left_out(records: Sequence[Mapping[str, Any]], *, noise: bool = False) -> Iterator[str]:
    """What is not in a figure: a method may show nothing of a picture, or not run on a network of random weights; and that
    network's maps may be blank, which under noise is a change like any other.
    """
    missing = sum(not record["maps"] for record in records)
    if missing:
        yield f"{missing} of {plural(len(records), 'picture')} left out: the map is blank, or could not be made"
    maps, blank = _maps(records)
    if blank and not noise:
        yield f"{blank} of {maps} maps of the other networks show nothing and are left out"


def _maps(records: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """How many maps of other networks were made, and how many of them are blank."""
    return sum(record["maps"] for record in records), sum(record["blank"] for record in records)


def _remark(name: str, records: Sequence[Mapping[str, Any]], cell: Cell | None) -> str:
    """The verdict on a method, and how many maps it goes by."""
    maps, blank = _maps(records)
    if cell is None:
        all_maps = f"all {maps} maps of random networks show" if maps > 1 else "the one map of a random network shows"
        why = f"{all_maps} nothing" if maps else "its maps are blank, or could not be made"
        return f"{name}: {why}; there is no figure, and no verdict."
    mean = cell.value.mean
    left = f" {blank} of {maps} maps of random networks show nothing and are left out." if blank else ""
    return f"{name}: {verdict(mean)} (rank correlation {mean:.2f}).{left}"


def _baselines(keys: Sequence[Key]) -> Iterator[Cell]:
    """What maps score that never change, and maps that are another one for each network."""
    yield Cell(BLOB, RANK, Interval(1.0, 1.0, 1.0, len(keys)), "", "nearer 0", "never changes")
    pairs = [(random_map(key[0], 0), random_map(key[0], 1)) for key in keys]
    found = [float(spearman(a[None], b[None])) for a, b in pairs]
    yield Cell(RANDOM, RANK, interval(found), "", "nearer 0", "another one for each network")


def _protocol(setup: Setup, layers: Sequence[str]) -> dict[str, Any]:
    return {
        "class": {"true": "the picture's own", "predicted": "the most probable one"}[setup.asked],
        "randomisation": "cascading, from the last layer down; each tensor of weights keeps its numbers in another order (seed "
        f"{setup.seed}); convolutions and linear layers are scaled to the spread they gave, batch norms take the statistics of "
        "what reaches them, on coloured noise; the user's network is left as it is",
        "stages (layers with weights)": list(layers),
        "networks": f"{NETWORKS} for the last layer alone and for all of them, one at the stages between and for methods that run "
        "the network many times; a picture's figure is the mean over them",
        "likeness": "of maps as the method makes them, before anything is drawn: with their sign where it keeps one, rectified "
        "where it rectifies; at the map's own size; equal values share a rank; structural similarity between minimum and maximum "
        "in windows of 7 × 7; maps of random networks that are the same everywhere are left out, maps that become so under noise "
        "count 0",
        "small noise": f"Gaussian, standard deviation {NOISE:g} of the pixels' range, {COPIES} copies",
        "verdict": f"rank correlation with all weights random: below {PARTLY:g} follows the weights, below {STAYS:g} in part",
        "intervals": "95 %, over pictures: Student's",
        "baselines": "a Gaussian in the middle, which never changes; a random map, drawn anew for each network",
    }
