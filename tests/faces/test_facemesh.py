"""FaceMesh: its weights, where it puts its landmarks, and what is said where the file is wrong."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from whylight.errors import ModelError
from whylight.faces.align import PORTRAIT, crop
from whylight.faces.facemesh import LANDMARKS, FaceMesh
from whylight.faces.features.geometry import Frame
from whylight.faces.features.typical import MIRROR
from whylight.faces.parts import parts_of
from whylight.faces.types import Face, FaceCrop, Point
from whylight.localize import Box

# Landmarks of FaceMesh at corners and tips that the 68 landmarks of iBUG mark as well.
SAME = {36: 33, 39: 133, 42: 362, 45: 263, 48: 61, 54: 291, 51: 0, 57: 17, 33: 2, 31: 98, 35: 327}


@pytest.fixture(scope="module")
def mesh(data_dir: Path) -> FaceMesh:
    return FaceMesh.load(data_dir / "weights" / "facemesh.pth")


@pytest.fixture(scope="module")
def astronaut(photo: Path) -> FaceCrop:
    points = {"right_eye": Point(203.6, 101.0), "left_eye": Point(246.6, 103.0)}
    return crop(Image.open(photo).convert("RGB"), Face(Box(176, 60, 280, 200, 1.0), "haar", "hand", points), PORTRAIT)


@pytest.fixture(scope="module")
def marked(data_dir: Path) -> list[tuple[FaceCrop, np.ndarray]]:
    """Eight crops, and their 68 landmarks in pixels of the crop."""
    faces = json.loads((data_dir / "faces_landmarks" / "landmarks68.json").read_text())
    made = []
    for name in ("2008_002506.jpg", "2009_004587.jpg", "2008_001322.jpg"):
        picture = Image.open(data_dir / "faces_landmarks" / name)
        for one in faces[name]:
            points = np.array(one["landmarks"]) + 0.5
            eyes = {"right_eye": Point(*points[36:42].mean(0)), "left_eye": Point(*points[42:48].mean(0))}
            cut = crop(picture, Face(Box(*one["box"], 1.0), "hand", "hand", eyes), PORTRAIT)
            made.append((cut, points @ cut.matrix[:, :2].T + cut.matrix[:, 2]))
    return made


def test_landmarks_lie_where_people_marked_them(mesh: FaceMesh, marked: list[tuple[FaceCrop, np.ndarray]]) -> None:
    away = []
    for cut, there in marked:
        found = mesh.landmarks(cut)
        assert found.points.shape == (LANDMARKS, 3)
        assert found.confidence > 0.9
        apart = there[[*SAME]] - found.points[[*SAME.values()], :2]
        away.append(np.linalg.norm(apart, axis=1) / Frame.of(*cut.eyes).unit)
    assert np.median(away) < 0.08
    assert np.mean(np.array(away) < 0.2) > 0.95


def test_a_mirrored_face_has_mirrored_landmarks(mesh: FaceMesh, marked: list[tuple[FaceCrop, np.ndarray]]) -> None:
    """Padding on the wrong side of the first layer, as in circulating ports, moves everything by a pixel of the input: 0.02."""
    away = []
    for cut, _ in marked:
        width, (right, left) = cut.picture.width, cut.eyes
        eyes = Point(width - left.x, left.y), Point(width - right.x, right.y)
        here, there = (
            mesh.landmarks(one).points[:, 0]
            for one in (cut, replace(cut, picture=ImageOps.mirror(cut.picture), eyes=eyes))
        )
        across = [here[one] + there[other] - width for one, other in MIRROR.items()]
        away.append(np.median(across) / 2 / Frame.of(right, left).unit)
    assert abs(np.mean(away)) < 0.008


def test_eyes_that_are_a_little_off_do_not_move_the_landmarks(mesh: FaceMesh, astronaut: FaceCrop) -> None:
    right, left = astronaut.eyes
    moved = replace(astronaut, eyes=(Point(right.x + 8, right.y + 6), Point(left.x + 4, left.y - 6)))
    unit = Frame.of(right, left).unit
    apart = np.linalg.norm(mesh.landmarks(astronaut).points[:, :2] - mesh.landmarks(moved).points[:, :2], axis=1) / unit
    assert np.median(apart) < 0.06


def test_parts_by_landmarks(mesh: FaceMesh, astronaut: FaceCrop) -> None:
    parts = parts_of(astronaut, mesh=mesh)
    told = {name for name, part in parts.items() if part.source == "landmarks"}
    assert {*parts} - told == {"hair", "background", "smile"}
    for name, (x, y) in {"nose": (226, 119), "mouth": (223.6, 146), "left_eye": (246.6, 103)}.items():
        there = astronaut.matrix[:, :2] @ (x, y) + astronaut.matrix[:, 2]
        assert math.dist(parts[name].centre, there) < 0.15 * Frame.of(*astronaut.eyes).unit, name


def test_no_face_is_no_landmarks(mesh: FaceMesh) -> None:
    grey = Image.fromarray(np.full((224, 224, 3), 127, np.uint8))
    face = Face(Box(0, 0, 224, 224, 1.0), "hand", "hand")
    nothing = FaceCrop(grey, np.eye(3)[:2], face, (Point(87, 103), Point(137, 103)), "box")
    assert mesh.landmarks(nothing).confidence < 0.5
    assert {part.source for part in parts_of(nothing, mesh=mesh).values()} == {"geometry"}
    assert {part.source for part in parts_of(nothing, mesh=mesh, source="landmarks").values()} == {"geometry"}


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    state = FaceMesh().state_dict()
    path = tmp_path / "facemesh.pth"

    def saved(content: object) -> Path:
        torch.save(content, path)
        return path

    assert isinstance(FaceMesh.load(saved(state)), FaceMesh)
    with pytest.raises(ModelError, match=r"backbone.0.weight is \(16, 3, 5, 5\), expected \(16, 3, 3, 3\)"):
        FaceMesh.load(saved({**state, "backbone.0.weight": torch.zeros(16, 3, 5, 5)}))
    with pytest.raises(ModelError, match=r"backbone.0.weight is missing, and \d+ more"):
        FaceMesh.load(saved({"fc.weight": torch.zeros(2)}))
    with pytest.raises(ModelError, match=r"fc\.weight is unknown"):
        FaceMesh.load(saved({**state, "fc.weight": torch.zeros(2)}))
    with pytest.raises(ModelError, match="expected a state dict"):
        FaceMesh.load(saved([1, 2]))


def test_a_file_that_is_no_weights_is_named(tmp_path: Path) -> None:
    path = tmp_path / "facemesh.pth"
    with pytest.raises(ModelError, match=r"facemesh\.pth: not readable"):
        FaceMesh.load(path)
    for content in (b"", b"no weights", b"PK\x03\x04 broken"):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"facemesh\.pth: not readable"):
            FaceMesh.load(path)


def test_code_in_the_file_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    torch.save({"backbone.0.weight": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(ModelError, match=r"trap.pth: not readable"):
        FaceMesh.load(tmp_path / "trap.pth")
    assert not (tmp_path / "ran").exists()
