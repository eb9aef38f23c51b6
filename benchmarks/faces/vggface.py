"""VGG-Face from each form of its weights, at full size: the same logits, but for rounding, and what a query costs.

    python -m benchmarks.faces.vggface [--folder DIR] [--no-record]     # needs 3 GB of disk and 5 GB of memory

The weights are random, for Oxford's are not redistributable: 145 million of them, written in each form by the tests' writers, the
first layer's colours in the order of the form's usual source. A query is Grad-CAM on the strongest identity of one 224 × 224 crop,
warm; processor time is beside it, since it does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image

import whylight
from benchmarks.common.places import PHOTO, ROOT
from benchmarks.common.report import Row, cores, record
from whylight.faces.conversion import convert
from whylight.faces.vggface import load_vggface

sys.path.insert(0, str(ROOT / "tests"))

from vggfiles import Layer, State, random_state, t7_layers, write_caffemodel, write_h5, write_pth, write_t7

# Of the largest logit: each form's weights lie elsewhere in memory, where some processors add up in another order.
ROUNDING = 1e-4

FORMS: dict[str, Callable[[Path, State], Path]] = {
    "vgg_face_dag.pth": lambda path, state: write_pth(path, state, legacy=True),
    "VGG_FACE.t7": lambda path, state: write_t7(path, Layer("nn.Sequential", modules=t7_layers(state))),
    "VGG_FACE.caffemodel": write_caffemodel,
    "Keras .h5, dense": write_h5,
    "Keras .h5, convolutions": lambda path, state: write_h5(path, state, dense=False),
}


def measure(folder: Path) -> list[Row]:
    """Rows of every form, and of a query."""
    os.environ["XDG_CONFIG_HOME"] = str(folder / "config")  # no checksums of these among the user's own
    state = random_state((64, 128, 256, 512, 512), (4096, 4096), 2622)
    crop = Image.open(PHOTO).convert("RGB").crop((100, 20, 340, 260))
    rows, first = [], None
    source = folder / "weights"
    for form, write in FORMS.items():
        write(source, state)
        start = time.perf_counter()
        model = load_vggface(source, pin=False, device="cpu")
        took = time.perf_counter() - start
        logits = model.logits(model.preprocess(crop)[None])[0]
        first = logits if first is None else first
        rows.append(
            Row(
                f"{form}: largest difference of a logit from the first form's",
                float((logits - first).abs().max()),
                "",
                ROUNDING * float(first.abs().max()),
            )
        )
        rows.append(Row(f"{form}: loading", took, "s", note=f"{source.stat().st_size / 1e6:.0f} MB"))
    assert first is not None
    done = convert(source, folder / "converted.safetensors", pin=False)
    start = time.perf_counter()
    model = load_vggface(folder / "converted.safetensors", pin=False, device="cpu")
    took = time.perf_counter() - start
    difference = float((model.logits(model.preprocess(crop)[None])[0] - first).abs().max())
    rows.append(
        Row(
            "converted: largest difference of a logit from the first form's",
            difference,
            "",
            ROUNDING * float(first.abs().max()),
        )
    )
    rows.append(
        Row("converted: loading, and the golden output checked", took, "s", note=f"{done.parameters:,} numbers")
    )
    whylight.explain(model, crop, method="gradcam")
    times = []
    for _ in range(7):
        start, processor = time.perf_counter(), time.process_time()
        whylight.explain(model, crop, method="gradcam")
        times.append((time.perf_counter() - start, time.process_time() - processor))
    wall, processor = (sorted(column)[len(times) // 2] for column in zip(*times, strict=True))
    rows.append(
        Row(
            "Grad-CAM on the strongest identity, warm",
            wall,
            "s",
            1,
            note=f"{processor:.2f} s of processor time; median of 7",
        )
    )
    return rows


def main() -> None:
    """Measure in a folder that is taken away again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--folder", type=Path, help="where the files are written; default: the system's temporary folder"
    )
    parser.add_argument("--no-record", action="store_true", help="print only")
    options = parser.parse_args()
    torch.set_num_threads(cores())
    whylight.tune_allocator()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        rows = measure(Path(folder))
    if options.no_record:
        for row in rows:
            print(row.name, row.value, row.unit, row.note)
        return
    record("faces/vggface", "Faces: VGG-Face", rows, about=" ".join((__doc__ or "").split("\n\n")[2].split()))


if __name__ == "__main__":
    main()
