"""How well a gallery tells people apart: who it is, who is nobody, and how long a search takes.

    python -m benchmarks.faces.gallery [--detectors haar yunet] [--dry]

Needs WHYLIGHT_DATA. Nothing here was tuned on: enrolment, alignment and threshold are the package's own, and the threshold for
"unknown" is the one that the gallery chooses on its own pictures at 5 % false rejects.

- celeb5: its training pictures enrolled, its validation pictures asked.
- ORL: pictures 1 to 5 of each person enrolled, 6 to 10 asked. Unknown people: half of the people enrolled so, all pictures of
  the other half asked; then the halves change places.
- CelebA: people with three pictures or more; all but the last enrolled for half of them, the last asked; unknown people as above.

A picture in which no face is found counts as wrong; among unknown people it is left out.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.places import DATA
from benchmarks.common.report import Row, record
from whylight.faces.align import crop
from whylight.faces.detect import detector
from whylight.faces.embed import Embedder, load_embedder
from whylight.faces.gallery import Gallery
from whylight.faces.types import Detector, Face
from whylight.images import decode

NETWORKS = {
    "MobileFaceNet (xiaoccer)": DATA / "weights" / "mobilefacenet_xiaoccer.ckpt",
    "MobileFaceNet (foamliu)": DATA / "weights" / "mobilefacenet_foamliu.pt",
    "bundled features": "face",
}
GOALS = "MobileFaceNet (xiaoccer)"  # whose figures have goals

People = Mapping[str, Sequence[Path]]


class Split(NamedTuple):
    """Who is enrolled with which pictures, and which are asked."""

    enrolled: People
    asked: People
    unknown: People


class Figures(NamedTuple):
    """All in [0, 1]."""

    top1: float  # of all that were asked
    false_rejects: float  # share of asked pictures of enrolled people below the threshold
    unknown_rejected: float  # share of pictures of unknown people below it
    at_five: float  # the same, at the threshold that rejects exactly 5 % of what was asked
    promised: float  # false accepts that the calibration stated


def celeb5() -> Split:
    def side(name: str) -> People:
        return {folder.name: sorted(folder.iterdir()) for folder in sorted((DATA / "celeb5" / name).iterdir())}

    return Split(side("train"), side("val"), {})


def orl() -> People:
    folders = sorted((DATA / "orl").iterdir(), key=lambda path: int(path.name[1:]))
    return {folder.name: [folder / f"{index}.pgm" for index in range(1, 11)] for folder in folders}


def celeba() -> People:
    people: dict[str, list[Path]] = defaultdict(list)
    with (DATA / "celeba" / "identities.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            people[row["identity"]].append(DATA / "celeba" / "images" / row["file"])
    return {name: sorted(paths) for name, paths in sorted(people.items()) if len(paths) >= 3}


def halves(people: People, enrolled: slice, asked: slice) -> list[Split]:
    """Every other person enrolled, the rest unknown; and the other way round."""
    splits = []
    for first in (0, 1):
        known = {name: people[name] for name in list(people)[first::2]}
        unknown = {name: people[name] for name in list(people)[1 - first :: 2]}
        splits.append(Split(part(known, enrolled), part(known, asked), unknown))
    return splits


def part(people: People, which: slice) -> People:
    return {name: paths[which] for name, paths in people.items()}


class Looked:
    """Each picture's face, found once, and its embeddings."""

    def __init__(self, finder: Detector, paths: Sequence[Path]) -> None:
        self.faces: dict[Path, Face | None] = {}
        start = time.perf_counter()
        for path in paths:
            found = finder.find(decode(path), largest=True)
            self.faces[path] = found[0] if found else None
        self.seconds = (time.perf_counter() - start) / len(paths)

    def embed(self, embedder: Embedder) -> dict[Path, NDArray[np.float32]]:
        paths = [path for path, face in self.faces.items() if face is not None]
        rows: list[NDArray[np.float32]] = []
        for start in range(0, len(paths), 64):
            crops = []
            for path in paths[start : start + 64]:
                face = self.faces[path]
                assert face is not None
                crops.append(crop(decode(path), face, embedder.template).picture)
            rows += list(embedder.embed(crops))
        return dict(zip(paths, rows, strict=True))


def measure(split: Split, z: Mapping[Path, NDArray[np.float32]], embedder: Embedder) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        gallery = Gallery.create(folder, embedder)
        gallery.add_all(
            {
                name: np.stack(rows)
                for name, paths in split.enrolled.items()
                if (rows := [z[p] for p in paths if p in z])
            }
        )
        calibration = gallery.calibrate(false_rejects=0.05)
        right, best = [], []
        for name, paths in split.asked.items():
            for path in paths:
                match = gallery.search(z[path], 1)[0] if path in z else None
                right.append(match is not None and match.name == name)
                if match is not None:
                    best.append(match.similarity)
        strangers = [
            gallery.search(z[path], 1)[0].similarity for p in split.unknown.values() for path in p if path in z
        ]
    below = np.array(strangers) if strangers else np.array([np.nan])
    return Figures(
        float(np.mean(right)),
        float(np.mean(np.array(best) < calibration.threshold)),
        float(np.mean(below < calibration.threshold)),
        float(np.mean(below < np.quantile(best, 0.05))),
        calibration.false_accepts or 0.0,
    )


def mean(all_figures: Sequence[Figures]) -> Figures:
    return Figures(*(float(np.mean(column)) for column in zip(*all_figures, strict=True)))


def nearest(z: Mapping[Path, NDArray[np.float32]]) -> float:
    """Leave one out: share of pictures whose nearest other is of the same person."""
    rows, names = np.stack(list(z.values())), np.array([path.parent.name for path in z])
    similarities = rows @ rows.T
    np.fill_diagonal(similarities, -2)
    return float(np.mean(names[similarities.argmax(1)] == names))


def search_ms(people: int, dimension: int, embedder: Embedder) -> float:
    """Median time of a search, in milliseconds."""
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        gallery = Gallery.create(folder, embedder)
        rows = random.normal(size=(people, dimension))
        gallery.add_all({f"person {index}": row for index, row in enumerate(rows)})
        times = []
        for query in random.normal(size=(200, dimension)):
            start = time.perf_counter()
            gallery.search(query, 5)
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def unknown(name: str, network: str, found: str, figures: Figures) -> Row:
    """The row of a set with unknown people."""
    goals = network == GOALS
    title = f"{name}, {found}, {network}"
    return Row(
        f"{title}: unknown people rejected",
        100 * figures.unknown_rejected,
        "%",
        goal=90 if goals else None,
        better="higher",
        note=f"{100 * figures.false_rejects:.1f} % of enrolled people's pictures are rejected at that threshold; were it exactly "
        f"5 %, it would be {100 * figures.at_five:.1f} %; the gallery expected {100 * (1 - figures.promised):.1f} %",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detectors", nargs="+", default=["haar", "yunet"], choices=["haar", "yunet"])
    parser.add_argument("--dry", action="store_true", help="print only; leave results.md as it is")
    options = parser.parse_args()
    five, forty, many = celeb5(), orl(), celeba()
    sets = {
        "celeb5": [p for side in (five.enrolled, five.asked) for paths in side.values() for p in paths],
        "ORL": [path for paths in forty.values() for path in paths],
        "CelebA": [path for paths in many.values() for path in paths],
    }
    everything = Split(part(forty, slice(0, 5)), part(forty, slice(5, 10)), {})
    embedders = {name: load_embedder(source, device="cpu") for name, source in NETWORKS.items()}
    rows: list[Row] = []
    for found in options.detectors:
        weights = DATA / "weights" / "yunet_n_320.onnx" if found == "yunet" else None
        finder = detector(found, weights=weights)
        looked = {name: Looked(finder, paths) for name, paths in sets.items()}
        for name, seen in looked.items():
            faces = list(seen.faces.values())
            there = [face for face in faces if face is not None]
            rows.append(
                Row(
                    f"{name}, {found}: pictures with a face found",
                    100 * len(there) / len(faces),
                    "%",
                    note=f"of {len(faces)}; eyes found in {sum(face.eyes is not None for face in there)}; "
                    f"{1000 * seen.seconds:.0f} ms a picture",
                )
            )
            print(rows[-1], flush=True)
        for network, embedder in embedders.items():
            if network == "bundled features" and found != options.detectors[0]:
                continue  # once is enough to see what they are
            goals = network == GOALS
            z = {name: seen.embed(embedder) for name, seen in looked.items()}
            one = measure(five, z["celeb5"], embedder)
            rows += [
                Row(f"celeb5, {found}, {network}: top-1", 100 * one.top1, "%", 95 if goals else None, "higher"),
                Row(f"celeb5, {found}, {network}: nearest of all others", 100 * nearest(z["celeb5"]), "%"),
            ]
            top1 = measure(everything, z["ORL"], embedder).top1
            rows.append(Row(f"ORL, {found}, {network}: top-1", 100 * top1, "%", 97 if goals else None, "higher"))
            faces40 = mean([measure(s, z["ORL"], embedder) for s in halves(forty, slice(0, 5), slice(5, 10))])
            rows.append(unknown("ORL", network, found, faces40))
            famous = mean([measure(s, z["CelebA"], embedder) for s in halves(many, slice(0, -1), slice(-1, None))])
            rows += [
                Row(f"CelebA, {found}, {network}: top-1", 100 * famous.top1, "%"),
                unknown("CelebA", network, found, famous),
            ]
            for row in rows[-6:]:
                print(row, flush=True)
    milliseconds = search_ms(10_000, embedders[GOALS].dimension, embedders[GOALS])
    rows.append(Row("search among 10,000 people, 128 numbers each", milliseconds, "ms", 5))
    wide = search_ms(10_000, embedders["bundled features"].dimension, embedders["bundled features"])
    rows.append(Row("search among 10,000 people, 1,280 numbers each", wide, "ms"))
    if options.dry:
        return
    record(
        "faces/gallery",
        "Faces: galleries",
        rows,
        about="Galleries enrolled and asked as `python -m benchmarks.faces.gallery --help` says, with the threshold that each "
        "gallery chose on its own pictures at 5 % false rejects. Both MobileFaceNets were trained on photographs of "
        "celebrities, so that people of celeb5 and CelebA may have been among them; ORL's were not. The bundled model saw "
        "pictures of ORL and CelebA as faces, without names.",
    )


if __name__ == "__main__":
    main()
