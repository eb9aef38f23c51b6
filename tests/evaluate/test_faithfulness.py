"""A whole evaluation of faithfulness on a small network: figures, curves, what a second run does, and what goes wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import whylight
from nets import gap_net
from whylight import methods
from whylight.errors import DataError, ImageError, WhylightError
from whylight.evaluate.baselines import BASELINES, baseline
from whylight.evaluate.data import Labelled, read
from whylight.evaluate.faithfulness import Setup, faithfulness
from whylight.evaluate.measures.deletion import Protocol, area, curves
from whylight.evaluate.measures.ranking import enlarge
from whylight.evaluate.measures.scoring import Scorer
from whylight.evaluate.measures.table import MEASURES
from whylight.evaluate.results import Result
from whylight.jobs.store import Store

CLASSES = ("ant", "bee", "cat")
STEPS = Protocol(steps=4, blur=5, sigma=2.0)


@pytest.fixture(scope="module")
def model() -> whylight.Model:
    net = gap_net()
    with torch.no_grad():
        net[-1].weight.mul_(20)  # so that probabilities differ
    return whylight.wrap(net, size=32, classes=CLASSES)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two pictures of each of three classes."""
    rng = np.random.default_rng(0)
    for name in CLASSES:
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(2):
            coarse = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((48, 40)).save(tmp_path / "data" / name / f"{number}.png")
    return tmp_path / "data"


def made(*names: str, **options: Any) -> Setup:
    return Setup({name: methods.get(name) for name in names}, steps=STEPS, **options)


def run(model: whylight.Model, data: list[Labelled], setup: Setup, out: Path, **more: Any) -> Result:
    with Store(out, "faithfulness", setup.settings()) as store:
        return faithfulness(model, data, setup, store, precision="fp32", **more)


def test_figures_are_means_of_what_single_maps_score(model: whylight.Model, pictures: Path, tmp_path: Path) -> None:
    data = read(pictures, classes=CLASSES)
    setup = made("gradcam", "hirescam", measures=("insertion", "deletion"))
    result = run(model, data, setup, tmp_path / "out")
    scores: dict[tuple[str, str], list[float]] = {}
    for one in data:
        index = CLASSES.index(one.label or "")
        x = model.preprocess(one.path).unsqueeze(0)
        for name in ("gradcam", "hirescam", *BASELINES):
            known = name in BASELINES
            raw = (
                baseline(name, one.name, (32, 32))
                if known
                else whylight.explain(model, one.path, method=name, target=index).map
            )
            score = Scorer(model, x, torch.tensor([index]), precision="fp32")
            found = curves(score, x, enlarge([raw], (32, 32)), torch.tensor([0]), STEPS)
            scores.setdefault((name, "insertion"), []).append(float(area(found.insertion)))
            scores.setdefault((name, "deletion"), []).append(float(area(found.deletion)))
    assert result.pictures == 6
    assert result.measures == ["insertion", "deletion"]
    assert result.methods == ["gradcam", "hirescam", *BASELINES]
    for (name, measure), values in scores.items():
        cell = result.cell(name, measure)
        assert cell is not None
        assert cell.value.mean == pytest.approx(sum(values) / 6, abs=1e-5)
        assert cell.value.n == 6
        assert cell.value.low is not None
        assert cell.value.low <= cell.value.mean <= cell.value.high  # type: ignore[operator]
        curve = next(curve for curve in result.curves if (curve.figure, curve.name) == (measure, name))
        assert curve.x == [0, 0.25, 0.5, 0.75, 1]
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(cell.value.mean, abs=1e-4)


def test_every_measure_has_a_figure_a_protocol_and_an_answer(
    model: whylight.Model, pictures: Path, tmp_path: Path
) -> None:
    setup = made("gradcam", measures=tuple(MEASURES))
    result = run(model, read(pictures, classes=CLASSES), setup, tmp_path / "out")
    assert result.measures == [one.title for one in MEASURES.values()]
    for one in MEASURES.values():
        cell = result.cell("gradcam", one.title)
        assert cell is not None
        assert (cell.better, cell.unit) == (one.better, one.unit)
        assert result.answers[one.title]
        assert result.protocol[one.title]
        baselines = [result.cell(name, one.title) for name in BASELINES]
        assert all(baselines) == (one.title != "max-sensitivity")  # a map that never moves has 0, and it says nothing
    assert result.protocol["insertion"]["steps"] == 4
    assert {curve.figure for curve in result.curves} == set(result.figures) == {"insertion", "deletion", "morf", "lerf"}
    assert Result.from_dict(result.to_dict()) == result
    page = result.save(tmp_path / "out").read_text(encoding="utf-8")
    assert "Deletion is a weak judge" in page


def test_a_second_run_measures_only_what_is_missing(model: whylight.Model, pictures: Path, tmp_path: Path) -> None:
    data, out = read(pictures, classes=CLASSES), tmp_path / "out"
    setup = made("gradcam", measures=("insertion",))
    first = run(model, data[:3], setup, out)
    before = (out / "pictures.jsonl").read_text()
    assert run(model, data[:3], setup, out) == first
    assert (out / "pictures.jsonl").read_text() == before
    run(model, data, made("gradcam", "hirescam", measures=("insertion", "drop")), out)
    after = (out / "pictures.jsonl").read_text()
    assert after.startswith(before)
    added = after[len(before) :].count("\n")
    # All of it, 6 pictures × 4 maps × 2 measures, less the 3 pictures × 3 maps that were known.
    assert added == 6 * 4 * 2 - 3 * 3
    whole = run(model, data, made("gradcam", "hirescam", measures=("insertion", "drop")), out)
    new = run(model, data, made("gradcam", "hirescam", measures=("insertion", "drop")), tmp_path / "new")
    for one, two in zip(whole.cells, new.cells, strict=True):  # in other batches, so the last digits may differ
        assert (one.method, one.measure) == (two.method, two.measure)
        assert one.value == pytest.approx(two.value, rel=1e-5)


def test_other_steps_are_another_evaluation(model: whylight.Model, pictures: Path, tmp_path: Path) -> None:
    data = read(pictures, classes=CLASSES)
    run(model, data, made("gradcam", measures=("insertion",)), tmp_path / "out")
    other = Setup({"gradcam": methods.get("gradcam")}, measures=("insertion",), steps=Protocol(steps=5))
    with pytest.raises(WhylightError, match="holds results with another setting, steps: 4 there, 5 now"):
        run(model, data, other, tmp_path / "out")


def test_the_predicted_class_needs_no_labels(model: whylight.Model, pictures: Path, tmp_path: Path) -> None:
    bare = [one._replace(label=None) for one in read(pictures, classes=CLASSES)]
    result = run(model, bare, made("gradcam", measures=("insertion",), asked="predicted"), tmp_path / "out")
    assert result.pictures == 6
    assert result.protocol["class"] == "the most probable one"
    with pytest.raises(DataError, match="no picture has a label, and the true class was asked for"):
        run(model, bare, made("gradcam", measures=("insertion",)), tmp_path / "other")


def test_one_picture_has_no_interval_and_says_so(model: whylight.Model, pictures: Path, tmp_path: Path) -> None:
    result = run(model, read(pictures, classes=CLASSES)[:1], made("gradcam", measures=("insertion",)), tmp_path / "out")
    cell = result.cell("gradcam", "insertion")
    assert cell is not None
    assert cell.value[1:] == (None, None, 1)
    assert result.remarks[0].startswith("One picture only")


def test_constant_maps_are_counted(model: whylight.Model, pictures: Path, tmp_path: Path) -> None:
    @methods.register("nothing", units="")
    def nothing(scores: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(scores), 4, 4)

    try:
        setup = made("nothing", measures=("insertion", "drop", "infidelity", "sensitivity"))
        result = run(model, read(pictures, classes=CLASSES), setup, tmp_path / "out")
    finally:
        methods.unregister("nothing")
    assert any(remark.startswith("nothing: 6 of 6 maps are the same everywhere") for remark in result.remarks)
    assert result.cell("nothing", "max-sensitivity") is None  # relative to a map of zeros there is no change
    assert result.cell("nothing", "insertion") is not None


def test_a_broken_picture_does_not_stop_the_rest(model: whylight.Model, pictures: Path, tmp_path: Path) -> None:
    (pictures / "bee" / "0.png").write_bytes(b"no picture")
    data = read(pictures, classes=CLASSES)
    failed: list[Any] = []
    setup = made("gradcam", measures=("insertion",))
    result = run(model, data, setup, tmp_path / "out", on_error=lambda picture, error: failed.append((picture, error)))
    assert result.pictures == 5
    ((picture, error),) = failed
    assert picture.name == "0.png"
    assert isinstance(error, ImageError)
    with pytest.raises(ImageError):
        run(model, data, setup, tmp_path / "other")


def test_a_black_box_is_measured_too(pictures: Path, tmp_path: Path) -> None:
    black = whylight.wrap_callable(
        lambda x: torch.stack([x[:, c].mean((1, 2)) * 5 for c in range(3)], 1),
        classes=CLASSES,
        size=32,
        outputs="logits",
    )
    method = methods.get("occlusion", patch=8, stride=8)
    setup = Setup({"occlusion": method}, measures=("insertion", "deletion"), steps=STEPS)
    with Store(tmp_path / "out", "faithfulness", setup.settings()) as store:
        result = faithfulness(black, read(pictures, classes=CLASSES), setup, store)
    cells = [result.cell(name, "insertion") for name in ("occlusion", *BASELINES)]
    assert all(cell is not None and 0 < cell.value.mean < 1 for cell in cells)


def test_a_score_that_does_not_move_tells_nothing(pictures: Path, tmp_path: Path) -> None:
    """A network that is sure whatever it sees: how far the score moves tells nothing about any map, and the report says so."""
    net = gap_net()
    with torch.no_grad():
        net[-1].bias.copy_(torch.tensor([100.0, 0.0, 0.0]))
    data = read(pictures / "ant", classes=CLASSES, label="ant")
    setup = made("hirescam", measures=("drop", "increase", "infidelity"))
    sure = run(whylight.wrap(net, size=32, classes=CLASSES), data, setup, tmp_path / "sure")
    assert [cell.value.mean for cell in sure.cells] == pytest.approx([0] * 9, abs=1e-4)
    (remark,) = sure.remarks
    assert remark.startswith(
        "0 for every map, those that know nothing of the picture, too: average drop, average increase, infidelity. "
    )
    unsure = run(whylight.wrap(gap_net(), size=32, classes=CLASSES), data, setup, tmp_path / "unsure")
    assert not any("infidelity" in remark for remark in unsure.remarks)
