"""YuNet: a small network that finds faces and five points in each (Wu 2023, "YuNet: a tiny millisecond-level face detector").

Runs in `cv2.FaceDetectorYN` on its fixed 320 × 320 input. A large picture is looked at as a whole and in overlapping tiles, so that
small faces in it are found too.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whylight.boxes.box import Box, suppress
from whylight.errors import FaceError
from whylight.faces.detectors.rotated import turned, turned_back
from whylight.faces.resize import resized
from whylight.faces.types import Face, Look, Point, clipped, largest_first

SIDE = 320  # pixels of the network's input
SURE = 0.7  # score of a face; chosen on faces_multi and on the pictures of coco128 without people
SURE_TURNED = 0.8  # three more pictures are three more chances to err
SAME = 0.3  # IoU from which on two finds are one face
LARGE = 1.5  # a picture this many times larger than the input is looked at in tiles as well
TILES = 1280  # pixels of the longer side of the picture that is cut into tiles: at most 5 × 5 of them
OVERLAP = 80  # pixels that neighbouring tiles share: a smaller face is whole in one of them
TURNS = (90.0, -90.0, 180.0)  # what leans less is found anyway
DOUBT = 0.9  # score: faces upside down are found too, with less, and with the eyes where the mouth is
POINTS = ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth")
WHERE = (
    "yunet needs its weights: weights=PATH (--detector-weights FILE) of face_detection_yunet_*.onnx from the "
    "OpenCV Zoo, or yunet_n_320_320.onnx from the project ShiqiYu/libfacedetection.train"
)


class YuNetDetector:
    """Finds faces and five points by YuNet; `whylight.faces.detect.detector("yunet", weights=PATH)`.

    Args:
        weights: the network as an ONNX file.

    Raises:
        FaceError: code 2, if the file is missing or no such network; the message says where to get it.
    """

    name = "yunet"

    def __init__(self, weights: Path | None) -> None:
        if weights is None:
            raise FaceError(2, WHERE)
        if not Path(weights).is_file():
            raise FaceError(2, f"{weights}: no such file; {WHERE}")
        try:
            self._net: Any = cv2.FaceDetectorYN.create(os.fspath(weights), "", (SIDE, SIDE), SURE, SAME)
            self._net.detect(np.zeros((SIDE, SIDE, 3), np.uint8))  # a network of another kind shows only now
        except cv2.error as error:
            raise FaceError(2, f"{weights}: not a YuNet network that OpenCV can run ({error.err}); {WHERE}") from None
        self._lock = threading.Lock()

    def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
        """The faces of `look` alone."""
        return self.look(picture, largest=largest).faces

    def look(self, picture: Image.Image, *, largest: bool = False) -> Look:
        """All faces of a picture, the largest first; their scores are in (0, 1].

        Args:
            picture: RGB.
            largest: the whole picture is enough if it shows a face.
        """
        pixels = np.ascontiguousarray(np.asarray(picture.convert("RGB"))[:, :, ::-1])  # BGR
        tried: dict[str, int] = {}
        with self._lock:
            faces = self._whole(pixels)
            tried["yunet"] = len(faces)
            if max(pixels.shape[:2]) > LARGE * SIDE and not (faces and largest):
                tiles = self._tiles(pixels)
                tried["yunet, tiles"] = len(tiles)
                faces += tiles
            best = max(SURE_TURNED, _best(faces))
            if best < DOUBT:
                for angle in TURNS:
                    seen, matrix = turned(pixels, angle)
                    found = [turned_back(face, matrix, angle) for face in self._whole(seen)]
                    tried[f"yunet, turned {angle:+g}°"] = len(found)
                    if _best(found) > best:
                        faces, best = found, _best(found)
        kept = {tuple(box): None for box in suppress([face.box for face in faces], SAME)}
        faces = [face for face in faces if tuple(face.box) in kept]
        return Look(largest_first(clipped(faces, *picture.size)), tried)

    def _whole(self, pixels: NDArray[np.uint8]) -> list[Face]:
        scale = SIDE / max(pixels.shape[:2])
        return self._ask(resized(pixels, round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)), 0, 0, scale)

    def _tiles(self, pixels: NDArray[np.uint8]) -> list[Face]:
        scale = min(1.0, TILES / max(pixels.shape[:2]))
        if scale < 1:
            pixels = resized(pixels, round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
        height, width = pixels.shape[:2]
        return [
            face
            for y in _starts(height)
            for x in _starts(width)
            for face in self._ask(pixels[y : y + SIDE, x : x + SIDE], x, y, scale)
        ]

    def _ask(self, tile: NDArray[np.uint8], left: int, top: int, scale: float) -> list[Face]:
        """The faces of a tile of the picture at this scale, in pixels of the picture."""
        canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
        canvas[: tile.shape[0], : tile.shape[1]] = tile
        _, rows = self._net.detect(canvas)
        faces = []
        for row in rows if rows is not None else ():
            x, y, w, h = (float(value) for value in row[:4])
            places = [(float(a), float(b)) for a, b in row[4:14].reshape(5, 2)]
            box = (round((left + x) / scale), round((top + y) / scale))
            far = (round((left + x + w) / scale), round((top + y + h) / scale))
            points = {
                name: Point((left + a) / scale, (top + b) / scale) for name, (a, b) in zip(POINTS, places, strict=True)
            }
            faces.append(Face(Box(*box, *far, float(row[14])), self.name, self.name, points))
        return faces


def _best(faces: list[Face]) -> float:
    return max((face.box.score for face in faces), default=0.0)


def _starts(length: int) -> list[int]:
    """Where tiles begin so that they cover a length evenly, each two sharing `OVERLAP` pixels or more."""
    count = 1 if length <= SIDE else 1 + -(-(length - SIDE) // (SIDE - OVERLAP))
    return [round(at * (length - SIDE) / (count - 1)) for at in range(count)] if count > 1 else [0]
