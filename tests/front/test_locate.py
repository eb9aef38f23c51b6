"""Find objects: one look, look after look, and what is said about it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whylight
from nets import gap_net
from whylight.errors import ImageError, MethodError, TargetError, WhylightError
from whylight.localize import overlap
from whylight.localize.locator import Locator, default_locator, method_named

BRIGHT, PALE = (8, 16, 40, 56), (64, 40, 104, 72)  # two rectangles on black, 128 × 96


@pytest.fixture(scope="module")
def model() -> whylight.Model:
    """Says "light" where more than a twentieth of the picture is white; every pixel speaks for itself."""
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    conv = network[0]
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([10 / 3, 0.0])[:, None, None, None].expand(2, 3, 1, 1))
        assert conv.bias is not None
        conv.bias.copy_(torch.tensor([0.0, 0.5]))
    return whylight.wrap(network, layer="0", classes=["light", "dark"], size=(96, 128), mean=(0, 0, 0), std=(1, 1, 1))


@pytest.fixture
def picture() -> Image.Image:
    pixels = np.zeros((96, 128, 3), np.uint8)
    for (x0, y0, x1, y1), value in ((BRIGHT, 255), (PALE, 180)):
        pixels[y0:y1, x0:x1] = value
    return Image.fromarray(pixels)


def test_one_look_finds_every_part_the_hottest_first(model: whylight.Model, picture: Image.Image) -> None:
    found = whylight.locate(model, picture, "light", method="cam", threshold=0.5)
    assert [box[:4] for box in found.boxes] == [BRIGHT, PALE]
    assert [box.score for box in found.boxes] == pytest.approx([1.0, 180 / 255], abs=0.01)
    assert (found.label, found.target, len(found.steps), found.stopped) == ("light", 0, 1, "one look")


def test_largest_and_limit(model: whylight.Model, picture: Image.Image) -> None:
    assert len(whylight.locate(model, picture, "light", method="cam", threshold=0.5, max_objects=1).boxes) == 1
    one = whylight.locate(model, picture, "light", method="cam", threshold=0.5, largest=True)
    assert [box[:4] for box in one.boxes] == [BRIGHT]


def test_one_after_another_until_the_class_is_gone(model: whylight.Model, picture: Image.Image) -> None:
    found = whylight.locate(model, picture, "light", method="cam", threshold=0.8, sequential=True, eraser="mean")
    assert len(found.boxes) == 2
    assert overlap(found.boxes[0], BRIGHT) > 0.95  # a closer view is resampled, which costs a row of pixels
    assert overlap(found.boxes[1], PALE) > 0.95
    for step in found.steps:
        assert isinstance(step.explanation, whylight.Explanation)
        assert step.explanation.verify(draws=2).label == "light"
    assert found.stopped == "the model no longer says light"
    first, second = found.steps
    whole = (32 * 40 + 40 * 32 * 180 / 255) / (96 * 128)
    sure = torch.tensor([10 * whole, 0.5]).softmax(0)[0]
    assert first.before == pytest.approx(float(sure), abs=1e-3)
    assert first.after == second.before
    assert first.before > second.before > 0.5 > (second.after or 0)
    assert [box.score for box in found.boxes] == [first.before, second.before]


def test_it_stops_at_the_limit(model: whylight.Model, picture: Image.Image) -> None:
    found = whylight.locate(model, picture, "light", method="cam", threshold=0.8, sequential=True, max_objects=1)
    assert len(found.boxes) == len(found.steps) == 1
    assert found.stopped == "1 found, the limit"


def test_it_stops_where_nothing_new_is_found() -> None:
    """A model that says "thing" whatever it is shown, always for the same place."""
    network = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    conv = network[0]
    assert isinstance(conv, nn.Conv2d)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, 0.0])[:, None, None, None].expand(2, 3, 1, 1))
        assert conv.bias is not None
        conv.bias.copy_(torch.tensor([9.0, 0.0]))
    model = whylight.wrap(network, layer="0", classes=["thing", "none"], size=64, mean=(0, 0, 0), std=(1, 1, 1))
    pixels = np.full((64, 64, 3), 255, np.uint8)
    pixels[:] = np.linspace(200, 255, 64).astype(np.uint8)[:, None, None]  # the same everywhere would be no evidence
    found = whylight.locate(model, pixels, "thing", method="cam", threshold=0.1, sequential=True)
    assert len(found.boxes) == 1
    assert found.steps[-1].boxes == []
    assert found.stopped == "nothing new was found"


def test_no_evidence_is_no_box_and_says_so(model: whylight.Model) -> None:
    black = np.zeros((96, 128, 3), np.uint8)
    one = whylight.locate(model, black, "light", method="cam")
    assert (one.boxes, one.stopped) == ([], "no positive evidence")
    more = whylight.locate(model, black, "light", method="cam", sequential=True)
    assert (more.boxes, more.stopped) == ([], "no positive evidence")


def test_many_pictures_and_one_that_cannot_be_read(model: whylight.Model, picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "c.png")
    files = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    failed: list[object] = []
    found = list(
        whylight.locate_each(
            model, files, "light", method="cam", threshold=0.9, on_error=lambda one, error: failed.append(one)
        )
    )
    assert [Path(one.source).name for one in found] == ["a.png", "c.png"]
    assert found[1].boxes[0][:4] == (128 - BRIGHT[2], BRIGHT[1], 128 - BRIGHT[0], BRIGHT[3])
    assert failed == [files[1]]
    with pytest.raises(ImageError, match=r"b\.png"):
        whylight.locate(model, files, "light", method="cam")


def test_the_calls_that_cannot_be_answered(model: whylight.Model, picture: Image.Image) -> None:
    with pytest.raises(TargetError, match="light"):
        whylight.locate(model, picture, "ligth")
    with pytest.raises(WhylightError, match="max_objects: expected at least 1, got 0"):
        whylight.locate(model, picture, max_objects=0)
    with pytest.raises(WhylightError, match="threshold"):
        whylight.locate(model, picture, threshold=0.0)
    with pytest.raises(WhylightError, match="needs a class as target"):
        whylight.locate(model, picture, lambda logits: logits[:, 0], method="gradcam", sequential=True)


def test_what_it_draws_and_writes(model: whylight.Model, picture: Image.Image, tmp_path: Path) -> None:
    found = whylight.locate(model, picture, "light", method="cam", threshold=0.8, sequential=True)
    drawn = np.asarray(found.overlay())
    assert drawn.shape == (96, 128, 3)
    assert (drawn[50, 20] == np.asarray(picture)[50, 20]).all()  # inside a box the picture is untouched
    assert (drawn[BRIGHT[1] + 20, BRIGHT[0]] != np.asarray(picture)[BRIGHT[1] + 20, BRIGHT[0]]).any()
    found.save(tmp_path / "boxes.png")
    found.save(tmp_path / "looks.png", view="strip")
    found.save(tmp_path / "looks.webp", view="strip")
    with Image.open(tmp_path / "looks.webp") as frames:
        assert getattr(frames, "n_frames", 1) == len(found.steps)
    with pytest.raises(WhylightError, match=r"cannot write \.gif"):
        found.save(tmp_path / "boxes.gif")
    told = found.to_dict()
    assert told["boxes"][0] == found.boxes[0]._asdict()
    assert [step["probability_before"] for step in told["steps"]] == [step.before for step in found.steps]


def test_the_bundled_model_finds_the_astronaut_by_default(photo: Path) -> None:
    """The face in examples/astronaut.jpg lies at about x 170…275, y 60…200 of 512 × 512."""
    model = whylight.load("face")
    for fast in (False, True):
        found = whylight.locate(model, photo, "face", fast=fast)
        with Image.open(photo) as picture:
            scale = picture.width / 512
        face = tuple(side * scale for side in (170, 60, 275, 200))
        assert overlap(found.boxes[0], face) > 0.3, fast


def test_the_default_maps_have_names_of_their_own() -> None:
    model = whylight.wrap(gap_net(), size=32)
    assert method_named(model, "locate") == default_locator(model).method
    assert method_named(model, "locate-fast") == default_locator(model, fast=True).method
    assert method_named(model, "locate") != method_named(model, "locate-fast")
    with pytest.raises(MethodError, match="method 'locate' has no option 'power'"):
        method_named(model, "locate", power=3)
    with pytest.raises(MethodError, match="Near it: gradcam"):
        method_named(model, "gradcan")


def test_a_stored_threshold_counts_for_its_own_method_without_options() -> None:
    model = whylight.wrap(gap_net(), size=32)
    model.localization = {"threshold": 0.25, "method": "locate"}
    assert default_locator(model).threshold_for(model) == 0.25
    assert default_locator(model, fast=True).threshold_for(model) == 0.25
    assert Locator("gradcam").threshold_for(model) != 0.25
    model.localization = {"threshold": 0.25, "method": "locate", "around": {"flip": True}}
    assert default_locator(model).threshold_for(model) != 0.25


def test_a_background_class_is_not_located_unless_asked_for() -> None:
    network = gap_net(classes=2)
    model = whylight.wrap(network, size=32, classes=["no face", "face"])
    with torch.no_grad():
        network[-1].bias.copy_(torch.tensor([100.0, 0.0]))
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    for sequential in (False, True):
        found = whylight.locate(model, pixels, sequential=sequential)
        assert (found.label, found.boxes) == ("no face", [])
        assert found.stopped == "nothing to locate; --target face asks all the same"
    assert whylight.locate(model, pixels, "no face", method="layercam").boxes


def test_an_unknown_eraser_is_refused_even_where_nothing_is_erased(model: whylight.Model, picture: Image.Image) -> None:
    with pytest.raises(WhylightError, match="eraser 'burn': choose one of blur, mean, inpaint"):
        whylight.locate(model, picture, "light", method="cam", eraser="burn")  # type: ignore[call-overload]
