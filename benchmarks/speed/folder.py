"""A folder of pictures, from disk to overlays on disk: `whylight explain` against the obvious script.

    python -m benchmarks.speed.folder [--pictures 1000]

Both are timed as whole processes, start and imports included: the same 224-pixel JPEGs, the same weights, one PNG
overlay for each picture, all cores. whylight also writes its explanations.jsonl. They take turns, whylight first.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.common.networks import build
from benchmarks.common.places import PHOTO
from benchmarks.common.report import Row, cores, record
from whylight.images.preprocess import Preprocess
from whylight.models.zoo.files import ModelSpec, save_weights

NAMES = {"mobilenet_v2": "MobileNetV2", "resnet50": "ResNet-50"}
SIDE = 224


def make_pictures(folder: Path, count: int) -> None:
    """Random crops of the example photograph, at random scales, as JPEGs: every one another picture."""
    dice = np.random.default_rng(0)
    with Image.open(PHOTO) as opened:
        photograph = opened.convert("RGB")
    folder.mkdir()
    for i in range(count):
        side = int(dice.integers(120, 512))
        x, y = (int(dice.integers(0, 512 - side + 1)) for _ in range(2))
        crop = photograph.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        crop.save(folder / f"{i:04d}.jpg", quality=90)


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    taken = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")
    return taken


def compare(network: str, pictures: Path, count: int, turns: int, scratch: Path) -> list[Row]:
    module = build(network)
    ours, theirs = scratch / f"{network}.safetensors", scratch / f"{network}.pt"
    classes = tuple(f"class{i}" for i in range(1000))
    spec = ModelSpec(f"torchvision/{network}", classes, Preprocess(), None, {}, {})
    save_weights(ours, module, spec, dtype=None)
    torch.save(module.state_dict(), theirs)
    taken: dict[str, list[float]] = {"whylight": [], "script": []}
    for turn in range(turns):
        outs = {who: scratch / f"{network}.{who}.{turn}" for who in taken}
        whylight = [str(Path(sys.executable).parent / "whylight"), "explain", str(pictures), "--model", str(ours)]
        taken["whylight"].append(seconds([*whylight, "--method", "gradcam", "--out", str(outs["whylight"])]))
        script = [
            sys.executable,
            str(Path(__file__).with_name("obvious.py")),
            str(pictures),
            str(outs["script"]),
            str(theirs),
            network,
        ]
        taken["script"].append(seconds(script))
        for who, out in outs.items():
            written = len(list(out.glob("*.png")))
            if written != count:
                raise SystemExit(f"{who} wrote {written} overlays of {count} pictures to {out}")
    fast, slow = (statistics.median(taken[who]) for who in ("whylight", "script"))
    return [
        Row(f"{NAMES[network]}: how many times as fast as the script", slow / fast, "×", 5.0, "higher"),
        Row(f"{NAMES[network]}: whylight explain, {count:,} pictures", fast, "s"),
        Row(f"{NAMES[network]}: the script around pytorch-grad-cam, {count:,} pictures", slow, "s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=1, help="how often each runs; the medians count")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        make_pictures(scratch / "pictures", options.pictures)
        rows: list[Row] = []
        for network in NAMES:
            rows += compare(network, scratch / "pictures", options.pictures, options.turns, scratch)
            about = (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip() + f" {cores()} cores."
            record("speed/folder", "A folder of pictures, from disk to overlays on disk", rows, about=about)


if __name__ == "__main__":
    main()
