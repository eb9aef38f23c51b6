"""Which method explains a likeness of faces: how fast the likeness comes and goes with the pixels that a map calls important.

    python -m benchmarks.faces.maps [--each N]

MobileFaceNet, faces of `celeb5/val` found by YuNet, likeness to the mean embedding of the same person's faces in `train`.
Insertion starts from the blurred crop (Gaussian, sigma 12) and puts the hottest pixels back in 20 steps; deletion blurs them away.
The mean likeness over the steps counts: insertion high, deletion low. Beside it a random 7 × 7 map and a centred blob, which faces
that lie on a template favour. Chosen on these pictures: the method that `whylight.faces` takes for embeddings.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn.functional import cosine_similarity

import whylight
from benchmarks.common.places import DATA
from benchmarks.common.report import Row, record
from whylight.faces.align import crop
from whylight.faces.detect import detector
from whylight.faces.embed import Embedder, load_embedder
from whylight.faces.identify import likeness
from whylight.images import decode
from whylight.methods import tta

METHODS = ("gradcam", "gradcam++", "xgradcam", "hirescam", "eigencam", "layercam", tta("layercam", flip=True))
STEPS, SIGMA = 20, 12


def crops(embedder: Embedder, split: str, most: int) -> dict[str, list[Image.Image]]:
    """The largest face of each picture, for each person."""
    find = detector("yunet", weights=DATA / "weights" / "yunet_n_320.onnx")
    found: dict[str, list[Image.Image]] = defaultdict(list)
    for file in sorted((DATA / "celeb5" / split).glob("*/*")):
        if len(found[file.parent.name]) < most:
            picture = decode(file)
            faces = find.find(picture, largest=True)[:1]
            found[file.parent.name] += [crop(picture, face, embedder.template).picture for face in faces]
    return found


def curves(
    embedder: Embedder, seen: Image.Image, heat: NDArray[np.floating], reference: torch.Tensor
) -> tuple[float, float]:
    """Mean likeness while the hottest pixels are put into the blurred crop, and while they are blurred away."""
    whole = embedder.model.preprocess(seen)[None]
    blurred = embedder.model.preprocess(Image.fromarray(cv2.GaussianBlur(np.asarray(seen), (0, 0), SIGMA)))[None]
    order = torch.from_numpy(np.argsort(-heat.flatten(), kind="stable").copy())
    masks = torch.zeros(STEPS + 1, len(order))
    for step in range(STEPS + 1):
        masks[step, order[: len(order) * step // STEPS]] = 1
    masks = masks.view(-1, 1, *heat.shape)  # (steps, 1, H, W)
    x = torch.cat([whole * masks + blurred * (1 - masks), blurred * masks + whole * (1 - masks)])
    alike = cosine_similarity(embedder.model.logits(x), reference[None])
    return float(alike[: STEPS + 1].mean()), float(alike[STEPS + 1 :].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=3, help="pictures a person")
    options = parser.parse_args()
    embedder = load_embedder(DATA / "weights" / "mobilefacenet_foamliu.pt")
    height, width = embedder.template.size
    y, x = np.mgrid[:height, :width]
    blob = np.exp(-((y - height / 2) ** 2 + (x - width / 2) ** 2) / (2 * (height / 4) ** 2))
    draw = np.random.default_rng(0)
    known = {person: embedder.embed(faces).mean(0) for person, faces in crops(embedder, "train", 20).items()}
    scores: dict[str, list[tuple[float, float]]] = defaultdict(list)
    blank: dict[str, int] = defaultdict(int)
    for person, faces in crops(embedder, "val", options.each).items():
        reference = torch.from_numpy(known[person])
        for seen in faces:
            for ex in whylight.explain(embedder.model, seen, methods=METHODS, target=likeness(reference, person)):
                scores[ex.method].append(curves(embedder, seen, ex.heatmap().numpy(), reference))
                blank[ex.method] += ex.is_blank
            noise = cv2.resize(draw.random((7, 7)).astype(np.float32), (width, height))
            scores["random 7 × 7 map"].append(curves(embedder, seen, noise, reference))
            scores["centred blob"].append(curves(embedder, seen, blob, reference))
    rows = []
    for name, pairs in scores.items():
        insertion, deletion = np.mean(pairs, 0)
        note = f"{blank[name]} of {len(pairs)} maps blank" if blank[name] else ""
        rows.append(Row(f"insertion, {name}", float(insertion), better="higher", note=note))
        rows.append(Row(f"deletion, {name}", float(deletion)))
        print(f"{name}: insertion {insertion:.3f}, deletion {deletion:.3f} {note}", flush=True)
    about = " ".join((__doc__ or "").split("\n\n")[2].split())
    record("faces/maps", "Maps of a likeness of faces", rows, about=about)


if __name__ == "__main__":
    main()
