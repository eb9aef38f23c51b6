"""The grid in docs/guides/explain.md: docs/assets/grid.jpg, made by the two bundled models. `make picture` runs it."""

from __future__ import annotations

from pathlib import Path

import whylight

ROOT = Path(__file__).resolve().parent.parent
METHODS = ["gradcam", "layercam", "occlusion"]


def main() -> None:
    picture = ROOT / "examples" / "astronaut.jpg"
    found = {name: whylight.explain(whylight.load(name), picture, methods=METHODS) for name in ("face", "person")}
    for explanations in found.values():
        for ex in explanations:
            print(repr(ex), flush=True)
    whylight.grid(found).save(ROOT / "docs" / "assets" / "grid.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
