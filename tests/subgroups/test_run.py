"""Running a model over pictures: what comes out is what single explanations say, in one frame; kills and bad pictures are borne."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import whylight
from nets import gap_net
from whylight.cells import WHOLE
from whylight.errors import DataError, WhylightError
from whylight.faces.detectors.haar import HaarDetector
from whylight.images.preprocess import Region
from whylight.jobs import Job
from whylight.jobs import run as run_job
from whylight.jobs.events import Cancel, Watch
from whylight.subgroups.looking.covering import ELSEWHERE, Covering, cover_over, covered, regions_of
from whylight.subgroups.looking.frame import NONE, PARTS, SIDE, Frame, evidence_in, of_face, of_picture, onto_input
from whylight.subgroups.looking.last import LastFeatures
from whylight.subgroups.looking.look import LOOKED, Setup, key_of, look_over, opened_store
from whylight.subgroups.looking.looked import Looked, read
from whylight.subgroups.looking.packing import packed, unpacked
from whylight.subgroups.run import attend, look


@pytest.fixture(scope="module")
def model() -> whylight.Model:
    return whylight.wrap(gap_net(), size=32, classes=("ant", "bee", "cat"))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Seven pictures of several sizes."""
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    paths = []
    for number in range(7):
        coarse = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)
        paths.append(tmp_path / "data" / f"{number}.png")
        Image.fromarray(coarse).resize((48 + 8 * number, 40)).save(paths[-1])
    return paths


def plain(method: str = "gradcam") -> Setup:
    return Setup(whylight.methods.get(method), align="none")


def looked(model: whylight.Model, paths: list[Path], out: Path, setup: Setup | None = None) -> Looked:
    setup = setup or plain()
    with opened_store(out, setup, {"model": "m"}) as store:
        look_over(model, paths, setup, store, watch=Watch(on_error=lambda *told: None))
        return read(store, paths)


def test_answers_maps_and_features_are_those_of_single_explanations(
    model: whylight.Model, pictures: list[Path], tmp_path: Path
) -> None:
    found = looked(model, pictures, tmp_path / "out")
    assert found.there.all()
    last = LastFeatures(model)
    assert "linear" in last.what
    for i, path in enumerate(pictures):
        x = model.preprocess(str(path)).unsqueeze(0)
        logits = model.logits(x)[0]
        assert np.allclose(found.logits[i], logits, atol=1e-5)
        assert found.predicted[i] == found.asked[i] == int(logits.argmax())
        assert np.allclose(
            found.features[i], model.features(x).mean((2, 3))[0], atol=1e-4
        )  # the net ends in GAP and linear
        ex = whylight.explain(model, str(path))
        evidence = (ex.map - ex.level).clamp(min=0)
        placed = torch.nn.functional.interpolate(
            evidence[None, None], size=(2 * SIDE, 2 * SIDE), mode="bilinear", align_corners=False
        )
        mine = torch.nn.functional.avg_pool2d(placed, 2)[0, 0].numpy()
        assert ex.span == WHOLE
        if mine.max() > 0:
            assert np.allclose(found.maps[i], mine / mine.max(), atol=2e-3)
    assert found.counts == {"picture": 7}
    assert np.allclose(found.probabilities.sum(1), 1)


def test_it_takes_one_forward_a_batch_and_leaves_no_hooks(pictures: list[Path], tmp_path: Path) -> None:
    net, seen = gap_net(), []
    model = whylight.wrap(net, size=32)
    hook = net.register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    first = net[0].register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    hook.remove()
    looked(model, pictures, tmp_path / "out")
    assert sum(seen) == len(pictures) + 1  # and one, of nothing, that finds the last layer
    first.remove()
    assert not any(one._forward_pre_hooks or one._forward_hooks for one in net.modules())


def test_what_is_known_is_not_asked_again(model: whylight.Model, pictures: list[Path], tmp_path: Path) -> None:
    whole = looked(model, pictures, tmp_path / "whole")
    cancel, out = Cancel(), tmp_path / "part"
    setup, noted = plain(), []

    class Counting(Watch):
        def picture(self) -> None:
            noted.append(1)
            if len(noted) == 3:
                self.cancel.set()
            super().picture()

    from whylight.jobs.events import Cancelled

    with opened_store(out, setup, {"model": "m"}) as store, pytest.raises(Cancelled):
        look_over(model, pictures, setup, store, watch=Counting(cancel=cancel), batch_size=1, workers=1)
    with opened_store(out, setup, {"model": "m"}) as store:
        before = len(store)
        assert 3 <= before < len(pictures)
        watch = Watch()
        look_over(model, pictures, setup, store, watch=watch)
        assert watch.progress.done == len(pictures) - before
        found = read(store, pictures)
    assert np.allclose(found.logits, whole.logits, atol=1e-5)
    assert np.allclose(found.maps, whole.maps, atol=1e-3)


def test_a_bad_picture_is_named_and_the_others_go_on(
    model: whylight.Model, pictures: list[Path], tmp_path: Path
) -> None:
    broken, missing = tmp_path / "data" / "broken.jpg", tmp_path / "data" / "missing.jpg"
    broken.write_bytes(b"\xff\xd8 no picture")
    paths = [pictures[0], broken, pictures[1], missing, pictures[0]]
    told: list[str] = []
    with opened_store(tmp_path / "out", plain(), {}) as store:
        look_over(
            model, paths, plain(), store, watch=Watch(on_error=lambda path, error: told.append(f"{path}: {error}"))
        )
        found = read(store, paths)
    assert found.there.tolist() == [True, False, True, False, True]
    assert sorted(Path(one.split(": ")[0]).name for one in told) == ["broken.jpg", "missing.jpg"]
    assert np.isnan(found.logits[1]).all()
    assert found.predicted[3] == -1
    assert np.array_equal(found.maps[0], found.maps[4])  # a picture that comes twice has two rows
    assert found.counts == {"picture": 3, "no answer": 2}


def test_another_setting_is_another_folder(model: whylight.Model, pictures: list[Path], tmp_path: Path) -> None:
    looked(model, pictures[:1], tmp_path / "out")
    with pytest.raises(WhylightError, match="another setting, method"):
        opened_store(tmp_path / "out", plain("layercam"), {"model": "m"})
    with opened_store(tmp_path / "new", plain(), {}) as store, pytest.raises(DataError, match="no answers"):
        read(store, pictures)


def test_models_from_outside_have_logits_for_features(pictures: list[Path], tmp_path: Path) -> None:
    box = whylight.wrap_callable(lambda x: x.mean((2, 3)), classes=("r", "g", "b"), size=16)
    setup = Setup(whylight.methods.get("occlusion"), align="none")
    with opened_store(tmp_path / "out", setup, {}) as store:
        look_over(box, pictures[:2], setup, store)
        found = read(store, pictures[:2])
    assert np.allclose(found.features, found.logits)
    assert LastFeatures(box).what == "the logits"


def test_the_last_layer_is_found_by_running() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.answer = nn.Linear(5, 2)  # the first to be made, the last to run
            self.conv = nn.Conv2d(3, 4, 3)
            self.squeeze = nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.answer(self.squeeze(self.conv(x).mean((2, 3))).relu())
            return found

    torch.manual_seed(0)
    net = Odd()
    model, x = whylight.wrap(net, size=16), torch.randn(3, 3, 16, 16)
    last = LastFeatures(model)
    with last.catching():
        logits = model.logits(x)
    with torch.no_grad():
        wanted = net.squeeze(net.conv(x).mean((2, 3))).relu()
    assert torch.allclose(last.of(logits), wanted, atol=1e-5)


def test_a_face_is_laid_on_its_eyes(photo: Path) -> None:
    picture = Image.open(photo).convert("RGB")
    frame = of_face(picture, HaarDetector(turns=()))
    assert frame is not None
    assert frame.labels is not None
    coarse = frame.coarse
    assert coarse.shape == (SIDE, SIDE)
    for part in ("eyes", "nose", "mouth", "hair", "background"):
        assert (coarse == list(PARTS).index(part)).any(), part
    down, across = np.nonzero(coarse == list(PARTS).index("mouth"))
    x, y = frame.matrix @ (across.mean() + 0.5, down.mean() + 0.5, 1)
    assert 180 < x < 270  # the astronaut's mouth
    assert 130 < y < 190
    turned = of_face(picture.rotate(20, fillcolor=(128, 128, 128)), HaarDetector(turns=()))
    if turned is not None and turned.aligned == "eyes":
        mouth = turned.matrix @ (SIDE / 2, 0.62 * SIDE, 1)
        assert np.hypot(*(mouth - frame.matrix @ (SIDE / 2, 0.62 * SIDE, 1))) > 5
    assert of_face(Image.new("RGB", (64, 64)), HaarDetector(turns=())) is None


def test_shares_by_part_are_those_of_the_evidence() -> None:
    """A frame over the upper left quarter of a picture, whose left half is one part and right half another."""
    labels = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
    labels[:, SIDE:] = 1
    frame = Frame(np.array([[50 / SIDE, 0, 0], [0, 50 / SIDE, 0]]), labels, "eyes")
    whole = Region(0, 0, 100, 100)
    even = evidence_in(frame, torch.ones(4, 4), whole, WHOLE, (100, 100))
    assert even.shares is not None
    told = dict(zip(PARTS, even.shares, strict=True))
    assert told["eyes"] == pytest.approx(0.125)
    assert told["eyebrows"] == pytest.approx(0.125)
    assert told["background"] == pytest.approx(0.75)  # beyond the frame
    assert even.inside == pytest.approx(0.25)
    left = torch.zeros(100, 100)
    left[:50, :25] = 2
    left[60:, 60:] = -5  # no evidence at all
    one = evidence_in(frame, left, whole, WHOLE, (100, 100))
    assert one.shares is not None
    assert one.shares[0] == pytest.approx(1, abs=0.02)
    assert evidence_in(frame, torch.zeros(4, 4), whole, WHOLE, (100, 100)).shares is None
    half = evidence_in(frame, torch.ones(1, 1), Region(0, 0, 100, 25), WHOLE, (100, 100))
    assert half.map[: SIDE // 2 - 1].min() > 0
    assert half.map[SIDE // 2 + 1 :].max() == 0  # the network did not look there


def test_a_turned_frame_reads_the_map_where_it_lies() -> None:
    raw = torch.zeros(20, 20)
    raw[4, 15] = 1.0  # at pixel (77.5, 22.5) of 100
    angle = np.radians(30)
    turn = 2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([70.0, 30.0])
    matrix = np.column_stack([turn, centre - turn @ (SIDE / 2, SIDE / 2)])
    made = evidence_in(Frame(matrix, None, "eyes"), raw, Region(0, 0, 100, 100), WHOLE, (100, 100))
    y, x = np.unravel_index(made.map.argmax(), made.map.shape)
    assert np.allclose(matrix @ (x + 0.5, y + 0.5, 1), (77.5, 22.5), atol=2)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[y, x] = True
    rows, columns = np.nonzero(onto_input(mask, matrix, Region(0, 0, 100, 100), (200, 200)))
    assert (columns.mean() / 2, rows.mean() / 2) == (pytest.approx(77.5, abs=2), pytest.approx(22.5, abs=2))


def test_masks_lie_on_the_input_as_the_network_sees_it() -> None:
    frame = of_picture((200, 100))
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, : SIDE // 2] = True  # the left half of the picture
    shown = onto_input(mask, frame.matrix, Region(50, 0, 150, 100), (10, 10))  # the network sees its middle
    assert shown[:, :5].all()
    assert not shown[:, 5:].any()
    assert (frame.coarse == NONE).all()


def test_covered_regions_are_asked_about_once(model: whylight.Model, pictures: list[Path], tmp_path: Path) -> None:
    setup = plain()
    mask = np.zeros((SIDE, SIDE), bool)
    mask[: SIDE // 2] = True
    regions = regions_of([], {"top": mask})
    with opened_store(tmp_path / "out", setup, {}) as store:
        look_over(model, pictures, setup, store)
        cover_over(model, pictures, regions, store)
        found = covered(store, pictures, "top", regions["top"])
        other = covered(store, pictures, "top", regions["top"], where=ELSEWHERE)
        work = Covering(model, regions, "mean", store, pictures, Watch())
        assert all(work.knows(path, question) for path in pictures for question in work.questions)
        with pytest.raises(DataError, match="covered in none"):
            covered(store, pictures, "top", regions["top"], fill="blur")
        assert len(store) == 3 * len(pictures)
    for i, path in enumerate(pictures):
        x = model.preprocess(str(path)).unsqueeze(0)
        x[:, :, :16] = 0
        assert np.allclose(found[i], model.logits(x)[0], atol=1e-5)
    assert not np.allclose(found, other)


def test_unknown_regions_are_refused() -> None:
    with pytest.raises(DataError, match="no part called 'ear'"):
        regions_of(["ear"])
    with pytest.raises(DataError, match="56 × 56"):
        regions_of([], {"x": np.ones((3, 3))})
    with pytest.raises(DataError, match="give the mask another"):
        regions_of(["nose"], {"nose": np.ones((SIDE, SIDE))})


def test_it_is_a_job(photo: Path, tmp_path: Path) -> None:
    """The whole of it on a photograph of a face: looked at, covered and judged; once more, and nothing is asked."""
    copy = tmp_path / "one.jpg"
    copy.write_bytes(photo.read_bytes())
    gone = tmp_path / "gone.jpg"
    job = Job(
        "attention",
        [str(copy), str(gone)],
        str(tmp_path / "out"),
        model="face",
        questions={"cover": ["mouth"], "judged": 1},
    )
    outcome = run_job(job)
    assert [Path(one["picture"]).name for one in outcome.failed] == ["gone.jpg"]
    found: Looked = outcome.result
    assert found.there.tolist() == [True, False]
    assert found.aligned[0] == "eyes"
    assert sum(shares[0] for shares in found.shares.values()) == pytest.approx(1)
    assert found.shares["background"][0] < 0.9
    assert json.loads((tmp_path / "out" / "job.json").read_text())["kind"] == "attention"
    assert (tmp_path / "out" / "faithfulness" / "pictures.jsonl").is_file()
    size = (tmp_path / "out" / "pictures.jsonl").stat().st_size
    again = look("face", [gone, copy, copy], tmp_path / "out", cover=["mouth"], judged=1)
    assert (tmp_path / "out" / "pictures.jsonl").stat().st_size == size
    assert again.there.tolist() == [False, True, True]
    assert np.array_equal(again.maps[[1, 0]], found.maps, equal_nan=True)
    assert list(again.failed) == [str(gone)]
    assert again.classes == ("face", "no face")
    assert set(again.judged) == {"insertion", "deletion", "insertion beyond a random map"}
    assert np.isfinite(again.judged["insertion"]).tolist() == [False, True, True]
    assert np.isfinite(again.covered["mouth", "here"]).all(1).tolist() == [False, True, True]
    with pytest.raises(WhylightError, match="align=face"):
        run_job(
            Job(
                "attention",
                [str(copy)],
                str(tmp_path / "x"),
                questions={"cover": ["mouth"]},
                settings={"align": "none"},
            )
        )


def test_arrays_come_back_from_text() -> None:
    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert np.array_equal(unpacked(packed(data, "u1", squeezed=True), "u1", (3, 4), squeezed=True), data)
    with pytest.raises(ValueError, match="unpacked"):
        unpacked(packed(data, "u1"), "u1", squeezed=True)


def test_keys_tell_pictures_from_what_they_were(pictures: list[Path]) -> None:
    before = key_of(pictures[0], LOOKED)
    Image.new("RGB", (5, 5)).save(pictures[0])
    assert key_of(pictures[0], LOOKED) != before


def simulated(n: int = 400) -> tuple[Looked, list[str], list[str]]:
    """Answers about faces: of the old, whose maps lie on the mouth, more are wrong, and only while the mouth is seen."""
    rng = np.random.default_rng(0)
    age = np.where(np.arange(n) % 2 == 0, "old", "young")
    label = rng.integers(0, 2, n)
    old = age == "old"
    wrong = rng.random(n) < np.where(old, 0.3, 0.05)
    calm = rng.random(n) < 0.05
    answer, hidden = np.where(wrong, 1 - label, label), np.where(calm, 1 - label, label)
    logits, uncovered = (
        np.stack([1 - 2 * said, 2 * said - 1], 1) * rng.uniform(0.5, 3, (n, 1)) for said in (answer, hidden)
    )
    maps = rng.random((n, SIDE, SIDE)) + 0.5
    maps[np.ix_(old, range(38, 44), range(20, 36))] *= 3
    maps[0] = np.nan
    mouth = np.where(old, 0.3, 0.1) + 0.02 * rng.normal(size=n)
    features = rng.normal(size=(n, 12))
    features[old & wrong, 3] += 3
    there = np.ones(n, bool)
    there[5] = False
    found = Looked(
        [Path(f"{i}.jpg") for i in range(n)],
        there,
        np.where(there[:, None], logits, np.nan),
        np.where(there, answer, -1),
        answer,
        np.where(there[:, None], features, np.nan),
        maps,
        np.full((n, SIDE, SIDE), NONE, np.uint8),
        {"mouth": np.where(there, mouth, np.nan)},
        np.ones(n),
        ["eyes" if one else "" for one in there],
        covered={("mouth", "here"): uncovered, ("mouth", "elsewhere"): logits},
        judged={"insertion": np.where(np.arange(n) < 100, rng.random(n), np.nan)},
        classes=("woman", "man"),
        told={"fill": "mean"},
    )
    return found, age.tolist(), [("woman", "man")[one] for one in label]


def test_groups_are_held_against_each_other() -> None:
    found, age, label = simulated()
    rng = np.random.default_rng(1)
    town = [("a", "b", "c", "")[i] for i in rng.integers(0, 4, len(age))]
    label[7] = ""
    told = attend(found, groups={"age": age, "town": town}, label=label, draws=200)
    assert list(told.member) == ["age=old", "age=young", "town=a", "town=b", "town=c"]
    assert [pair.names for pair in told.pairs][:2] == [("age=old", "age=young"), ("town=a", "all others")]
    first = told.pairs[0]
    assert first.difference is not None
    assert first.difference.significant[40, 25]
    assert first.difference.map[40, 25] > 0
    (mouth,) = first.covered
    assert mouth.closes
    assert mouth.pictures == len(age) - 2
    assert not first.elsewhere[0].closes
    parts = {(one.what, one.group): one for one in told.parts}
    assert parts["mouth", "age=old"].p is not None
    assert parts["mouth", "age=old"].p < 0.001
    assert parts["mouth", "town=a"].p is not None
    assert parts["mouth", "town=a"].p > 0.05
    assert told.faithful[0].mean is not None
    assert told.faithful[0].mean.n == 50
    assert told.discovery is not None
    assert told.middle is not None
    assert told.middle.temperature != 1
    kept = json.loads(json.dumps(told.to_json()))
    assert kept["aligned"] == {"eyes": len(age) - 1, "no answer": 1}
    assert kept["pairs"][0]["covered"][0]["closes"] is True
    assert kept["maps"][0] == {"group": "everybody", "n": len(age) - 2, "without evidence": 2}
    assert told.arrays()["mean: everybody"].shape == (SIDE, SIDE)


def test_without_labels_nothing_is_said_of_mistakes() -> None:
    found, age, _ = simulated(60)
    told = attend(found, groups={"age": age}, draws=50)
    assert told.discovery is None
    assert told.pairs[0].covered == []
    assert told.middle is not None
    assert told.middle.right is None


def test_groups_that_tell_nothing_are_refused() -> None:
    found, age, label = simulated(60)
    with pytest.raises(DataError, match="'age' has 3 values"):
        attend(found, groups={"age": age[:3]})
    with pytest.raises(DataError, match="'x' has 1 value"):
        attend(found, groups={"x": ["a"] * 60})
    with pytest.raises(DataError, match="at least one column"):
        attend(found, groups={})
    with pytest.raises(DataError, match="label: expected one"):
        attend(found, groups={"age": age}, label=label[:5])
    few = attend(found, groups={"rare": ["yes"] * 3 + ["no"] * 57}, draws=50)
    assert few.pairs[0].difference is None
    assert "too few" in few.pairs[0].why_not
