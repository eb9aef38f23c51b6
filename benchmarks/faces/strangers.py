"""How alike faces of different people are to a network: from which similarity on a stranger is as likely as anybody.

    python -m benchmarks.faces.strangers [--write] [--dry]

Needs WHYLIGHT_DATA. For each network that whylight knows by its weights:

- pairs: every two pictures of fold 1 of LFW, of different people and of the same person;
- a stranger and somebody enrolled: every picture of one half of CelebA's people against everybody of that half but its own person,
  each enrolled with all of their pictures (people with three or more).

`--write` keeps their quantiles in `src/whylight/faces/people/known.json`, which thresholds and words are made of. What these are
worth is measured on people that they were not made of: galleries of 3, 10 and 50 people of the other half of CelebA, three pictures
each, asked about a picture of everybody else there, with the threshold that the gallery chose as it did before there were floors,
and as it does now.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common.places import DATA
from benchmarks.common.report import Row, record
from benchmarks.faces.gallery import NETWORKS, Looked, celeba
from whylight.evaluate.bootstrap import rate
from whylight.faces.detect import detector
from whylight.faces.embed import Embedder, load_embedder
from whylight.faces.gallery import Gallery
from whylight.faces.people.known import FILE, SHARES
from whylight.faces.people.scores import leave_one_out
from whylight.faces.people.threshold import calibrate

Rows = Mapping[Path, NDArray[np.float32]]
SIZES = (3, 10, 50)
GALLERIES = 40  # of each size
ENROLLED = 3  # pictures of each person


def lfw(fold: str) -> dict[str, list[Path]]:
    """People of a fold with their pictures."""
    found: dict[str, set[Path]] = defaultdict(set)
    with (DATA / "lfw" / "pairs.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for name in (row["a"], row["b"]) if row["fold"] == fold else ():
                found[Path(name).stem.rsplit("_", 1)[0]].add(DATA / "lfw" / "images" / Path(name).name)
    return {name: sorted(paths) for name, paths in sorted(found.items())}


def quantiles(values: NDArray[np.float64]) -> list[float]:
    """The similarity that each of `SHARES` of the values reaches."""
    return [round(float(one), 4) for one in np.quantile(values, 1 - np.array(SHARES))]


def stacked(people: Mapping[str, Sequence[Path]], z: Rows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(N, D) embeddings and (N,) whose each is."""
    found = [(z[path], owner) for owner, paths in enumerate(people.values()) for path in paths if path in z]
    return np.array([one for one, _ in found], np.float64), np.array([owner for _, owner in found])


def pairs(people: Mapping[str, Sequence[Path]], z: Rows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Similarities of every two pictures: of the same person, and of different people."""
    rows, owners = stacked(people, z)
    i, j = np.triu_indices(len(rows), 1)
    alike, same = (rows @ rows.T)[i, j], owners[i] == owners[j]
    return alike[same], alike[~same]


def strangers(people: Mapping[str, Sequence[Path]], z: Rows) -> NDArray[np.float64]:
    """Similarity of each picture to each person it is not of."""
    rows, owners = stacked(people, z)
    sums = np.zeros((len(people), rows.shape[1]))
    np.add.at(sums, owners, rows)
    templates = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    there = np.bincount(owners, minlength=len(people)) > 0
    alike = rows @ templates.T
    other = (owners[:, None] != np.arange(len(people))[None]) & there[None]
    return np.asarray(alike[other])


def named(people: Mapping[str, Sequence[Path]], z: Rows, embedder: Embedder, size: int) -> dict[str, list[bool]]:
    """Of strangers to galleries of so many people, whether each is given a name: before there were floors, and now."""
    names = [name for name, paths in people.items() if sum(path in z for path in paths) >= ENROLLED]
    dice = np.random.default_rng(size)
    found: dict[str, list[bool]] = {"before": [], "now": []}
    for _ in range(GALLERIES):
        inside = set(dice.choice(names, size, replace=False).tolist())
        rows = {name: np.stack([z[path] for path in people[name] if path in z][:ENROLLED]) for name in inside}
        asked = [z[path] for name, paths in people.items() if name not in inside for path in paths[:1] if path in z]
        with tempfile.TemporaryDirectory() as folder:
            gallery = Gallery.create(folder, embedder)
            gallery.add_all(rows)
            now = gallery.calibrate().threshold
            owners = np.repeat(np.arange(size), ENROLLED).astype(np.int32)
            scores = leave_one_out(np.concatenate(list(rows.values())), owners, size)
            before = calibrate(scores, people=size, state="").threshold
            best = np.array([gallery.search(one, 1)[0].similarity for one in asked])
        found["before"] += (best >= before).tolist()
        found["now"] += (best >= now).tolist()
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true", help="keep the quantiles")
    parser.add_argument("--dry", action="store_true", help="print, and leave the results as they are")
    asked = parser.parse_args()
    halves = {half: dict(list(celeba().items())[half::2]) for half in (0, 1)}
    first = lfw("1")
    every = [path for people in (first, *halves.values()) for paths in people.values() for path in paths]
    looked = Looked(detector("haar"), every)
    embedders = {name: load_embedder(weights, device="cpu") for name, weights in NETWORKS.items()}
    found = {name: looked.embed(embedder) for name, embedder in embedders.items()}
    known, rows = {}, list[Row]()
    for name, embedder in embedders.items():
        z = found[name]
        same, different = pairs(first, z)
        apart = strangers(halves[0], z)
        known[embedder.fingerprint] = {
            "network": name,
            "same": quantiles(same),
            "different": quantiles(different),
            "strangers": quantiles(apart),
            "pairs": [len(same), len(different)],
            "asked": len(apart),
        }
        print(name, json.dumps(known[embedder.fingerprint]), flush=True)
    if asked.write:
        FILE.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    for name, embedder in embedders.items():
        for size in SIZES:
            for when, yes in named(halves[1], found[name], embedder, size).items():
                told = rate(yes, [str(number % len(halves[1])) for number in range(len(yes))])
                rows.append(
                    Row(
                        f"Strangers given a name, {name}, galleries of {size} people, {when}",
                        told.mean,
                        "%",
                        note=f"95 % interval {told.low:.1f} … {told.high:.1f}",
                    )
                )
                print(rows[-1], flush=True)
    if not asked.dry:
        record("faces/strangers", "Faces: strangers", rows)


if __name__ == "__main__":
    main()
