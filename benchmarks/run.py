"""Run all benchmarks, one process after another, and write results.md and its pages: what `make bench` does.

    python -m benchmarks.run [NAME…]        # faces/gallery, or a whole group: faces
    python -m benchmarks.run --pages        # measure nothing, write the pages from the figures that are there

Each benchmark writes its part when it is done, so a run that is stopped keeps what it has. Close other programs first.
The bundled models are measured where their held-out pictures were prepared (recipes/face/prepare.py out/face-data).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.common import pages
from benchmarks.common.places import ROOT
from benchmarks.common.report import Row, record

BUNDLED = {"face": ("face", 99.3), "person": ("person", 98.5)}  # with the accuracy to reach, in percent


def data_of(name: str) -> Path:
    """Where the recipe's held-out pictures are laid out."""
    return ROOT / "out" / f"{name}-data"


def bundled(name: str) -> None:
    """Run bundled/presence.py on a bundled model, and put its figures with the others."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        run("bundled/presence", name, "--json", str(path))
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
    record(f"bundled/{name}", f"The {name} model", rows, about=about)


def run(benchmark: str, *arguments: str) -> None:
    module = f"benchmarks.{benchmark.replace('/', '.')}"
    subprocess.run([sys.executable, "-m", module, *arguments], check=True, cwd=ROOT)


def chosen(names: list[str]) -> list[str]:
    """The benchmarks that names and groups stand for; without any, all whose pictures are here."""
    if names:
        return [one for name in names for one in pages.ORDER if name in (one, one.partition("/")[0])]
    found = []
    for name in pages.ORDER:
        group, _, kind = name.partition("/")
        if group == "bundled" and not data_of(kind).is_dir():
            print(f"{name}: left out, {data_of(kind)} is not there")
        else:
            found.append(name)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a benchmark or a group; default: all")
    parser.add_argument("--pages", action="store_true", help="measure nothing, write the pages anew")
    options = parser.parse_args()
    if options.pages:
        pages.write(pages.read())
        return 0
    for name in options.names:
        if name not in [*pages.ORDER, *pages.GROUPS]:
            parser.error(f"{name}: no such benchmark; there are {', '.join(pages.ORDER)}")
    failed = []
    for name in chosen(options.names):
        print(f"== {name}", flush=True)
        group, _, kind = name.partition("/")
        try:
            if group == "bundled":
                bundled(kind)
            else:
                by_hand = group in ("live", "audit", "scale") or name == "web/live"  # these only print unless told
                run(name, *(["--record"] if by_hand else []))
        except subprocess.CalledProcessError:
            failed.append(name)
    print(f"results: {pages.FOLDER / 'results.md'}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
