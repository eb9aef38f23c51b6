"""From a photograph to a name, its evidence and a sentence; and what is said when a step fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps

import whylight
from nets import gap_net
from whylight import render
from whylight.errors import FaceError, WhylightError
from whylight.faces.align import ARCFACE, PORTRAIT, crop
from whylight.faces.detect import detector
from whylight.faces.embed import Embedder, embedder_of, load_embedder
from whylight.faces.gallery import Gallery
from whylight.faces.identify import ByClassifier, ByGallery, FaceOnly, likeness
from whylight.faces.parts import FACIAL
from whylight.faces.query import FaceQuery, compare, shown
from whylight.faces.result import FaceResult
from whylight.faces.types import Detector, Face, Look
from whylight.images import decode


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder("face", device="cpu")


@pytest.fixture(scope="module")
def gallery(embedder: Embedder, photo: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """The astronaut, and two people that are her face turned into something else."""
    there = Gallery.create(tmp_path_factory.mktemp("faces") / "g", embedder)
    face = face_of(decode(photo), embedder)
    there.add("Ada", embedder.embed([face]))
    there.add("Bob", embedder.embed([ImageOps.invert(face)]))
    there.add("Cleo", embedder.embed([ImageOps.posterize(face.rotate(180), 1)]))
    return there


@pytest.fixture(scope="module")
def only() -> FaceOnly:
    return FaceOnly()


@pytest.fixture(scope="module")
def haar() -> Detector:
    return detector()


def face_of(picture: Image.Image, embedder: Embedder) -> Image.Image:
    (face,) = detector().find(picture, largest=True)[:1]
    return crop(picture, face, embedder.template).picture


def test_without_a_gallery_it_says_whether_it_is_a_face(photo: Path, only: FaceOnly) -> None:
    (result,) = FaceQuery(only, threshold=0.1)(photo)
    assert result.check() is result
    assert result.identity is not None
    assert result.identity.name == "face"
    assert result.identity.score > 0.9
    assert result.face is not None
    x0, y0, x1, y1 = result.face.box[:4]
    assert x0 < 225 < x1
    assert y0 < 115 < y1  # the middle of her face
    assert result.tried["frontalface_alt2"] == 1
    assert result.sentence.startswith("There is a face (probability 9")
    names = [score.name for score in result.scores]
    assert {"right_eye", "left_eye", "nose", "mouth", "background"} <= {*names}
    assert [s.name for s in result.significant] == sorted(
        (s.name for s in result.scores if s.name in FACIAL and s.score >= 0.1),
        key=lambda name: -next(s.score for s in result.scores if s.name == name),
    )


def test_scores_are_the_mean_of_the_map_in_each_part(photo: Path, only: FaceOnly) -> None:
    (result,) = FaceQuery(only, threshold=0.1)(photo)
    assert result.crop is not None
    heat = result.heatmap()
    assert heat.shape == result.crop.picture.size[::-1] == (224, 224)
    for score in result.scores:
        mean = float(np.asarray(result.grey(), float)[result.parts[score.name].mask].mean()) / 255
        assert score.score == pytest.approx(mean, abs=0.5 / 255)


def test_the_map_is_that_of_the_crop_the_network_saw(photo: Path, only: FaceOnly) -> None:
    query = FaceQuery(only, threshold=0.0)
    (result,) = query(photo)
    assert result.face is not None
    seen = crop(decode(photo), result.face, PORTRAIT).picture
    expected = whylight.explain(query.identifier.model, seen, method="gradcam", target="face")
    assert result.explanation is not None
    torch.testing.assert_close(result.explanation.map, expected.map)


def test_the_nearest_in_the_gallery_is_named_and_explained(photo: Path, gallery: Gallery, embedder: Embedder) -> None:
    (result,) = FaceQuery(ByGallery(gallery, embedder), threshold=0.0)(photo)
    assert result.identity is not None
    assert result.identity.name == "Ada"
    assert result.identity.score == pytest.approx(1.0, abs=1e-4)
    assert len(result.identity.top) == 3
    assert result.identity.known is None  # no limit was chosen
    assert "no limit for strangers" in result.sentence
    assert "not that of a network trained to tell people apart" in result.sentence
    assert result.explanation is not None
    assert result.explanation.score == pytest.approx(1.0, abs=1e-4)  # the similarity is what is explained


def test_why_one_and_not_the_other(photo: Path, gallery: Gallery, embedder: Embedder, only: FaceOnly) -> None:
    who = ByGallery(gallery, embedder)
    (runner_up,) = FaceQuery(who, rather_than=True, threshold=0.0)(photo)
    assert runner_up.identity is not None
    assert runner_up.other == runner_up.identity.top[1].name
    (cleo,) = FaceQuery(who, rather_than="Cleo", threshold=0.0)(photo)
    assert cleo.other == "Cleo"
    assert cleo.explanation is not None
    here = embedder.embed([face_of(decode(photo), embedder)])[0]
    margin = here @ gallery.template("Ada") - here @ gallery.template("Cleo")
    assert cleo.explanation.score == pytest.approx(float(margin), abs=1e-4)
    assert "Ada rather than Cleo" in cleo.sentence
    with pytest.raises(WhylightError, match="nobody is called 'Clea'; near it: Cleo"):
        FaceQuery(who, rather_than="Clea")
    with pytest.raises(WhylightError, match="nobody to tell from"):
        FaceQuery(only, rather_than=True)
    with pytest.raises(WhylightError, match="'gradcm' is not known"):
        FaceQuery(who, method="gradcm")
    (same,) = FaceQuery(who, rather_than="Ada")(photo)
    assert "Ada is whom the face is taken for" in same.message


def test_what_lies_outside_of_the_picture_is_not_named(photo: Path, only: FaceOnly) -> None:
    whole = FaceQuery(only, threshold=0.0)(photo)[0]
    assert whole.face is not None
    below_the_eyes = round(whole.face.eyes[0].y) + 8 if whole.face.eyes else 0
    picture = decode(photo).crop((0, 0, 512, below_the_eyes))
    cut = FaceQuery(only, detector=Given(whole), threshold=0.0)(picture)[0]
    assert {"nose", "mouth", "chin"} & {*whole.parts} == {"nose", "mouth", "chin"}
    assert {"nose", "mouth", "chin"} & {*cut.parts} == set()
    assert {"right_eye", "left_eye"} <= {*cut.parts}
    assert "Part of the face lies outside the picture" in cut.sentence
    covered = sum(part.mask.astype(int) for name, part in cut.parts.items() if name != "smile")
    assert np.array_equal(covered, np.ones_like(covered))


class Given:
    """Finds the face that another query found."""

    name = "given"

    def __init__(self, result: FaceResult) -> None:
        assert result.face is not None
        self._look = Look([result.face], {})

    def look(self, picture: Image.Image, *, largest: bool = False) -> Look:
        return self._look

    def find(self, picture: Image.Image, *, largest: bool = False) -> list[Face]:
        return self._look.faces


def test_likeness_is_a_cosine_whose_evidence_adds_up(embedder: Embedder, photo: Path) -> None:
    z, a, b = torch.tensor([[3.0, 4.0]]), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    assert float(likeness(a, "a")(z)) == pytest.approx(3 / 5)
    assert float(likeness(a, "a rather than b", b)(z)) == pytest.approx(3 / 5 - 4 / 5)
    seen = face_of(decode(photo), embedder)
    reference = torch.from_numpy(embedder.embed([ImageOps.mirror(seen)])[0])
    ex = whylight.explain(embedder.model, seen, method="hirescam", target=likeness(reference, "her mirror image"))
    assert float(ex.map.sum()) == pytest.approx(ex.score, rel=1e-4)  # the head is a mean: no bias


def test_two_photographs_are_explained_by_each_other(photo: Path, embedder: Embedder) -> None:
    mirrored = ImageOps.mirror(decode(photo))
    first, second = compare(photo, mirrored, embedder, threshold=0.0)
    assert first.identity is not None
    assert second.identity is not None
    assert first.identity.score == pytest.approx(second.identity.score, abs=1e-5)
    assert first.identity.score > 0.5
    assert first.sentence.startswith(f"The two faces have a similarity of {first.identity.score:.2f}.")
    faces = [face_of(decode(photo), embedder), face_of(mirrored, embedder)]
    both = embedder.embed(faces)
    assert first.identity.score == pytest.approx(float(both[0] @ both[1]), abs=1e-5)
    empty, also = compare(photo, Image.new("RGB", (90, 90)), embedder)
    assert (empty.code, also.code) == (3, 3)


def test_a_classifier_names_its_label(photo: Path) -> None:
    torch.manual_seed(0)
    model = whylight.wrap(gap_net(classes=3), classes=["Ada", "Bob", "Cleo"], size=64)
    (result,) = FaceQuery(ByClassifier(model, shown(ARCFACE)), threshold=0.0)(photo)
    assert result.face is not None
    p = model.predict(model.preprocess(crop(decode(photo), result.face, shown(ARCFACE)).picture)[None])[0]
    assert result.identity is not None
    assert result.identity.index == int(p.argmax())
    assert result.identity.score == pytest.approx(float(p.max()), abs=1e-6)
    nameless = whylight.wrap(gap_net(classes=3), classes=["", " ", "  "], size=64)
    (result,) = FaceQuery(ByClassifier(nameless, ARCFACE))(photo)
    assert result.code == 5
    assert "no name for label" in result.message


def test_all_faces_the_largest_first(photo: Path, only: FaceOnly) -> None:
    picture = decode(photo)
    two = Image.new("RGB", (820, 512), "white")
    two.paste(picture, (0, 0))
    two.paste(picture.resize((300, 300)), (516, 0))
    results = FaceQuery(only, faces="all", threshold=0.0)(two)
    assert len(results) >= 2
    areas = [(r.face.box.x1 - r.face.box.x0) for r in results if r.face is not None]
    assert areas == sorted(areas, reverse=True)
    assert [r.number for r in results] == list(range(len(results)))
    assert {r.count for r in results} == {len(results)}
    assert len(FaceQuery(only, threshold=0.0)(two)) == 1


def drawing() -> Image.Image:
    picture = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(picture).rectangle((40, 60, 160, 150), outline="black", width=3)
    return picture


def test_each_step_that_fails_has_its_code(tmp_path: Path, photo: Path, only: FaceOnly) -> None:
    query = FaceQuery(only)
    (tmp_path / "broken.jpg").write_bytes(photo.read_bytes()[:4000])
    for picture, code, said in (
        (tmp_path / "none.jpg", 1, "none.jpg"),
        (tmp_path / "broken.jpg", 1, "broken.jpg"),
        (drawing(), 3, "no face was found by haar"),
    ):
        (result,) = query(picture)
        assert (result.code, result.ok) == (code, False)
        assert said in result.message
        assert result.to_dict()["name"] is None
        with pytest.raises(FaceError, match=said) as caught:
            result.check()
        assert caught.value.code == code
    with pytest.raises(FaceError) as caught:
        FaceQuery(only, cascades=tmp_path / "nowhere")
    assert caught.value.code == 2
    (result,) = FaceQuery(only, threshold=1.0)(photo)
    assert result.code == 6
    assert result.identity is not None  # what was found is kept
    assert "lower the threshold" in result.message
    assert "No single facial feature" in result.sentence


def test_a_network_that_fails_has_code_4(photo: Path, haar: Detector) -> None:
    module = gap_net(classes=2)
    model = whylight.wrap(module, classes=["a", "b"], size=32)
    with torch.no_grad():
        next(module.parameters()).fill_(float("nan"))
    (result,) = FaceQuery(ByClassifier(model, ARCFACE), detector=haar)(photo)
    assert result.code == 4
    assert "not finite" in result.message
    assert result.crop is not None  # what was found before is kept


def test_a_gallery_of_another_network_or_nobody_is_refused(
    tmp_path: Path, embedder: Embedder, gallery: Gallery
) -> None:
    with pytest.raises(FaceError, match="nobody is enrolled") as caught:
        ByGallery(Gallery.create(tmp_path / "g", embedder), embedder)
    assert caught.value.code == 5
    other = embedder_of(whylight.wrap(gap_net(classes=4), size=32), "other")
    with pytest.raises(FaceError, match="was built with"):
        ByGallery(gallery, other)


def test_arguments_that_cannot_be_used(only: FaceOnly) -> None:
    for arguments, said in (
        ({"faces": "some"}, "faces: expected 'largest' or 'all'"),
        ({"threshold": 2.0}, "threshold: expected a score from 0 to 1"),
        ({"language": "tlh"}, "language: there is no 'tlh'"),
    ):
        with pytest.raises(WhylightError, match=said):
            FaceQuery(only, **arguments)  # type: ignore[arg-type]
    with pytest.raises(WhylightError, match="nobody to tell from"):
        only.target(only.identify(Image.new("RGB", (224, 224))), "Bob")


def test_the_files_of_a_result(tmp_path: Path, photo: Path, only: FaceOnly) -> None:
    (result,) = FaceQuery(only, threshold=0.1)(photo)
    made = result.save(tmp_path / "out")
    label = result.to_dict()["label"]
    names = ["cropped.jpg", f"heat_map_{label}.png", f"gc_map_{label}.png", f"blended_{label}.jpg", f"card_{label}.png"]
    assert [path.name for path in made.values()] == names
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)
    with Image.open(made["grey"]) as grey, Image.open(made["card"]) as card, Image.open(made["crop"]) as cropped:
        assert (grey.mode, grey.size) == ("L", (224, 224))
        assert np.array_equal(np.asarray(grey), (result.heatmap() * 255).round().astype(np.uint8))
        assert card.width == 1120
        assert cropped.size == (224, 224)
    assert result.explanation is not None  # what is looked at has no ridges, what is scored is bilinear
    smooth = np.concatenate([band for _, band in result.explanation.steps(size=(224, 224))]) / 255
    assert not np.array_equal(smooth, np.asarray(result.grey()) / 255)
    assert np.array_equal(np.asarray(result.blended()), np.asarray(render.overlay(result.crop.picture, smooth)))
    only = result.save(tmp_path / "one", ("blend",), stem="a_")
    assert [path.name for path in only.values()] == [f"a_blended_{label}.jpg"]
    with pytest.raises(WhylightError, match="'mask' is none of crop, heat"):
        result.save(tmp_path, ("mask",))
    json.dumps(result.to_dict(), allow_nan=False)


def test_a_result_without_an_explanation_has_no_map(tmp_path: Path) -> None:
    with pytest.raises(FaceError):
        FaceResult("x.jpg", 3, "no face").heatmap()
    assert FaceResult("x.jpg", 3, "no face").save(tmp_path / "out") == {}
