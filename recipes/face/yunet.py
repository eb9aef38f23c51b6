"""Propose negatives that may show a face: the YuNet detector on the whole picture, shrunk, and on overlapping tiles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from whylight.images import decode

SIDE = 320  # the only input size this network takes
DOUBTFUL = 0.4  # from this score on a picture is worth a look; animals and objects often reach it, too


def views(picture: np.ndarray) -> Iterator[np.ndarray]:
    """The picture, the picture at half size in a frame (faces that fill it), and tiles (small faces)."""
    height, width = picture.shape[:2]
    yield picture
    framed = np.zeros((2 * height, 2 * width, 3), np.uint8)
    framed[height // 2 : height // 2 + height, width // 2 : width // 2 + width] = picture
    yield framed
    for n in (2, 3) if max(height, width) >= 400 else (2,):
        tall, wide = int(height / n * 1.4), int(width / n * 1.4)
        for i in range(n):
            for j in range(n):
                top, left = round(i * (height - tall) / (n - 1)), round(j * (width - wide) / (n - 1))
                yield picture[top : top + tall, left : left + wide]


def score(detector: cv2.FaceDetectorYN, picture: np.ndarray) -> float:
    """The highest face score in any view; 0 if there is none."""
    best = 0.0
    for view in views(picture):
        scale = SIDE / max(view.shape[:2])
        size = [max(1, round(side * scale)) for side in view.shape[:2]]
        square = np.zeros((SIDE, SIDE, 3), np.uint8)
        square[: size[0], : size[1]] = cv2.resize(view, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        _, faces = detector.detect(square)
        if faces is not None:
            best = max(best, float(faces[:, 14].max()))
    return best


def report(paths: list[Path], network: Path) -> None:
    """Print the doubtful pictures, the likeliest face first."""
    detector = cv2.FaceDetectorYN.create(str(network), "", (SIDE, SIDE), 0.3, 0.3, 50)
    scores = {path: score(detector, np.asarray(decode(path))[:, :, ::-1]) for path in paths}
    for path, value in sorted(scores.items(), key=lambda pair: -pair[1]):
        if value >= DOUBTFUL:
            print(f"{value:.2f}  {path}")
