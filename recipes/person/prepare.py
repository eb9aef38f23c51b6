"""Lay out the pictures of the bundled `person` model as an image folder: train/ val/ test/, each with `person` and `no person`.

    python recipes/person/prepare.py OUT        # reads $WHYLIGHT_DATA, default ../shared/data

Pictures are symbolic links named SOURCE-NAME, so that results can be reported by source. The split is a hash of the source
and the person or picture, never of chance. Pictures of one person that fill it (`person/closeup`) and scenes (`person/scene`)
lie in subfolders, which the recipe's paste augmentation tells apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from layout import DATA, Picture, lay_out, listing, near_duplicates, position, remarks, rows, stem  # noqa: E402

# Faces alone are plentiful and easy: few are taken at all.
SHARES: dict[str, tuple[float, float]] = {
    "pennfudan": (0.5, 0.1),
    "coco128": (0.55, 0.12),
    "inria": (0.6, 0.1),
    "faces_multi": (0.62, 0.13),
    "faces_landmarks": (0.6, 0.0),
    "imagenet10": (0.72, 0.1),
    "objects_ccby": (0.6, 0.12),
    "celeba": (0.7, 0.1),
    "fairface": (0.7, 0.1),
}
FACES = 0.1  # share of celeba and fairface that is taken


def pictures() -> Iterator[Picture]:
    near = near_duplicates()
    with_person = {row["file"] for row in rows(DATA / "coco128" / "boxes.csv") if row["label"] == "person"}
    seen = remarks(HERE / "pictures.txt")

    yield from listing("pennfudan/images", "*.jpg", "pennfudan", "person/scene", stem)
    yield from listing("inria/positive", "*.jpg", "inria", "person/closeup", take_of)
    yield from listing("inria/negative", "*.jpg", "inria", "no person", take_of)
    yield from listing("faces_multi/images", "*.jpg", "faces_multi", "person/scene", lambda p: near.get(p.stem, p.stem))
    yield from listing("faces_landmarks", "*.jpg", "faces_landmarks", "person/scene", stem)
    for source in ("celeba", "fairface"):
        for picture in listing(f"{source}/images", "*.jpg", source, "person/closeup", stem):
            if position(f"taken/{picture.group}") < FACES:
                yield picture
    for picture in listing("coco128/images", "*.jpg", "coco128", "no person", stem):
        person = f"images/{picture.path.name}" in with_person
        yield picture._replace(label="person/scene") if person else picture
    for source, folder, pattern in (
        ("imagenet10", "imagenet10", "*/*/*.JPEG"),
        ("objects_ccby", "objects_ccby/images", "*.jpg"),
    ):
        for picture in listing(folder, pattern, source, "no person", stem):
            shows = seen.get(f"{source}/{picture.path.name}", "no person")
            if shows != "doubtful":
                yield picture._replace(label="person/scene" if shows == "person" else shows)


def take_of(path: Path) -> str:
    """INRIA's pictures are named by photograph, and a letter for each crop of it."""
    return path.stem.rstrip("abcdefghijklmnopqrstuvwxyz")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    lay_out(pictures(), SHARES, parser.parse_args().out)


if __name__ == "__main__":
    main()
