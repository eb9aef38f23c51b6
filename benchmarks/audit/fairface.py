"""A worked example: a classifier of perceived gender, trained on a balanced and an unbalanced sample; where each looks for whom.

    python -m benchmarks.audit.fairface [--out FOLDER]

Labels are what annotators perceived, not who somebody is. Of the 1,500 faces of `fairface` (WHYLIGHT_DATA) a third is kept for
the audit. From the others two samples of one size are drawn: one with as many women as men, one in which a fifth are women.
MobileNetV2 with ImageNet weights gets a new classifier and two trained blocks on each. Both are audited on the same third by
gender, band of age and race: accuracy with its interval, shares of the evidence by part, where maps differ beyond chance, whether
gaps close when a part is covered, groups nobody named, and the uncertain middle. What is written can be gone on from.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common.places import DATA

LABEL = "gender"
AUDITED = 500
TRAINED = 600
WOMEN = {"balanced": 0.5, "unbalanced": 0.2}
COVERED = ("eyes", "mouth", "hair")
JUDGED = 20
Row = dict[str, str]


def band(age: str) -> str:
    """FairFace's nine bands as three, so that each has people enough."""
    if age in ("0-2", "3-9", "10-19"):
        return "under 20"
    return "20-39" if age in ("20-29", "30-39") else "40 and over"


def rows() -> list[Row]:
    """The faces in an order drawn once for all: the first are audited, the others may be trained on."""
    with (DATA / "fairface" / "labels.csv").open(newline="", encoding="utf-8") as file:
        every = [{**row, "band": band(row["age"])} for row in csv.DictReader(file)]
    order = np.random.default_rng(0).permutation(len(every))
    return [every[i] for i in order]


def sample(pool: Sequence[Row], women: float) -> list[Row]:
    """`TRAINED` of the pool, so many of them women."""
    count = round(TRAINED * women)
    chosen = [row for row in pool if row[LABEL] == "Female"][:count]
    chosen += [row for row in pool if row[LABEL] == "Male"][: TRAINED - count]
    if len(chosen) < TRAINED:
        raise SystemExit(f"the pool has no {count} women and {TRAINED - count} men")
    return chosen


def trained(name: str, pool: Sequence[Row], out: Path) -> Path:
    """A run folder; one that is there already is taken as it is."""
    from whylight.train import TrainConfig, train

    run, data = out / f"run-{name}", out / f"data-{name}"
    if (run / "model.safetensors").is_file():
        return run
    for i, row in enumerate(sample(pool, WOMEN[name])):
        folder = data / ("val" if i % 7 == 0 else "train") / row[LABEL]
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / Path(row["file"]).name
        if not link.exists():
            os.symlink(DATA / "fairface" / row["file"], link)
    train(
        TrainConfig(
            data=str(data),
            out=str(run),
            arch="torchvision/mobilenet_v2",
            weights=str(DATA / "weights" / "mobilenet_v2_imagenet.pth"),
            unfreeze=2,
            freeze_bn=True,
            augment=False,
            lr=1e-3,
            epochs=8,
            device="cpu",
        )
    )
    return run


def audited(run: Path, held: Sequence[Row], out: Path) -> Any:
    """What `attend` finds."""
    from whylight.subgroups.run import attend, look

    paths = [DATA / "fairface" / row["file"] for row in held]
    weights = DATA / "weights" / "yunet_n_320.onnx"
    found = {"detector": "yunet", "detector_weights": weights} if weights.is_file() else {}
    looked = look(str(run), paths, out, cover=COVERED, judged=JUDGED, **found)
    groups = {name: [row[name] for row in held] for name in (LABEL, "band", "race")}
    return attend(looked, label=[row[LABEL] for row in held], groups=groups)


def tell(name: str, told: Any, held: Sequence[Row]) -> None:
    """What was found, in lines."""
    from whylight.evaluate.bootstrap import rate

    right = told.looked.predicted == np.array([told.looked.classes.index(row[LABEL]) for row in held])
    print(f"\n## {name}: {len(held)} faces, aligned by {told.looked.counts}\n")
    for group, inside in {"everybody": np.ones(len(held), bool), **told.member}.items():
        one = rate(right[inside & told.looked.there])
        print(f"{group:28} {one.mean:5.1f} % right [{one.low:.1f}, {one.high:.1f}], n = {one.n}")
    print("\nshares of the evidence that differ from all others' (corrected for all comparisons):")
    for one in told.parts:
        if one.p is not None and one.p <= 0.05:
            gap = one.rest
            print(
                f"  {one.group}, {one.what}: {100 * gap.difference:+.1f} points [{100 * gap.low:.1f}, {100 * gap.high:.1f}]"
            )
    print("\nmaps:")
    for pair in told.pairs:
        if pair.difference is None:
            print(f"  {' - '.join(pair.names)}: {pair.why_not}")
        else:
            print(
                f"  {' - '.join(pair.names)}: {pair.difference.significant.mean():.0%} of the cells differ beyond chance"
            )
    print("\ngaps between groups with a part covered, and the change of the gap:")
    for pair in told.pairs:
        for one in pair.covered:
            word = (
                "closes for losses alone"
                if one.levels_down
                else "closes"
                if one.closes
                else "opens"
                if one.opens
                else "not told from 0"
            )
            figures = f"{100 * one.seen:+.1f} -> {100 * one.covered:+.1f} points"
            print(
                f"  {' - '.join(pair.names)}, {one.region}: {figures} [{100 * one.low:.1f}, {100 * one.high:.1f}] {word}"
            )
    print(
        f"\ngroups nobody named: {len(told.discovery.found)} of {told.discovery.tried} tried {told.discovery.why_not}"
    )
    for one in told.discovery.found:
        traits = ", ".join(f"{trait.column} {trait.value}" for trait in one.traits) or "no column tells"
        print(f"  {len(one.members)} faces, {one.inside.mean:.0f} % wrong against {one.outside.mean:.0f} %: {traits}")
    middle = told.middle
    print(f"\nthe uncertain middle: {middle.rule}: {middle.inside.sum()} faces, {middle.right.mean:.0f} % right")
    for one in middle.who:
        if one.p is not None and one.p <= 0.05:
            print(f"  {one.group}: {one.mean.mean:.0%} of them, {100 * one.rest.difference:+.0f} points to all others")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--out", type=Path, help="where runs and answers are kept; default: nowhere")
    given = parser.parse_args()
    if not (DATA / "fairface" / "labels.csv").is_file():
        raise SystemExit(f"no faces at {DATA / 'fairface'}; set WHYLIGHT_DATA")
    import whylight
    from whylight.jsontext import dumps

    whylight.tune_allocator()
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch)
        every = rows()
        held, pool = every[:AUDITED], every[AUDITED:]
        for name in WOMEN:
            told = audited(trained(name, pool, out), held, out / f"looked-{name}")
            tell(name, told, held)
            (out / f"attention-{name}.json").write_text(dumps(told.to_json(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
