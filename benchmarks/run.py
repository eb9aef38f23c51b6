"""Run all benchmarks, one process after another, and write results.md: what `make bench` does.

    python benchmarks/run.py [NAME…]

Each benchmark writes its part when it is done, so a run that is stopped keeps what it has. Close other programs first.
The bundled models are measured where their held-out pictures were prepared (recipes/face/prepare.py out/face-data).
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from report import HERE, ORDER, Row, record

BUNDLED = {"face": ("face", 99.3), "person": ("person", 98.5)}  # with the accuracy to reach, in percent


def data_of(name: str) -> Path:
    """Where the recipe's held-out pictures are laid out."""
    return HERE.parent / "out" / f"{name}-data"


def bundled(name: str) -> None:
    """Run presence.py on a bundled model, and put its figures with the others."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        subprocess.run([sys.executable, str(HERE / "presence.py"), name, "--json", str(path)], check=True)
        figures = json.loads(path.read_text(encoding="utf-8"))
    what, goal = BUNDLED[name]
    key = "balanced_accuracy" if name == "face" else "accuracy"
    rows = [
        Row(key.replace("_", " "), 100 * figures[key], "%", goal, "higher"),
        Row("false alarms", len(figures["false_alarms"]), "pictures"),
        Row("expected calibration error", figures["calibration_error"]),
        Row(f"the map's maximum lies on a {what}", 100 * figures["pointing"]["share"], "%", 85.0, "higher"),
    ]
    about = (
        f"The bundled {name} model on the held-out part of its data; accuracy over all pictures, pointing over scenes."
    )
    record(name, f"The {name} model", rows, about=about)


def main() -> int:
    names = sys.argv[1:] or list(ORDER)
    for name in [name for name in names if name in BUNDLED and not sys.argv[1:]]:
        if not data_of(name).is_dir():
            names.remove(name)
            print(f"{name}: left out, {data_of(name)} is not there")
    failed = []
    for name in names:
        print(f"== {name}", flush=True)
        try:
            if name in BUNDLED:
                bundled(name)
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
