"""FaceMesh: 468 landmarks of a face in a crop."""

from __future__ import annotations

import os
from pickle import UnpicklingError
from typing import NamedTuple
from zipfile import BadZipFile

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.errors import ModelError, cause_of
from whylight.faces.features.geometry import Frame
from whylight.faces.types import FaceCrop, Point

SIDE = 192  # pixels of the network's square input
LANDMARKS = 468
REACH = 4.0  # side of what the network sees at first, in eye distances
BELOW = 0.5  # its centre, below the middle between the eyes, in eye distances
AROUND = 1.5  # side of what it sees in a later look, in sides of what holds the landmarks of the one before
LOOKS = 2

# Landmarks around each eye's opening: their mean is the eye's centre.
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)


class Mesh(NamedTuple):
    """The landmarks of one face.

    Attributes:
        points: (468, 3) float64: x and y in pixels of the crop, and depth in the same units, away from the camera.
        confidence: in [0, 1], that there is a face.
    """

    points: NDArray[np.float64]
    confidence: float

    @property
    def eyes(self) -> tuple[Point, Point]:
        """Centres of the person's right and left eye, in pixels of the crop."""
        right, left = (self.points[list(ring), :2].mean(0) for ring in (RIGHT_EYE, LEFT_EYE))
        return Point(*right.tolist()), Point(*left.tolist())


class FaceMesh(nn.Module):
    """Landmarks of an upright face: (N, 3, 192, 192) RGB in [-1, 1] → (N, 1404) x, y, z in pixels, (N, 1) logits of confidence.

    Layers are named as in the state dict in circulation (`facemesh.pth`, converted from MediaPipe's). Source: Kartynnik et al.,
    Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs, CVPR workshops 2019.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 16, 3, stride=2),
            nn.PReLU(16),
            *(_Block(16, 16), _Block(16, 16), _Block(16, 32, 2)),
            *(_Block(32, 32), _Block(32, 32), _Block(32, 64, 2)),
            *(_Block(64, 64), _Block(64, 64), _Block(64, 128, 2)),
            *(_Block(128, 128), _Block(128, 128), _Block(128, 128, 2)),
            *(_Block(128, 128), _Block(128, 128)),
        )
        self.coord_head = nn.Sequential(
            *(_Block(128, 128, 2), _Block(128, 128), _Block(128, 128)),
            *(nn.Conv2d(128, 32, 1), nn.PReLU(32), _Block(32, 32)),
            nn.Conv2d(32, 3 * LANDMARKS, 3),
        )
        self.conf_head = nn.Sequential(
            *(_Block(128, 128, 2), nn.Conv2d(128, 32, 1), nn.PReLU(32), _Block(32, 32), nn.Conv2d(32, 1, 3))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.backbone(F.pad(x, (0, 1, 0, 1)))  # (N, 128, 6, 6); TensorFlow pads at the end
        return self.coord_head(x).flatten(1), self.conf_head(x).flatten(1)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FaceMesh:
        """Read the weights from a PyTorch state dict, on the processor; no code in the file is run.

        Raises:
            ModelError: if the file is missing, is no state dict, or holds another network's weights.
        """
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, KeyError, UnpicklingError, BadZipFile) as error:
            raise ModelError(
                f"{path}: not readable as FaceMesh's weights, a PyTorch state dict such as facemesh.pth: "
                f"{cause_of(error)}"
            ) from error
        mesh = cls()
        wanted = mesh.state_dict()
        if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
            raise ModelError(f"{path}: expected a state dict, names with tensors; this file holds something else")
        if wrong := _differences(state, wanted):
            raise ModelError(f"{path}: not the weights of FaceMesh with {LANDMARKS} landmarks: {wrong}")
        mesh.load_state_dict({name: value.float() for name, value in state.items()})
        return mesh.eval().requires_grad_(False)

    def landmarks(self, crop: FaceCrop) -> Mesh:
        """Find the landmarks of a face.

        The network sees a square laid level on the crop's eyes; what lies outside of the crop is filled from its border. Then it
        looks again, with the square laid around the landmarks it found, as MediaPipe does from one video frame to the next.
        """
        pixels = np.asarray(crop.picture.convert("RGB"))
        frame = Frame.of(*crop.eyes)
        centre = frame.to_crop(np.array([[0.0, BELOW]]))[0]
        found = self._look(pixels, centre, REACH * frame.unit, frame.across)
        for _ in range(LOOKS - 1):
            eyes = Frame.of(*found.eyes)
            x, y = np.array(eyes.across), np.array((-eyes.across[1], eyes.across[0]))
            along = found.points[:, :2] @ np.column_stack([x, y])  # (468, 2) on axes level with the eyes
            low, high = along.min(0), along.max(0)
            middle, side = (low + high) / 2, float((high - low).max()) * AROUND
            if not 0.4 < side / (REACH * frame.unit) < 2.5:
                break  # it lost the face: another look would be anywhere
            found = self._look(pixels, middle[0] * x + middle[1] * y, side, eyes.across)
        return found

    def _look(
        self, pixels: NDArray[np.uint8], centre: NDArray[np.float64], side: float, direction: tuple[float, float]
    ) -> Mesh:
        """Landmarks by what the network sees in a square of an RGB picture (H, W, 3), its upper edge along `direction`."""
        scale = SIDE / side  # network pixels in one pixel of the crop
        axes = np.array([direction, (-direction[1], direction[0])]) * scale  # crop's axes → network's, (2, 2)
        # Here (0.5, 0.5) is the middle of the first pixel, in cv2 (0, 0) is.
        shift = SIDE / 2 - axes @ (centre - 0.5) - 0.5
        seen = cv2.warpAffine(
            _softened(pixels, scale),
            np.column_stack([axes, shift]),
            (SIDE, SIDE),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        x = torch.from_numpy(seen).permute(2, 0, 1)[None].float() / 127.5 - 1  # (1, 3, 192, 192)
        with torch.inference_mode():
            places, logit = self(x)
        points = places.reshape(LANDMARKS, 3).numpy().astype(np.float64)
        points[:, :2] = (points[:, :2] - SIDE / 2) @ np.linalg.inv(axes).T + centre
        points[:, 2] /= scale
        return Mesh(points, float(logit.sigmoid()))


class _Block(nn.Module):
    """Filter each channel, mix, add the input; at half the size with stride 2. Missing channels of the input count as 0."""

    def __init__(self, channels: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.more = stride, out - channels
        self.convs = nn.Sequential(
            nn.Conv2d(channels, channels, 3, stride, 0 if stride == 2 else 1, groups=channels),
            nn.Conv2d(channels, out, 1),
        )
        self.act = nn.PReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        short = F.max_pool2d(x, 2) if self.stride == 2 else x
        wide = F.pad(x, (0, 2, 0, 2)) if self.stride == 2 else x
        y: Tensor = self.act(self.convs(wide) + F.pad(short, (0, 0, 0, 0, 0, self.more)))
        return y


def _softened(pixels: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Blur before a warp that makes smaller, so that no fine detail turns into noise."""
    if scale >= 1:
        return pixels
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), 0.5 * np.sqrt(1 / scale**2 - 1)), np.uint8)


def _differences(state: dict[str, Tensor], wanted: dict[str, Tensor]) -> str:
    """What is wrong with a state dict, in words; empty where it fits."""
    if missing := [name for name in wanted if name not in state]:
        return f"{missing[0]} is missing" + (f", and {len(missing) - 1} more" if len(missing) > 1 else "")
    if unknown := [name for name in state if name not in wanted]:
        return f"{unknown[0]} is unknown" + (f", and {len(unknown) - 1} more" if len(unknown) > 1 else "")
    for name, value in wanted.items():
        if state[name].shape != value.shape:
            return f"{name} is {tuple(state[name].shape)}, expected {tuple(value.shape)}"
    return ""
