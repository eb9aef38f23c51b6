"""Deletion, insertion and ROAD: how long they take, known figures, and the other libraries' own metric code on the same maps.

    python -m benchmarks.faithfulness.metrics [--quick] [--part NAME…] [--quantus FOLDER]

MobileNetV2 with its ImageNet weights on imagenet10/val (WHYLIGHT_DATA). Quantus asks for opencv-python 5, which would take the
place of the pinned 4.x, so it goes into a folder by itself:

    uv pip install --no-deps --target FOLDER quantus cachetools scikit-image imageio lazy-loader tifffile pandas

--quick takes few pictures; it and --part print their figures and write no results.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.common.places import DATA
from benchmarks.common.report import Row, record
from benchmarks.faithfulness.peers import (
    grad_cam_road,
    quantus_deletion,
    torchcam_curves,
    torchcam_drop,
    why_no_quantus,
)

if TYPE_CHECKING:
    from torch import Tensor

    from whylight.evaluate.data import Labelled
    from whylight.evaluate.results import Result
    from whylight.models.base import Classifier

METHODS = (
    *("cam", "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "elementgradcam", "eigencam", "fem"),
    "shapleycam",
)
KNOWN = {  # with other code, on 60 of these pictures that are not known one by one, 28 steps
    "cam": (0.595, 0.116),
    "random 7 × 7 map": (0.366, 0.236),
    "centred blob": (0.535, 0.138),
}
GOALS = {("locate", "insertion"): 0.64, ("locate", "deletion"): 0.09}  # of the true class
PARTS = ("peers", "time", "known")
MINUTES = 15.0
STEPS = 28
TITLE = "Faithfulness: deletion and insertion"
ABOUT = (
    "MobileNetV2, 224 pixels, imagenet10/val. Time: deletion and insertion in 28 steps of the maps of 10 methods and two "
    "baselines, maps and decoding included, by `whylight.evaluate.faithfulness`. Ratios are ours to the other library's own "
    "code on the same maps; ours in bfloat16 where the processor has it, agreement in float32."
)


def load() -> Classifier:
    import whylight

    whylight.tune_allocator()
    weights = DATA / "weights" / "mobilenet_v2_imagenet.pth"
    return whylight.load("torchvision/mobilenet_v2", weights=weights, device="cpu")


def measured(model: Classifier, pictures: Sequence[Labelled], names: Sequence[str], asked: Any) -> tuple[Result, float]:
    """Deletion and insertion of methods and baselines, and the seconds they took."""
    from whylight.evaluate.faithfulness import Setup, faithfulness
    from whylight.jobs.store import Store
    from whylight.localize.locator import method_named

    setup = Setup({name: method_named(model, name) for name in names}, asked, ("insertion", "deletion"))
    with tempfile.TemporaryDirectory() as folder, Store(folder, "faithfulness", setup.settings()) as store:
        start = time.perf_counter()
        result = faithfulness(model, pictures, setup, store)
        return result, time.perf_counter() - start


def spread(items: Sequence[Any], count: int) -> list[Any]:
    return [items[i * len(items) // count] for i in range(count)]


def duration(model: Classifier, pictures: Sequence[Labelled], quick: bool) -> list[Row]:
    some = spread(pictures, 4) if quick else pictures
    measured(model, some[:1], METHODS[:1], "true")  # the copy is made before the clock runs
    _, seconds = measured(model, some, METHODS, "true")
    forwards = len(some) * ((len(METHODS) + 2) * 2 * (STEPS - 1) + 3)
    whole = seconds * len(pictures) / len(some) / 60
    note = f"from {len(some)} pictures" if quick else ""
    return [
        Row(f"{len(pictures)} pictures × {len(METHODS)} methods and 2 baselines", whole, "min", MINUTES, note=note),
        Row("perturbed pictures a second", forwards / seconds, "", better="higher"),
    ]


def known(model: Classifier, pictures: Sequence[Labelled], quick: bool) -> list[Row]:
    some = spread(pictures, 12 if quick else 60)
    rows = []
    names = ("cam", "locate-fast", "locate")
    for asked, words in (("predicted", "most probable class"), ("true", "true class")):
        result, _ = measured(model, some, names, asked)
        for name in dict.fromkeys((*names, *KNOWN)):
            for place, measure in enumerate(("insertion", "deletion")):
                cell = result.cell(name, measure)
                assert cell is not None
                note = f"95 % interval {cell.value.low:.3f} … {cell.value.high:.3f}"
                if name in KNOWN:
                    note += f"; known: {KNOWN[name][place]}"
                better = "higher" if measure == "insertion" else "lower"
                goal = GOALS.get((name, measure)) if asked == "true" else None
                rows.append(Row(f"{measure}, {name}, {words}", cell.value.mean, "", goal, better, note))
    return rows


def taken(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = call()
    return found, time.perf_counter() - start


def peers(model: Any, pictures: Sequence[Labelled], quick: bool, quantus: str | None) -> list[Row]:
    import torch

    import whylight
    from whylight.evaluate.measures.deletion import Protocol, area, curves
    from whylight.evaluate.measures.drop import drop
    from whylight.evaluate.measures.ranking import enlarge
    from whylight.evaluate.measures.road import road
    from whylight.evaluate.measures.scoring import Scorer

    some = spread(pictures, 2 if quick else 12)
    exs = whylight.explain(model, [one.path for one in some], method="cam")
    x = torch.stack([model.preprocess(one.path) for one in some]).contiguous()
    targets = [ex.target for ex in exs]
    heat = enlarge([ex.map.clamp(min=0) for ex in exs], (224, 224))
    heat /= heat.amax((1, 2), keepdim=True)
    heat += 1e-6 * torch.rand(
        heat.shape, generator=torch.Generator().manual_seed(0)
    )  # no two pixels alike: libraries differ there
    of, protocol = torch.arange(len(some)), Protocol(STEPS, insertion="mean")
    exact, fast = (Scorer(model, x, torch.tensor(targets), precision=kind) for kind in ("fp32", "auto"))

    def ours(score: Scorer) -> Any:
        with model.borrow():
            return curves(score, x, heat, of, protocol)

    ours(fast)
    found, module = ours(exact), model.module
    torchcam, theirs = taken(lambda: torchcam_curves(module, x, heat, targets, STEPS))
    seconds = taken(lambda: ours(fast))[1]
    off = [
        abs(float(area(curve).mean()) - other)
        for curve, other in zip((found.insertion, found.deletion), torchcam, strict=True)
    ]
    rows = [
        Row("deletion and insertion against torch-cam's: largest difference of the means", max(off), "", 1e-3),
        Row("deletion and insertion, time against torch-cam's", seconds / theirs, "×", 1.0),
    ]
    dropped = drop(exact, x, heat, of)
    other = torchcam_drop(module, x, heat, targets)
    off = [abs(float(part.mean()) - share) for part, share in zip(dropped, other, strict=True)]
    rows.append(Row("average drop and increase against torch-cam's: largest difference", max(off), "", 1e-3))
    rows += _quantus(module, x, heat, targets, found.deletion, seconds / 2, quantus)
    few = 1 if quick else 3
    roads, theirs = taken(lambda: grad_cam_road(module, x[:few], heat[:few], targets[:few]))
    mine = road(exact, x[:few], heat[:few], of[:few]).combined
    seconds = taken(lambda: road(fast, x[:few], heat[:few], of[:few]))[1]
    rows.append(
        Row(
            "ROAD against pytorch-grad-cam's: largest difference over pictures",
            float((mine - torch.tensor(roads)).abs().max()),
            "",
            0.02,
            note="its noise is drawn anew each time",
        )
    )
    rows.append(Row("ROAD, time against pytorch-grad-cam's", seconds / theirs, "×", 1.0))
    return rows


def _quantus(
    module: Any, x: Tensor, heat: Tensor, targets: list[int], deletion: Tensor, seconds: float, folder: str | None
) -> list[Row]:
    """Deletion curves point by point."""
    why = why_no_quantus(folder)
    names = (
        "deletion against Quantus's pixel flipping: largest difference",
        "deletion, time against Quantus's pixel flipping",
    )
    if why:
        return [Row(name, None, note=why) for name in names]
    found, theirs = taken(lambda: quantus_deletion(module, x, heat, targets, STEPS))
    off = float((found - deletion[:, 1:]).abs().max())
    note = "ours: half of the time of both curves; its own: a third, as it makes three steps for each of ours"
    return [Row(names[0], off, "", 1e-2), Row(names[1], 3 * seconds / theirs, "×", 1.0, note=note)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few pictures; nothing is written")
    parser.add_argument(
        "--part", nargs="*", choices=PARTS, default=PARTS, help="what to measure; a part alone writes nothing"
    )
    parser.add_argument("--quantus", metavar="FOLDER", help="where Quantus was installed by itself")
    options = parser.parse_args()
    if not DATA.is_dir():
        record(
            "faithfulness/metrics", TITLE, [Row("deletion and insertion", None, note=f"no data at {DATA}")], about=ABOUT
        )
        return
    from whylight.evaluate.data import read

    warnings.simplefilter("ignore")
    model = load()
    pictures = read(DATA / "imagenet10" / "val", classes=model.classes)
    rows = peers(model, pictures, options.quick, options.quantus) if "peers" in options.part else []
    rows += duration(model, pictures, options.quick) if "time" in options.part else []
    rows += known(model, pictures, options.quick) if "known" in options.part else []
    if options.quick or set(options.part) != set(PARTS):
        for row in rows:
            print(
                f"{row.name}: {row.value if row.value is None else f'{row.value:.4g}'} {row.unit} {row.note}".rstrip()
            )
        return
    record("faithfulness/metrics", TITLE, rows, about=ABOUT)


if __name__ == "__main__":
    main()
