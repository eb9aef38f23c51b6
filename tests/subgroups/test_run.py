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
from whylight.jobs import Job
from whylight.jobs import run as run_job
from whylight.jobs.events import Cancel, Watch
from whylight.subgroups.looking.covering import ELSEWHERE, Covering, cover_over, covered, regions_of
from whylight.subgroups.looking.frame import SIDE
from whylight.subgroups.looking.last import LastFeatures
from whylight.subgroups.looking.look import LOOKED, Setup, key_of, look_over, opened_store
from whylight.subgroups.looking.looked import Looked, read
from whylight.subgroups.looking.packing import packed, unpacked
from whylight.subgroups.run import look


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
