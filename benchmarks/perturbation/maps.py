"""Score-CAM and RISE: thousands of forwards for one map, beside pytorch-grad-cam and the procedure as it is published.

    python -m benchmarks.perturbation.maps [--part NAME…] [--turns 1]

Ratios are of whole maps of one 224-pixel picture, taken in turns in one process; RISE on 500 masks each, since both sides'
time grows in step with their number, and its masks are made beforehand for the published procedure, while ours are made on
the way. Memory is the highest in a process of its own, less what was resident before the call. Whole processes count start
and imports.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path

from benchmarks.common.places import DATA, PHOTO
from benchmarks.common.report import Row, cores, record
from benchmarks.perturbation.calls import (
    ABSENT,
    NAMES,
    PRECISIONS,
    correlation,
    in_turns,
    ours,
    scorecam_peer,
    why_no_bf16,
)
from benchmarks.perturbation.memory import memory

GOALS = {("resnet50", "bf16"): 0.36, ("resnet50", "fp32"): 0.75, ("mobilenet_v2", "bf16"): 0.2}
ALLOCATORS = {"plain": "allocator as it comes", "kept": "allocator keeps blocks"}
PARTS = ("scorecam", "rise", "agreement", "memory", "processes")
SOME = 256  # channels
MASKS = 500


def scorecam(turns: int) -> list[Row]:
    """Every channel, and some, against pytorch-grad-cam's."""
    from copy import deepcopy

    import whylight
    from benchmarks.common.networks import build, pictures

    rows = []
    for network, name in NAMES.items():
        module, x = build(network), pictures(1)
        model = whylight.wrap(deepcopy(module))
        peer = scorecam_peer(module, x)
        absent = why_no_bf16()
        calls = {p: ours(model, x, p, "scorecam") for p in PRECISIONS if p == "fp32" or not absent}
        calls |= {f"{p}, some": ours(model, x, p, "scorecam", channels=SOME) for p in tuple(calls)}
        for precision in calls:
            if "some" not in precision:
                ours(model, x, precision, "scorecam", channels=8)()  # the copy is made before the clock runs
        seconds, ratios = in_turns(peer, calls, turns)
        where = f"{name}, {model.channels:,} channels"
        for precision in PRECISIONS:
            goal = GOALS.get((network, precision))
            rows.append(
                Row(
                    f"scorecam, {where}, {precision}",
                    ratios.get(precision),
                    "×",
                    goal,
                    note="" if precision in ratios else ABSENT,
                )
            )
            some, goal = (
                ratios.get(f"{precision}, some"),
                0.06 if network == "resnet50" and precision == "bf16" else None,
            )
            rows.append(
                Row(
                    f"scorecam, {SOME} of the channels, {name}, {precision}",
                    some,
                    "×",
                    goal,
                    note="" if some else ABSENT,
                )
            )
        rows.append(Row(f"pytorch-grad-cam's ScoreCAM, {where}", seconds, "s"))
    return rows


def rise(turns: int) -> list[Row]:
    """Against the published procedure, on the same number of masks."""
    from copy import deepcopy

    import whylight
    from benchmarks.common.networks import TARGET, build, pictures
    from benchmarks.perturbation import obvious_rise

    rows = []
    drawn = obvious_rise.masks(MASKS)
    for network, name in NAMES.items():
        module, x = build(network), pictures(1)
        model = whylight.wrap(deepcopy(module))
        calls = {p: ours(model, x, p, "rise", masks=MASKS) for p in PRECISIONS if p == "fp32" or not why_no_bf16()}
        for precision in calls:
            ours(model, x, precision, "rise", masks=8)()
        seconds, ratios = in_turns(lambda: obvious_rise.explain(module, x, drawn, TARGET), calls, max(2, turns))  # noqa: B023
        for precision in PRECISIONS:
            goal = 0.36 if (network, precision) == ("resnet50", "bf16") else None
            found = ratios.get(precision)
            rows.append(Row(f"rise, {name}, {precision}", found, "×", goal, note="" if found else ABSENT))
        rows.append(Row(f"the published procedure, {name}, {MASKS} masks", seconds, "s"))
    return rows


def agreement() -> list[Row]:
    """How near Score-CAM on some channels comes to all, on real pictures. RISE's short cut: stops.py."""
    import torch
    import torchvision

    import whylight
    from benchmarks.common.networks import build
    from whylight import engine, methods

    files = sorted((DATA / "pictures").glob("*")) if DATA.is_dir() else []
    if not files:
        return [Row("agreement", None, note=f"no pictures at {DATA / 'pictures'}")]
    learned = torchvision.models.mobilenet_v2()
    state = torch.load(DATA / "weights" / "mobilenet_v2_imagenet.pth", weights_only=True)
    learned.load_state_dict({key: value.float() for key, value in state.items()})
    models = {
        "MobileNetV2, learned weights": whylight.wrap(learned.eval()),
        "ResNet-50, random weights": whylight.wrap(build("resnet50")),
    }
    rows = []
    for name, model in models.items():
        x = torch.stack([model.preprocess(file) for file in files])
        whole = engine.maps(model, x, [methods.get("scorecam")], [None])[0, 0]
        some = engine.maps(model, x, [methods.get("scorecam", channels=SOME)], [None])[0, 0]
        rows.append(
            Row(
                f"scorecam, {SOME} channels against all, {name}: lowest correlation over {len(files)} pictures",
                min(correlation(a, b) for a, b in zip(some, whole, strict=True)),
                "",
                0.95,
                "higher",
            )
        )
    return rows


def processes(turns: int) -> list[Row]:
    """From the shell to an overlay on disk, one picture."""
    import torch

    from benchmarks.common.networks import build
    from whylight.images.preprocess import Preprocess
    from whylight.models.zoo.files import ModelSpec, save_weights

    photo = PHOTO
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for network, name in NAMES.items():
            module = build(network)
            mine, theirs = Path(scratch) / f"{network}.safetensors", Path(scratch) / f"{network}.pt"
            spec = ModelSpec(
                f"torchvision/{network}", tuple(f"class{i}" for i in range(1000)), Preprocess(), None, {}, {}
            )
            save_weights(mine, module, spec, dtype=None)
            torch.save(module.state_dict(), theirs)
            script = [
                sys.executable,
                str(Path(__file__).with_name("obvious_scorecam.py")),
                str(photo),
                f"{scratch}/theirs",
                str(theirs),
                network,
            ]
            base = [str(Path(sys.executable).parent / "whylight"), "explain", str(photo), "--model", str(mine)]
            calls = {}
            for precision in PRECISIONS:
                if precision == "fp32" or not why_no_bf16():
                    command = [
                        *base,
                        "--method",
                        "scorecam",
                        "--precision",
                        precision,
                        "--out",
                        f"{scratch}/{network}{precision}",
                    ]
                    calls[precision] = lambda command=command: shell(command)
            seconds, ratios = in_turns(lambda: shell(script), calls, turns)  # noqa: B023
            for precision in PRECISIONS:
                found = ratios.get(precision)
                row = f"whole process, whylight explain --method scorecam, {name}, {precision}"
                rows.append(Row(row, found, "×", GOALS.get((network, precision)), note="" if found else ABSENT))
            rows.append(Row(f"whole process, the script around pytorch-grad-cam's ScoreCAM, {name}", seconds, "s"))
    return rows


def shell(command: list[str]) -> None:
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stderr[-2000:]}")


def worker(what: str, allocator: str, turns: int) -> list[Row]:
    import torch

    warnings.simplefilter("ignore")  # of the other libraries, about their own code
    torch.set_num_threads(cores())
    if allocator == "kept":
        from whylight import tune_allocator

        if not tune_allocator():
            return []
    return {"scorecam": scorecam, "rise": rise}[what](turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--part", nargs="*", choices=PARTS, default=PARTS, help="what to measure")
    parser.add_argument("--turns", type=int, default=1, help="how often each runs; the medians count")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--allocator", choices=ALLOCATORS, default="plain", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"  # read when torch imports it
    if options.worker:
        print(json.dumps([asdict(row) for row in worker(options.worker, options.allocator, options.turns)]))
        return
    parts: dict[str, list[Row]] = {}
    for part in options.part:
        if part in ("scorecam", "rise"):
            parts[part] = []
            for allocator, words in ALLOCATORS.items():
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.perturbation.maps",
                    "--worker",
                    part,
                    "--allocator",
                    allocator,
                    "--turns",
                    str(options.turns),
                ]
                found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
                parts[part] += [Row(**{**row, "name": f"{row['name']}, {words}"}) for row in found]
        else:
            parts[part] = (
                processes(options.turns) if part == "processes" else agreement() if part == "agreement" else memory()
            )
        about = " ".join((__doc__ or "").split("\n\n")[2].split()) + f" {cores()} threads."
        record("perturbation/maps", "Score-CAM and RISE", [row for rows in parts.values() for row in rows], about=about)


if __name__ == "__main__":
    main()
