"""Lay out the pictures of the bundled `face` model as an image folder: train/ val/ test/, each with `face` and `no face`.

    python recipes/face/prepare.py OUT            # reads $WHYLIGHT_DATA, default ../shared/data
    python recipes/face/prepare.py OUT --check    # also scan every negative with the YuNet detector, print doubtful ones

Pictures are symbolic links named SOURCE-NAME, so that results can be reported by source. The split is a hash of the
source and the person or picture, never of chance: the same on every machine. Close-ups (one face fills the
picture) and scenes lie in subfolders of `face`, which the recipe's paste augmentation tells apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from layout import DATA, Picture, lay_out, listing, near_duplicates, parent, remarks, rows, stem  # noqa: E402

# Share of each source that goes to (train, val); the rest is test. Close-ups are plentiful and easy: few are trained on.
SHARES: dict[str, tuple[float, float]] = {
    "celeba": (0.45, 0.08),
    "fairface": (0.60, 0.10),
    "celeb5": (0.60, 0.10),
    "orl": (0.50, 0.10),
    "faces_multi": (0.62, 0.13),
    "faces_landmarks": (0.60, 0.0),
    "imagenet10": (0.72, 0.10),
    "objects_ccby": (0.60, 0.12),
    "coco128": (0.50, 0.12),
    "inria": (0.60, 0.10),
}


def pictures() -> Iterator[Picture]:
    """Every picture that may be used, before the exclusions."""
    identity = {row["file"]: row["identity"] for row in rows(DATA / "celeba" / "identities.csv")}
    near = near_duplicates()
    with_person = {row["file"] for row in rows(DATA / "coco128" / "boxes.csv") if row["label"] == "person"}

    yield from listing("celeba/images", "*.jpg", "celeba", "face/closeup", lambda path: identity[path.name])
    yield from listing("fairface/images", "*.jpg", "fairface", "face/closeup", stem)
    yield from listing("celeb5", "*/*/*", "celeb5", "face/closeup", stem)
    yield from listing("orl", "*/*.pgm", "orl", "face/closeup", parent)
    yield from listing("faces_multi/images", "*.jpg", "faces_multi", "face/scene", lambda p: near.get(p.stem, p.stem))
    yield from listing("faces_landmarks", "*.jpg", "faces_landmarks", "face/scene", stem)
    yield from listing("imagenet10", "*/*/*.JPEG", "imagenet10", "no face", stem)
    yield from listing("objects_ccby/images", "*.jpg", "objects_ccby", "no face", stem)
    yield from listing("inria/negative", "*.jpg", "inria", "no face", lambda path: path.stem.rstrip("ab"))
    for picture in listing("coco128/images", "*.jpg", "coco128", "no face", stem):
        if f"images/{picture.path.name}" not in with_person:
            yield picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", action="store_true", help="scan the negatives with YuNet and print doubtful ones")
    options = parser.parse_args()

    left_out = remarks(HERE / "excluded.txt")  # with the reason
    kept = [picture for picture in pictures() if f"{picture.source}/{picture.path.name}" not in left_out]
    lay_out(kept, SHARES, options.out)
    if options.check:
        import yunet

        yunet.report([p.path for p in kept if p.label == "no face"], DATA / "weights" / "yunet_n_320.onnx")


if __name__ == "__main__":
    main()
