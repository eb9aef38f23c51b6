"""RISE's early stop: how many masks it runs at a tolerance, and how near the map comes to that of all 4,000.

    python -m benchmarks.perturbation.stops [--goal-at 0.14]

MobileNetV2 with ImageNet weights on the pictures of `pictures/`, each for its top class. The network scores each picture under
4,000 masks once. A mask depends on its number alone, so the run that stops early sees the first of the same scores: each
tolerance is `rise` itself, given the recorded scores instead of the network.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.common.places import DATA
from benchmarks.common.report import Row, cores, record
from benchmarks.perturbation.calls import correlation

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCES = (0.1, 0.12, 0.14, 0.16)
MASKS = 4000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--goal-at", type=float, default=0.14, choices=TOLERANCES, help="tolerance that has the goals")
    options = parser.parse_args()
    about = " ".join((__doc__ or "").split("\n\n")[2].split()) + f" {cores()} cores."
    record("perturbation/stops", "RISE's early stop", measure(options.goal_at), about=about)


def measure(goal_at: float) -> list[Row]:
    """The rows of all tolerances; the goals are those of one of them."""
    files = sorted((DATA / "pictures").glob("*")) if DATA.is_dir() else []
    if not files:
        return [Row("RISE's early stop", None, note=f"no pictures at {DATA / 'pictures'}")]
    full, runs = recorded(files)
    rows = []
    for tolerance, (maps, masks) in runs.items():
        has_goal = tolerance == goal_at
        nearest = [correlation(a, b) for a, b in zip(maps, full, strict=True)]
        most, least = (MASKS / 2, 0.99) if has_goal else (None, None)
        each = "each: " + ", ".join(f"{n:,} ({r:.4f})" for n, r in zip(masks, nearest, strict=True))
        name = f"tolerance={tolerance}"
        rows += [
            Row(f"{name}: masks run, mean over {len(files)} pictures", statistics.mean(masks), "", most, note=each),
            Row(f"{name}: masks run, the most on any of them", max(masks), "", most),
            Row(f"{name}: lowest correlation with {MASKS:,} masks", min(nearest), "", least, "higher"),
        ]
    return rows


def recorded(files: list[Path]) -> tuple[Tensor, dict[float, tuple[Tensor, list[int]]]]:
    """The maps (N, H, W) of all masks, and for each tolerance the maps and the numbers of masks run."""
    import torch
    import torchvision

    import whylight
    from whylight import engine, methods
    from whylight.methods.registry import Maps, Probe, register
    from whylight.methods.rise import rise

    runs: dict[float, tuple[Tensor, list[int]]] = {}

    @register("rise-recorded", units="probability")
    def all_masks(inputs: Tensor, probe: Probe) -> Maps:
        """RISE with all masks, and from its scores the runs that stop early."""
        scores: dict[int, Tensor] = {}

        def listening(picture: int, count: int, make: Callable[[range], Tensor], **how: Any) -> Iterator[Any]:
            scores[picture] = torch.zeros(count)
            for indices, some in probe(picture, count, make, **how):
                scores[picture][indices.start : indices.stop] = some
                yield indices, some

        def replaying(picture: int, count: int, make: Callable[[range], Tensor], **how: Any) -> Iterator[Any]:
            for first in range(0, count, 10):
                indices = range(first, min(first + 10, count))
                yield indices, scores[picture][indices.start : indices.stop]

        whole = rise(inputs, listening, masks=MASKS)
        for tolerance in TOLERANCES:
            early = rise(inputs, replaying, masks=MASKS, tolerance=tolerance)
            runs[tolerance] = early.values, [detail["masks"] for detail in early.details]
        return whole

    learned = torchvision.models.mobilenet_v2()
    state = torch.load(DATA / "weights" / "mobilenet_v2_imagenet.pth", weights_only=True)
    learned.load_state_dict({key: value.float() for key, value in state.items()})
    model = whylight.wrap(learned.eval())
    x = torch.stack([model.preprocess(file) for file in files])
    return engine.maps(model, x, [methods.get("rise-recorded")], [None])[0, 0], runs


if __name__ == "__main__":
    main()
