"""What one live map costs: a picture of uint8 in, logits and class maps out, by PyTorch and by exported graphs.

    python -m benchmarks.speed.exported [--pictures FOLDER] [--quick]

One map after another, 200 of each kind, in turn, so that a machine that slows down for a while slows all. Preparation is
counted: a picture of 224 × 224 is only normalised, one of 640 × 480 is resized by Pillow, or inside of the graph. Half of the
machine's cores, as the camera page has. Maps are held against PyTorch's on the same picture.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.common.places import DATA, PHOTO, ROOT
from benchmarks.common.report import Row, cores, record

Pixels = NDArray[np.uint8]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--pictures", type=Path, default=ROOT / "examples", help="for the ranges of int8, and the maps")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    import torch

    import whylight
    from whylight.models.adapters.exported import load_exported

    whylight.tune_allocator()
    threads = max(1, cores() // 2)
    torch.set_num_threads(threads)
    model = whylight.load("face", device="cpu")
    pictures = [options.pictures]
    with tempfile.TemporaryDirectory() as folder:
        graphs = {}
        for name, file, int8 in (
            ("OpenVINO", "fp32.xml", False),
            ("ONNX Runtime", "fp32.onnx", False),
            ("OpenVINO int8", "int8.xml", True),
            ("ONNX Runtime int8", "int8.onnx", True),
        ):
            written = whylight.export(model, Path(folder, file), int8=int8, pictures=pictures if int8 else ())
            print(name, written.error, written.agreement, flush=True)
            graphs[name] = (load_exported(Path(folder, file), threads=threads), written)
        calls: dict[str, Callable[[Pixels], Any]] = {
            "PyTorch, forward alone": lambda pixels: model.logits(model.preprocess(pixels).unsqueeze(0)),
            "PyTorch, cam": lambda pixels: whylight.explain(model, pixels, method="cam"),
            **{name: graph.see for name, (graph, _) in graphs.items()},
        }
        rows = []
        with Image.open(PHOTO) as opened:
            for size in ((224, 224), (640, 480)):
                pixels = np.asarray(opened.convert("RGB").resize(size))
                chosen = dict(calls)
                if size != (224, 224):
                    for name in ("OpenVINO", "ONNX Runtime"):
                        graph = graphs[name][0]
                        chosen[f"{name}, resized inside"] = lambda pixels, graph=graph: graph.see(pixels, inside=True)
                rows += times(chosen, pixels, 20 if options.quick else 200)
        for name, (_, written) in graphs.items():
            if written.agreement is not None:
                rows.append(
                    Row(
                        f"maps of {name} beside PyTorch's",
                        round(written.agreement.maps, 4),
                        "correlation",
                        better="higher",
                        note=str(written.agreement),
                    )
                )
        others = DATA / "coco128" / "images"  # of many sizes
        shown = [PHOTO, *(files(others)[:40] if others.is_dir() else [])]
        for name in ("OpenVINO", "ONNX Runtime"):
            rows += differences(name, model, graphs[name][0], shown)
    record(
        "speed/exported",
        "One live map: exported graphs beside PyTorch",
        rows,
        about=__doc__.split("\n\n")[2].replace("\n", " "),
    )


def times(calls: dict[str, Callable[[Pixels], Any]], pixels: Pixels, count: int) -> list[Row]:
    """Median and 95th percentile of each, in milliseconds, in turn."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(count + 5):
        for name, call in calls.items():
            start = time.perf_counter()
            call(pixels)
            if turn >= 5:
                found[name].append((time.perf_counter() - start) * 1000)
    where = f"{pixels.shape[1]} × {pixels.shape[0]}"
    rows = []
    for name, ms in found.items():
        p95 = statistics.quantiles(ms, n=20)[-1]
        rows.append(Row(f"{name}, picture of {where}, median", statistics.median(ms), "ms", note=f"95 %: {p95:.1f} ms"))
        print(rows[-1].name, rows[-1].figure, rows[-1].note, flush=True)
    return rows


def differences(name: str, model: Any, graph: Any, pictures: Sequence[Path]) -> list[Row]:
    """How far maps are from PyTorch's where the graph resizes, in shares of the largest value."""
    from whylight.graphs.agreement import both

    shares = []
    for picture in pictures:
        pixels = _pixels(picture)
        _, maps = both(model, model.preprocess(pixels).unsqueeze(0))
        assert maps is not None
        found = graph.see(pixels, inside=True)[1]
        shares.append(float(np.abs(found - maps[0].numpy()).max() / maps.abs().max()))
    where = f"median over {len(shares)} pictures; largest {max(shares):.2%}"
    return [
        Row(
            f"{name}, resized inside: maps differ by, of the largest value",
            100 * statistics.median(shares),
            "%",
            note=where,
        )
    ]


def _pixels(picture: Path) -> Pixels:
    with Image.open(picture) as opened:
        return np.asarray(opened.convert("RGB"))


def files(folder: Path) -> list[Path]:
    """The pictures of a folder."""
    from whylight.images import walk

    return walk([folder])


if __name__ == "__main__":
    main()
