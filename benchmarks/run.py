"""Run all benchmarks, one process after another, and write results.md: what `make bench` does.

    python benchmarks/run.py [NAME…]

Each benchmark writes its part when it is done, so a run that is stopped keeps what it has. Close other programs first.
The face model is measured where its held-out pictures were prepared (recipes/face/prepare.py out/face-data).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from report import HERE, ORDER, Row, record

FACE_DATA = HERE.parent / "out" / "face-data"


def face() -> None:
    """Run face.py, and put its figures with the others."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "face.json"
        subprocess.run([sys.executable, str(HERE / "face.py"), "face", "--json", str(path)], check=True)
        figures = json.loads(path.read_text(encoding="utf-8"))
    rows = [
        Row("balanced accuracy", 100 * figures["balanced_accuracy"], "%", 99.3, "higher"),
        Row("false faces", len(figures["false_faces"]), "pictures"),
        Row("expected calibration error", figures["calibration_error"]),
        Row("the map's maximum lies on a face", 100 * figures["pointing"]["share"], "%", 85.0, "higher"),
    ]
    about = "The bundled face model on the held-out part of its data; accuracy over all pictures, pointing over scenes."
    record("face", "The face model", rows, about=about)


def main() -> int:
    names = sys.argv[1:] or list(ORDER)
    if not sys.argv[1:] and not FACE_DATA.is_dir():
        names.remove("face")
        print(f"face: left out, {FACE_DATA} is not there")
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        try:
            if name == "face":
                face()
            else:
                subprocess.run([sys.executable, str(HERE / f"{name}.py")], check=True)
        except subprocess.CalledProcessError:
            failed.append(name)
    print(f"results: {HERE / 'results.md'}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
