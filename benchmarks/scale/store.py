"""Maps of many pictures into one store, on one machine: how fast beside its stages alone, how much memory, planning, resuming.

    python -m benchmarks.scale.store [--pictures 5000] [--rows 1000000] [--record]

The bundled face model with Grad-CAM, JPEGs of 500 × 375, no drawings. `whylight explain --maps` in a process of its own; then each
stage by itself over the same pictures: opening and preparing in as many threads as there are cores; the model, in batches of 16
that are ready; rows into parts. All stages share the processor, so that a run cannot come near the slowest of them where that one
alone keeps every core busy. Memory is the process's peak, at a fifth of the pictures and at all. Planning is that of a CSV with a
million names; resuming that of the same plan with 99 of 100 parts done: from the start of the process to the first new picture,
loading included.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.common.report import Row, cores, record
from benchmarks.jobs.stages import make_pictures

SHARE, MOST_MB = 90.0, 1500.0
RUN = """
import json, resource, sys, time
start = time.perf_counter()
import whylight
whylight.tune_allocator()
told = {}
def see(event):
    if type(event).__name__ == "Progress" and event.done == 1:
        told.setdefault("first", time.perf_counter() - start)
        if sys.argv[3] == "first":
            cancel.set()
cancel = whylight.jobs.Cancel()
job = whylight.jobs.Job("maps", [sys.argv[1]], sys.argv[2], "face")
out = whylight.jobs.run(job, on_event=see, cancel=cancel)
told |= {"rate": out.progress.rate, "costs": dict(out.progress.costs), "limit": out.progress.limit}
print(json.dumps({**told, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""
PLAN = """
import json, resource, sys, time
from pathlib import Path
start = time.perf_counter()
from whylight.mapstore.inputs import listed, stamp
from whylight.mapstore.plan import Plan
from whylight.models.zoo.choice import ModelChoice
from whylight.work.maps import Maps
from whylight.jobs import Job
kind = Maps(Job("maps", [sys.argv[1]], sys.argv[2], "face"))
plan = Plan(Path(sys.argv[2]), kind.settings, 512).grown(listed([sys.argv[1]]).table, [stamp(sys.argv[1])])
took = time.perf_counter() - start
print(json.dumps({"s": took, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "parts": plan.parts}))
"""


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--record", action="store_true", help="put the figures with the others")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [*rates(Path(folder), given.pictures), *planning(Path(folder), given.rows)]
    if given.record:
        record("scale/store", "Map stores", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))
        return
    for row in rows:
        print(f"{row.name}: {row.figure} (goal {row.wanted or 'none'}) {row.note}", flush=True)


def rates(folder: Path, count: int) -> list[Row]:
    """The whole beside its stages, and its memory."""
    make_pictures(folder / "few", count // 5)
    few = ran(RUN, folder / "few", folder / "few-run", "all")
    (folder / "few").rename(folder / "photos")
    whole = folder / "photos"
    for number in range(count // 5, count):  # what is in them matters to no stage
        (whole / f"{number:05d}.jpg").write_bytes((whole / f"{number % (count // 5):04d}.jpg").read_bytes())
    told = ran(RUN, whole, folder / "run", "all")
    alone = stages(sorted(whole.iterdir())[:1000], folder / "run")
    slowest = min(alone, key=lambda stage: alone[stage])
    share = 100 * told["rate"] / alone[slowest]
    spent = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in told["costs"].items())
    return [
        Row(f"{count:,} pictures: maps a second", told["rate"], "1/s", note=f"{spent}; limited by {told['limit']}"),
        *(Row(f"{stage} alone, pictures a second", rate, "1/s") for stage, rate in alone.items()),
        Row(f"the whole beside the slowest stage, {slowest}", share, "%", SHARE, "higher", note=f"{cores()} cores"),
        Row(f"memory at most, {count // 5:,} pictures", few["mb"], "MB", MOST_MB),
        Row(f"memory at most, {count:,} pictures", told["mb"], "MB", MOST_MB),
    ]


def stages(paths: list[Path], run: Path) -> dict[str, float]:
    """Pictures a second of each stage by itself."""
    import torch

    import whylight
    from whylight.engine import as_method, look
    from whylight.images import decode
    from whylight.mapstore import parts
    from whylight.mapstore.schema import table_of
    from whylight.targets import resolve

    whylight.tune_allocator()
    model = whylight.load("face", device="cpu")
    rates = {}
    with ThreadPoolExecutor(cores()) as threads:
        start = time.perf_counter()
        inputs = list(threads.map(lambda path: model.preprocessing(decode(path)), paths))
        rates["opening and preparing"] = len(paths) / (time.perf_counter() - start)
    method, target = as_method("gradcam"), resolve(None, model.classes)
    batches = [torch.stack(inputs[at : at + 16]) for at in range(0, 16 * (len(inputs) // 16), 16)]
    for batch in [batches[0], *batches[:3]]:
        look(model, batch, [method], [target])
    start = time.perf_counter()
    for batch in batches:
        look(model, batch, [method], [target])
    rates["the model"] = 16 * len(batches) / (time.perf_counter() - start)
    rows = list(whylight.open_maps(run).rows())[:4096]
    start = time.perf_counter()
    for at in range(0, len(rows), 512):
        parts.packed(table_of(rows[at : at + 512], "x"))
    rates["rows into parts"] = len(rows) / (time.perf_counter() - start)
    return rates


def planning(folder: Path, count: int) -> list[Row]:
    """A plan of many names, and how soon a run goes on that is nearly done."""
    names = folder / "names"
    names.mkdir()
    with (names / "names.csv").open("w", encoding="utf-8") as file:
        file.write("file,label\n")
        file.writelines(f"{number // 1000:04d}/{number:07d}.jpg,{number % 7}\n" for number in range(count))
    told = ran(PLAN, names / "names.csv", folder / "planned")
    nearly_done(folder / "planned", told["parts"], names, folder / "photos")
    first = ran(RUN, names / "names.csv", folder / "planned", "first")
    return [
        Row(f"planning {count:,} names of a table", told["s"], "s", 10.0),
        Row(f"memory at most, planning {count:,} names", told["mb"], "MB", 500.0),
        Row(f"99 of 100 of {count:,} done: first new picture after", first["first"], "s", 5.0),
        Row(f"99 of 100 of {count:,} done: memory at most", first["mb"], "MB", MOST_MB),
    ]


def nearly_done(run: Path, count: int, names: Path, photos: Path) -> None:
    """Mark 99 of 100 parts as done, and put photographs where the first of the others looks for them."""
    from whylight.mapstore import parts
    from whylight.mapstore.plan import Plan
    from whylight.mapstore.schema import failed_row

    plan = Plan.read(run)
    assert plan is not None
    for part in range(count * 99 // 100):
        parts.write(run, part, [failed_row(0, "x", "stands for a part that is done")], plan.run, seconds=1, at=0)
    _, table = plan.rows_of(count * 99 // 100)
    photo = next(photos.iterdir())
    for name in table["picture"].to_pylist():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).hardlink_to(photo)
    assert names in Path(table["picture"][0].as_py()).parents


def ran(code: str, *words: object) -> dict[str, Any]:
    """What a process of its own prints at the end."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
