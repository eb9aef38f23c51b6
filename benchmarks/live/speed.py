"""How fast moving pictures are explained: one map, a video to a video, and the loops that one writes around other libraries.

    python -m benchmarks.live.speed [--frames N] [--maps 200] [--record]

The bundled `person` model, Grad-CAM. One map: a picture that has the size of the input and is there already, from pixels to the
explanation, one after another; the model is made for 320 × 320. A video: `whylight live VIDEO --out` with overlay, boxes and
H.264, each in a process of its own, beside loops around pytorch-grad-cam and torch-cam (benchmarks/live/loops.py: no boxes,
MPEG-4) with the same network; from opening the video to closing what was written, loading not counted. The goal for a video is
60 pictures a second at 768 × 576, and in step with its pixels at other sizes.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.common.places import DATA, PHOTO, ROOT
from benchmarks.common.report import Row, record

VIDEOS = ("pedestrians.avi", "faces.mp4")
LIBRARIES = ("pytorch-grad-cam", "torch-cam")
PIXELS, RATE = 768 * 576, 60.0  # of the goal
TIMES = 10.0  # as fast as the fastest loop around another library
LIVE = 20.0  # maps a second of methods that need gradients


def main() -> None:
    """Measure, and record where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--frames", type=int, help="only so many of each video: for a try")
    parser.add_argument("--maps", type=int, default=200, help="how often one map is timed")
    parser.add_argument("--record", action="store_true", help="put the figures with the others")
    given = parser.parse_args()
    if given.record and given.frames:
        parser.error("--record: figures are of whole videos; leave --frames out")
    rows = one_map(given.maps)
    with tempfile.TemporaryDirectory() as folder:
        for name in VIDEOS:
            path = shortened(DATA / "video" / name, given.frames, Path(folder))
            rows += beside(path, name, Path(folder), given.frames)
        path = shortened(DATA / "video" / VIDEOS[0], given.frames, Path(folder))
        for method in ("gradcam", "layercam"):
            told = live(path, Path(folder), "--method", method, "--no-fast", "--json", "lines.jsonl")
            rows.append(
                Row(f"{method} on PyTorch, maps a second", told["fps"], "1/s", LIVE, "higher", note=stages(told))
            )
    if given.record:
        record("live/speed", "Moving pictures", rows, about=__doc__.split("\n\n")[2].replace("\n", " "))
        return
    for row in rows:
        print(f"{row.name}: {row.figure} (goal {row.wanted or 'none'}) {row.note}", flush=True)


def one_map(count: int) -> list[Row]:
    """From pixels to the explanation, by OpenVINO and by PyTorch, in turn, at 224 pixels and at what the model is made for."""
    import whylight
    from whylight.live.fast import faster
    from whylight.live.looking import Looker

    whylight.tune_allocator()
    rows = []
    for size, goals in ((224, {"OpenVINO": 5.0, "PyTorch": 15.0}), (None, {})):
        model = whylight.load("person", device="cpu", size=size)
        engines = {"OpenVINO": faster(model, "gradcam", print), "PyTorch": model}
        took = times({name: Looker(one, "gradcam", None) for name, one in engines.items()}, model, count)
        where = " × ".join(map(str, model.preprocessing.size))
        rows.append(Row(f"the network alone, {where}, OpenVINO, median", floor(engines["OpenVINO"], count), "ms"))
        for name, ms in took.items():
            p95, note = float(np.quantile(ms, 0.95)), f"median: {statistics.median(ms):.1f} ms"
            rows.append(Row(f"one map, {where}, {name}, 95 of 100 within", p95, "ms", goals.get(name), note=note))
    return rows


def floor(model: Any, count: int) -> float:
    """Milliseconds of the graph by itself, on an input that is prepared: nothing around it can be faster."""
    x = np.random.default_rng(0).random((1, 3, *model.preprocessing.size), np.float32)
    took = []
    for turn in range(count + 10):
        start = time.perf_counter()
        model.look(torch.from_numpy(x))
        if turn >= 10:
            took.append(1000 * (time.perf_counter() - start))
    return statistics.median(took)


def times(lookers: dict[str, Any], model: Any, count: int) -> dict[str, list[float]]:
    """Milliseconds of each, in turn, so that a machine that slows down for a while slows all."""
    from whylight.live import Frame

    with Image.open(PHOTO) as opened:
        pixels = np.asarray(opened.convert("RGB").resize(model.preprocessing.size[::-1]))
    took: dict[str, list[float]] = {name: [] for name in lookers}
    for turn in range(count + 10):
        for name, looker in lookers.items():
            frame = Frame(pixels, turn / 25, turn, time.monotonic(), "photograph")
            start = time.perf_counter()
            looker([frame])
            if turn >= 10:
                took[name].append(1000 * (time.perf_counter() - start))
    return took


def beside(path: Path, name: str, folder: Path, frames: int | None) -> list[Row]:
    """A video by `whylight live` and by the loops around other libraries."""
    told = live(path, folder, "--out", "seen.mp4")
    told = live(path, folder, "--out", "seen.mp4")  # the first prepared the model for OpenVINO, and warmed the disk
    rate = told["frames"] / told["wall_seconds"]
    width, height = size_of(path)
    where = f"{name}, {width} × {height}"
    goal = round(RATE * PIXELS / (width * height), 1)
    rows = [
        Row(f"{where}: pictures a second, video to video", rate, "1/s", goal, "higher", note=stages(told)),
        Row(f"{where}: frames not explained", float(told["dropped"] + told["failed"]), "frames", 0.0),
    ]
    others = {}
    for library in LIBRARIES:
        command = [sys.executable, "-m", "benchmarks.live.loops", library, str(path), str(folder / "other.mp4")]
        limit = ["--frames", str(frames)] if frames else []
        ran = subprocess.run([*command, *limit], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        found = json.loads(ran.stdout.splitlines()[-1])
        others[library] = found["frames"] / found["seconds"]
        rows.append(Row(f"{where}: the loop around {library}, pictures a second", others[library], "1/s"))
    fastest = max(others, key=lambda library: others[library])
    words = f"{where}: how many times as fast as the faster of these loops"
    rows.append(Row(words, rate / others[fastest], "×", TIMES, "higher", note=f"that around {fastest}"))
    return rows


def live(path: Path, folder: Path, *words: str) -> dict[str, Any]:
    """`whylight live` on a video, in a process of its own: what `--stats` tells."""
    command = [sys.executable, "-m", "whylight", "live", str(path), "--model", "person", *words]
    began = time.perf_counter()
    subprocess.run(
        [*command, "--stats", "stats.json", "--overwrite"], check=True, cwd=folder, stdout=subprocess.DEVNULL
    )
    told: dict[str, Any] = json.loads((folder / "stats.json").read_text(encoding="utf-8"))
    told["process_seconds"] = time.perf_counter() - began
    return told


def stages(told: dict[str, Any]) -> str:
    """What each stage takes of a frame's time, in words."""
    each = ", ".join(f"{name} {times['p50']:.1f}" for name, times in told["stages_ms"].items())
    return f"median ms: {each}; the whole process {told['process_seconds']:.1f} s"


def shortened(path: Path, frames: int | None, folder: Path) -> Path:
    """The first frames of a video, as they are."""
    if frames is None:
        return path
    short = folder / f"{path.stem}-{frames}.mkv"
    cut = ["-frames:v", str(frames), "-c:v", "copy", "-an"]
    subprocess.run(["ffmpeg", "-y", "-loglevel", "error", "-i", str(path), *cut, str(short)], check=True)
    return short


def size_of(path: Path) -> tuple[int, int]:
    """(width, height) of a video."""
    import av

    with av.open(str(path)) as video:
        return video.streams.video[0].width, video.streams.video[0].height


if __name__ == "__main__":
    main()
