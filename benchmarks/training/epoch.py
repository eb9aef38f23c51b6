"""How long an epoch takes, and whether reading pictures holds it up.

    python -m benchmarks.training.epoch

MobileNetV2 at 224 pixels with ImageNet weights, the classifier and the last two blocks trained on the 2,000 pictures of
imagenet10/train (WHYLIGHT_DATA); validation on its 250 is not in the epoch's time. With changed pictures each epoch runs all
layers; with pictures as they are the frozen ones run once, which is in the first epoch's time here.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common.places import DATA
from benchmarks.common.report import Row, cores, record

EPOCHS = 3


def run(folder: Path, **changes: Any) -> list[dict[str, float]]:
    """Train; the rows of metrics.csv."""
    from whylight.train import TrainConfig, train
    from whylight.train.checkpoint import load

    train(
        TrainConfig(
            data=str(DATA / "imagenet10"),
            out=str(folder),
            arch="torchvision/mobilenet_v2",
            weights=str(DATA / "weights" / "mobilenet_v2_imagenet.pth"),
            unfreeze=2,
            freeze_bn=True,
            lr=1e-3,
            epochs=EPOCHS,
            device="cpu",
            **changes,
        )
    )
    rows: list[dict[str, float]] = load(folder / "last.pt")["rows"]
    return rows


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0]).parse_args()
    about = " ".join((__doc__ or "").split("\n\n")[2].split()) + f" {cores()} cores."
    if not DATA.is_dir():
        record("training/epoch", "Training", [Row("an epoch", None, note=f"no data at {DATA}")], about=about)
        return
    import whylight

    whylight.tune_allocator()
    with tempfile.TemporaryDirectory() as scratch:
        changed = run(Path(scratch) / "changed")
        plain = run(Path(scratch) / "plain", augment=False)
    accuracy = max(row["val_accuracy"] for row in plain)
    rows = [
        Row("an epoch, changed pictures", min(row["seconds"] for row in changed), "s", 60.0),
        Row("share of it spent waiting for pictures", 100 * min(row["loading_share"] for row in changed), "%", 10.0),
        Row("first epoch, pictures as they are", plain[0]["frozen_seconds"] + plain[0]["seconds"], "s", 60.0),
        Row("later epochs, pictures as they are", min(row["seconds"] for row in plain[1:]), "s", 10.0),
        Row("share of it spent waiting for what was kept", 100 * min(row["loading_share"] for row in plain), "%", 10.0),
        Row(f"accuracy after {EPOCHS} epochs, pictures as they are", 100 * accuracy, "%", None, "higher"),
    ]
    record("training/epoch", "Training", rows, about=about)


if __name__ == "__main__":
    main()
