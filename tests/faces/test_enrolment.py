"""Enrolment: folders become people, what cannot be used is named, and a second run does only what is left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whylight
from nets import gap_net
from whylight.errors import FaceError, WhylightError
from whylight.faces.align import crop
from whylight.faces.embed import Embedder, embedder_of
from whylight.faces.enrolment import Skipped, digest_of, enroll
from whylight.faces.gallery import Gallery
from whylight.faces.types import Face, Look, Point, Template
from whylight.localize import Box

TEMPLATE = Template((32, 32), Point(0.3, 0.4), Point(0.7, 0.4))


class BrightColumns:
    """Finds a 'face' wherever a run of columns is bright: enough to say what is where, and to count the looks."""

    name = "bright"

    def __init__(self) -> None:
        self.looks = 0

    def look(self, picture: Image.Image, *, largest: bool = False) -> Look:
        self.looks += 1
        bright = np.asarray(picture.convert("L")).mean(0) > 60
        edges = np.flatnonzero(np.diff(np.concatenate([[0], bright.astype(int), [0]])))
        boxes = [Box(int(x0), 0, int(x1), picture.height, 1.0) for x0, x1 in edges.reshape(-1, 2)]
        faces = [Face(box, "haar", "bright") for box in sorted(boxes, key=lambda box: box.x0 - box.x1)]
        return Look(faces, {"bright": len(faces)})

    def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
        return self.look(picture, largest=largest).faces


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return embedder_of(whylight.wrap(gap_net(classes=8), size=32), "small", template=TEMPLATE)


def save(path: Path, seed: int, *columns: tuple[int, int]) -> Path:
    """A dark picture with noise in some columns."""
    pixels = np.zeros((40, 100, 3), np.uint8)
    for x0, x1 in columns:
        pixels[:, x0:x1] = np.random.default_rng(seed).integers(90, 256, (40, x1 - x0, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    root = tmp_path / "people"
    save(root / "anna" / "1.png", 1, (10, 50))
    save(root / "anna" / "more" / "2.png", 2, (10, 30), (40, 90))  # two faces
    save(root / "anna" / "nobody.png", 3)
    (root / "anna" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    save(root / "ben" / "1.png", 4, (0, 40))
    save(root / "ben" / "2.png", 5, (0, 40))
    (root / "empty").mkdir()
    return root


def test_what_is_enrolled_and_what_is_not(people: Path, tmp_path: Path, embedder: Embedder) -> None:
    told: list[Skipped] = []
    dirs = [people / name for name in ("anna", "ben", "empty")]
    done = enroll(tmp_path / "g", dirs, BrightColumns(), embedder, on_skip=told.append)
    assert done.added == {"anna": 2, "ben": 2}
    assert done.skipped == told
    reasons = {skipped.path.name: skipped.reason for skipped in done.skipped}
    assert set(reasons) == {"nobody.png", "broken.png", "empty"}
    assert reasons["nobody.png"] == "no face was found"
    assert reasons["broken.png"].startswith("the picture is damaged")
    assert "no picture in this folder" in reasons["empty"]
    assert done.crowded == [people / "anna" / "more" / "2.png"]
    gallery = Gallery.open(tmp_path / "g", embedder)
    assert gallery.people == ("anna", "ben")
    picture = Image.open(people / "anna" / "more" / "2.png").convert("RGB")
    larger = crop(picture, Face(Box(40, 0, 90, 40, 1.0), "haar", "bright"), TEMPLATE)
    assert gallery.embeddings("anna")[1] == pytest.approx(embedder.embed([larger.picture])[0], abs=1e-6)
    shown = gallery.thumbnail("anna")
    assert shown is not None
    with Image.open(shown) as thumbnail:
        difference = np.asarray(thumbnail, int) - np.asarray(larger.picture, int)
    assert abs(difference).mean() < 25  # the largest face's crop, but for what JPEG makes of noise
    assert done.calibration is not None
    assert gallery.is_calibrated
    assert (done.calibration.genuine, done.calibration.impostor) == (4, 4)


def test_a_second_run_does_only_what_is_left(people: Path, tmp_path: Path, embedder: Embedder) -> None:
    enroll(tmp_path / "g", [people / "anna"], BrightColumns(), embedder)
    save(people / "anna" / "3.png", 6, (20, 60))
    (people / "anna" / "again.png").write_bytes((people / "anna" / "1.png").read_bytes())
    detector = BrightColumns()
    done = enroll(tmp_path / "g", [people / "anna", people / "ben"], detector, embedder)
    assert done.added == {"anna": 1, "ben": 2}
    assert {path.name for path in done.known} == {"1.png", "2.png", "again.png"}
    assert detector.looks == 4  # the new one, the one without a face, and ben's two
    assert done.gallery.counts == {"anna": 3, "ben": 2}
    assert done.gallery.sources("anna")[2] == digest_of(people / "anna" / "3.png")
    last = enroll(tmp_path / "g", [people / "ben"], detector, embedder)
    assert (last.added, last.calibration) == ({"ben": 0}, done.calibration)


def test_a_run_that_stops_keeps_who_was_done(people: Path, tmp_path: Path, embedder: Embedder) -> None:
    class Stops(BrightColumns):
        def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
            if self.looks == 3:  # anna's readable pictures are three
                raise KeyboardInterrupt
            return super().find(picture, largest=largest)

    dirs = [people / "anna", people / "ben"]
    with pytest.raises(KeyboardInterrupt):
        enroll(tmp_path / "g", dirs, Stops(), embedder)
    assert Gallery.open(tmp_path / "g").counts == {"anna": 2}
    assert enroll(tmp_path / "g", dirs, BrightColumns(), embedder).added == {"anna": 0, "ben": 2}


def test_without_thumbnails_no_picture_is_kept(people: Path, tmp_path: Path, embedder: Embedder) -> None:
    done = enroll(tmp_path / "g", [people / "ben"], BrightColumns(), embedder, thumbnails=False)
    assert done.gallery.thumbnail("ben") is None
    assert [path.name for path in (tmp_path / "g").iterdir()] == ["gallery.safetensors"]


def test_one_picture_alone_is_enrolled_without_a_threshold(tmp_path: Path, embedder: Embedder) -> None:
    save(tmp_path / "anna" / "1.png", 1, (10, 50))
    done = enroll(tmp_path / "g", [tmp_path / "anna"], BrightColumns(), embedder)
    assert (done.added, done.calibration, done.gallery.threshold) == ({"anna": 1}, None, None)


def test_folders_that_cannot_be_told_apart(people: Path, tmp_path: Path, embedder: Embedder) -> None:
    (tmp_path / "other" / "ben").mkdir(parents=True)
    with pytest.raises(WhylightError, match="have the same name, 'ben'"):
        enroll(tmp_path / "g", [people / "ben", tmp_path / "other" / "ben"], BrightColumns(), embedder)
    with pytest.raises(WhylightError, match="no such folder"):
        enroll(tmp_path / "g", [people / "carl"], BrightColumns(), embedder)
    assert not (tmp_path / "g").exists()
    other = embedder_of(whylight.wrap(gap_net(classes=8, seed=3), size=32), "other", template=TEMPLATE)
    enroll(tmp_path / "g", [people / "ben"], BrightColumns(), embedder)
    with pytest.raises(FaceError, match="built with small"):
        enroll(tmp_path / "g", [people / "anna"], BrightColumns(), other)
