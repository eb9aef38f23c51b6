"""What a map costs, as a ratio to a plain forward: whylight beside pytorch-grad-cam, torch-cam and captum.

    python -m benchmarks.speed.maps [--quick]

Forward and contender alternate in one process, and each pair gives one ratio, so that a machine that slows down for
a while slows both. Everything is measured twice: with glibc's allocator as it comes, and with it told to keep large
blocks (`whylight.tune_allocator`). As it comes, the allocator makes the plain forward slow, which flatters ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from benchmarks.common.report import Row, cores, record

if TYPE_CHECKING:
    from torch import Tensor, nn

    from benchmarks.common.contenders import Call

METHODS = ("cam", "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "ablationcam")
FIFTEEN = (
    *METHODS,
    *("eigengradcam", "elementgradcam", "shapleycam", "finercam", "kpcacam", "fem", "dff"),
)
NAMES = {"resnet50": "ResNet-50", "mobilenet_v2": "MobileNetV2"}
GRADCAM_GOALS = {("resnet50", 1): 1.0, ("resnet50", 16): 0.75, ("mobilenet_v2", 1): 1.0, ("mobilenet_v2", 16): 0.6}
ALLOCATORS = {"kept": "allocator keeps blocks", "plain": "allocator as it comes"}


@dataclass(frozen=True)
class Budget:
    """How long to go on with pairs: at least `pairs` of them, then until `seconds` are used up."""

    pairs: int
    seconds: float
    most: int = 60


def ratio(forward: Call, contender: Call, x: Tensor, budget: Budget) -> tuple[float, float]:
    """The median over alternating pairs of contender's / forward's time, and the median forward in milliseconds."""
    for _ in range(2):
        forward(x)
        contender(x)
    ratios, forwards = [], []
    start = time.perf_counter()
    while len(ratios) < budget.pairs or (time.perf_counter() - start < budget.seconds and len(ratios) < budget.most):
        a = time.perf_counter()
        forward(x)
        b = time.perf_counter()
        contender(x)
        c = time.perf_counter()
        ratios.append((c - b) / (b - a))
        forwards.append((b - a) * 1000)
    return statistics.median(ratios), statistics.median(forwards)


def measure(allocator: str, quick: bool) -> list[Row]:
    """All rows with one setting of the allocator; in a process of its own."""
    import torch

    from benchmarks.common import contenders
    from benchmarks.common.networks import build, pictures

    warnings.simplefilter("ignore")  # of the other libraries, about their own code
    os.environ["TQDM_DISABLE"] = "1"
    if allocator == "kept":
        from whylight import tune_allocator

        if not tune_allocator():
            return []
    torch.set_num_threads(cores())
    budget = Budget(3, 2) if quick else Budget(9, 12)
    rows = []
    for network in NAMES:
        module = build(network)
        forward = contenders.plain(module)
        for batch in (1, 16):
            x = pictures(batch)
            where = f"{NAMES[network]}, batch {batch}"
            calls = {
                "whylight": contenders.whylight(module, ["gradcam"]),
                "pytorch-grad-cam": contenders.pytorch_grad_cam(module),
                "torch-cam": contenders.torchcam(module),
                "captum": contenders.captum(module),
            }
            for library, call in calls.items():
                found, ms = ratio(forward, call, x, budget)
                goal = GRADCAM_GOALS[network, batch] if library == "whylight" else None
                note = f"plain forward {ms:,.0f} ms" if library == "whylight" else ""
                rows.append(Row(f"{library} gradcam, {where}", found, "×", goal, note=note))
                print(f"  {allocator}: {rows[-1].name}: {found:.2f}", file=sys.stderr, flush=True)
        if network == "resnet50":
            rows += _on_resnet50(module, budget)
    return rows


def _on_resnet50(module: nn.Module, budget: Budget) -> list[Row]:
    from benchmarks.common import contenders
    from benchmarks.common.networks import pictures

    x, forward = pictures(1), contenders.plain(module)
    every, ablation = contenders.whylight(module, METHODS), contenders.whylight(module, ["ablationcam"])
    fifteen, eigen = contenders.whylight(module, FIFTEEN), contenders.whylight(module, ["eigencam"])
    rows = [
        Row(
            "whylight all eight methods at once, ResNet-50, batch 1",
            ratio(forward, every, x, budget)[0],
            "×",
            1.2,
        ),
        Row(
            "whylight ablationcam, ResNet-50, batch 1",
            ratio(forward, ablation, x, budget)[0],
            "×",
            1.05,
        ),
        Row(
            "whylight eigencam, ResNet-50, batch 1",
            ratio(forward, eigen, x, budget)[0],
            "×",
            1.15,
        ),
        Row(
            "pytorch-grad-cam eigencam, ResNet-50, batch 1",
            ratio(forward, contenders.pytorch_grad_cam(module, "EigenCAM"), x, budget)[0],
            "×",
        ),
        Row(
            "whylight fifteen methods at once, ResNet-50, batch 1",
            ratio(forward, fifteen, x, budget)[0],
            "×",
            3.0,
            note=", ".join(FIFTEEN),
        ),
    ]
    peer = contenders.pytorch_grad_cam_ablation(module)
    # Two forwards are the part that does not grow with the number of channels.
    part = ratio(forward, peer, x, Budget(2, 0))[0]
    whole = 2 + (part - 2) * 2048 / contenders.ABLATED
    note = f"measured on {contenders.ABLATED} of 2,048 channels and scaled up"
    rows.append(Row("pytorch-grad-cam ablationcam, ResNet-50, batch 1", whole, "×", note=note))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few pairs: to see that it runs, not to quote")
    parser.add_argument("--worker", choices=ALLOCATORS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps([asdict(row) for row in measure(options.worker, options.quick)]))
        return
    rows: list[Row] = []
    for allocator, words in ALLOCATORS.items():
        command = [
            sys.executable,
            "-m",
            "benchmarks.speed.maps",
            "--worker",
            allocator,
            *(["--quick"] if options.quick else []),
        ]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        rows += [Row(**{**row, "name": f"{row['name']}, {words}"}) for row in found]
        record(
            "speed/maps",
            "The cost of a map, as a ratio to a plain forward",
            rows,
            about=(__doc__.split("\n\n")[2].replace("\n", " ") + f" {cores()} threads.")
            + (" Quick run: not to be quoted." if options.quick else ""),
        )


if __name__ == "__main__":
    main()
