"""What a job costs beside its network: reading, drawing, encoding and writing, stage by stage, and what a second thread brings.

    python -m benchmarks.jobs.stages [--pictures 400]

The network is replaced by one convolution that takes next to no time, so that nothing but the threads beside it is measured:
photographs of 500 × 375 pixels from JPEG files to overlays in PNG files, in a fresh process each, `--workers` 1 and 2 in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import whylight
from benchmarks.common.places import PHOTO
from benchmarks.common.report import Row, cores, record
from whylight.models.zoo.choice import ModelChoice

WIDTH, HEIGHT = 500, 375
STAGES = {"decode": "reading and preparing", "draw": "drawing", "encode": "encoding", "write": "writing"}


@dataclass(frozen=True)
class Constant(ModelChoice):
    """A model that is nothing beside the pictures: one convolution onto a grid of 7 × 7, pooling, a linear layer."""

    def load(self) -> Any:
        """Make it."""
        torch.manual_seed(0)
        grid = torch.nn.Conv2d(3, 8, 32, stride=32)
        head = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 2))
        return whylight.wrap(torch.nn.Sequential(grid, torch.nn.ReLU(), *head), size=224, classes=["one", "other"])


def make_pictures(folder: Path, count: int) -> None:
    """Random crops of the example photograph in the format of a camera, with a little noise: every one another picture."""
    dice = np.random.default_rng(0)
    with Image.open(PHOTO) as opened:
        photograph = opened.convert("RGB")
    folder.mkdir()
    for i in range(count):
        side = int(dice.integers(200, 512))
        x, y = (int(dice.integers(0, 512 - side + 1)) for _ in range(2))
        crop = photograph.crop((x, y, x + side, y + side)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        noisy = np.asarray(crop, np.int16) + dice.integers(-6, 7, (HEIGHT, WIDTH, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{i:04d}.jpg", quality=90)


def run(pictures: Path, out: Path, workers: int) -> dict[str, Any]:
    """Do the job in this process; returns its rate and what each stage cost."""
    whylight.tune_allocator()
    job = whylight.jobs.Job("explain", [str(pictures)], str(out), Constant("constant"), {"targets": ["one"]})
    progress = whylight.jobs.run(job, workers=workers).progress
    assert not progress.failed
    return {"rate": progress.rate, "done": progress.done, "costs": dict(progress.costs), "limit": progress.limit}


def _between(rates: list[float]) -> str:
    return f"{min(rates):.3g} … {max(rates):.3g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--worker", nargs=3, metavar=("PICTURES", "OUT", "WORKERS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        pictures, out, workers = options.worker
        print(json.dumps(run(Path(pictures), Path(out), int(workers))))
        return 0
    found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "pictures"
        make_pictures(pictures, options.pictures)
        for turn in range(options.turns):
            for workers, runs in found.items():
                out = Path(scratch) / f"out-{workers}-{turn}"
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.jobs.stages",
                    "--worker",
                    str(pictures),
                    str(out),
                    str(workers),
                ]
                runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    rates = {workers: [one["rate"] for one in runs] for workers, runs in found.items()}
    one, two = (statistics.median(rates[workers]) for workers in (1, 2))
    rows = [
        Row("one thread", one, "pictures/s", note=_between(rates[1])),
        Row("two threads", two, "pictures/s", note=_between(rates[2])),
        Row("two threads over one", two / one, "×", goal=1.7, better="higher"),
    ]
    for stage, words in STAGES.items():
        each = [one["done"] / one["costs"][stage] for one in found[1]]
        rows.append(Row(f"{words}, a core", statistics.median(each), "pictures/s", note=_between(each)))
    record(
        "jobs/stages",
        "A job beside its network",
        rows,
        about=f"{options.pictures} photographs of {WIDTH} × {HEIGHT} pixels, JPEG to overlays in PNG, {options.turns} turns each "
        f"in fresh processes on {cores()} cores; the network is one convolution. Stages are timed in the one thread.",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
