"""How long one question about a face takes, from the picture to the sentence, in a process that is warm.

    python -m benchmarks.faces.query [--rounds N]

Group photographs of `faces_landmarks`, scaled to 640×480: decoding left out, detection with the Haar cascades, crop, identity,
Grad-CAM, parts of the face and sentence are in. MobileFaceNet with a gallery of `celeb5`; VGG-Face's architecture with random
weights, since its own are not redistributable: what it says is nonsense, what it takes is right. The time of a picture is the
median of its rounds; the mean over the pictures counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

import whylight
from benchmarks.common.places import DATA
from benchmarks.common.report import Row, cores, record
from whylight.faces.align import crop
from whylight.faces.detect import detector
from whylight.faces.embed import Embedder, load_embedder
from whylight.faces.gallery import Gallery
from whylight.faces.identify import ByClassifier, ByGallery, FaceOnly, Identifier
from whylight.faces.query import FaceQuery
from whylight.faces.vggface import LAYER, TEMPLATE, VggFace, preprocessing
from whylight.images import decode

SIZE = (640, 480)
GOALS = {"MobileFaceNet and a gallery": 150.0, "VGG-16 of VGG-Face's size": 1000.0}  # milliseconds


def gallery_of(embedder: Embedder, folder: Path) -> Gallery:
    """A small gallery: three pictures of each of `celeb5`."""
    gallery = Gallery.create(folder, embedder)
    find = detector()
    for person in sorted((DATA / "celeb5" / "train").iterdir()):
        crops = []
        for file in sorted(person.iterdir())[:3]:
            picture = decode(file)
            crops += [crop(picture, face, embedder.template).picture for face in find.find(picture, largest=True)[:1]]
        if crops:
            gallery.add(person.name, embedder.embed(crops))
    return gallery


def classifier() -> ByClassifier:
    """VGG-Face's network, its weights drawn at random."""
    torch.manual_seed(0)
    network = VggFace().requires_grad_(False).eval()
    return ByClassifier(whylight.Model(network, preprocessing=preprocessing(), layer=LAYER), TEMPLATE)


def seconds(query: FaceQuery, pictures: list[Image.Image], rounds: int) -> tuple[float, int]:
    """Mean over the pictures of the median time, and in how many of them a face was found."""
    found = sum(query(picture)[0].face is not None for picture in pictures)  # warms up, too
    times = []
    for picture in pictures:
        taken = []
        for _ in range(rounds):
            began = time.perf_counter()
            query(picture)
            taken.append(time.perf_counter() - began)
        times.append(statistics.median(taken))
    return statistics.mean(times), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    whylight.tune_allocator()
    torch.set_num_threads(cores())
    pictures = [
        decode(file).resize(SIZE, Image.Resampling.LANCZOS) for file in sorted((DATA / "faces_landmarks").glob("*.jpg"))
    ]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        embedder = load_embedder(DATA / "weights" / "mobilefacenet_foamliu.pt")
        queries: dict[str, Identifier] = {
            "MobileFaceNet and a gallery": ByGallery(gallery_of(embedder, Path(folder) / "gallery"), embedder),
            "VGG-16 of VGG-Face's size": classifier(),
            "the bundled face model": FaceOnly(),
        }
        for name, identifier in queries.items():
            took, found = seconds(FaceQuery(identifier), pictures, options.rounds)
            note = f"{found} of {len(pictures)} pictures with a face found"
            rows.append(Row(f"one query, {name}", 1000 * took, "ms", GOALS.get(name), note=note))
            print(f"{name}: {1000 * took:.0f} ms", flush=True)
    about = " ".join((__doc__ or "").split("\n\n")[2].split()) + f" {cores()} threads."
    record("faces/query", "One question about a face", rows, about=about)


if __name__ == "__main__":
    main()
