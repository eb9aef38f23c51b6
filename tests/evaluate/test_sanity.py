"""The sanity check: methods that ignore the weights are found out, those that do not are let pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import whylight
from nets import gap_net
from whylight import methods
from whylight.errors import DataError, ModelError
from whylight.evaluate import sanity as module
from whylight.evaluate.baselines import BLOB, RANDOM
from whylight.evaluate.bootstrap import Interval
from whylight.evaluate.data import Labelled, read
from whylight.evaluate.findings import sanity as figures
from whylight.evaluate.reports.page import page
from whylight.evaluate.results import Cell, Result
from whylight.evaluate.sanity import Setup, sanity
from whylight.jobs.store import Store
from whylight.models.randomise import randomised

CLASSES = ("ant", "bee", "cat")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Labelled]:
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name in CLASSES:
        (folder / name).mkdir()
        for number in range(3):
            coarse = rng.integers(0, 255, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(coarse).resize((40, 40)).save(folder / name / f"{number}.png")
    return read(folder, classes=CLASSES)


@pytest.fixture
def edges() -> Iterator[str]:
    """A method that draws edges, whatever the network."""

    @methods.register("edges", units="contrast")
    def edges(inputs: Tensor) -> Tensor:
        return inputs.mean(1).diff(dim=2).abs()

    yield "edges"
    methods.unregister("edges")


def run(model: whylight.Model, data: list[Labelled], out: Path, *names: str, stages: int = 3, **more: Any) -> Result:
    setup = Setup({name: methods.get(name) for name in names}, stages=stages)
    with Store(out, "sanity", setup.settings()) as store:
        return sanity(model, data, setup, store, **more)


def value(result: Result, method: str, measure: str) -> float:
    cell = result.cell(method, measure)
    assert cell is not None
    return cell.value.mean


def test_edges_are_found_out_and_weights_are_seen(data: list[Labelled], tmp_path: Path, edges: str) -> None:
    net = gap_net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    model = whylight.wrap(net, size=32, classes=CLASSES)
    result = run(model, data, tmp_path / "out", edges, "hirescam")
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert value(result, edges, figures.RANK) == pytest.approx(1)
    assert value(result, edges, figures.SSIM) == pytest.approx(1)
    assert result.cell(edges, figures.RANK).note == "does not follow the weights: do not trust"  # type: ignore[union-attr]
    assert any(remark.startswith("edges: does not follow the weights: do not trust") for remark in result.remarks)
    assert abs(value(result, "hirescam", figures.RANK)) < 0.9
    assert value(result, BLOB, figures.RANK) == 1
    assert abs(value(result, RANDOM, figures.RANK)) < 0.3
    for name in (edges, "hirescam"):
        curve = next(curve for curve in result.curves if (curve.figure, curve.name) == ("rank", name))
        assert curve.x == pytest.approx([0, 1 / 3, 2 / 3, 1])
        assert curve.y[0] == 1
        assert curve.y[-1] == pytest.approx(value(result, name, figures.RANK))
        assert curve.y[1] == pytest.approx(value(result, name, figures.LAST))


def test_a_receipt_says_the_same(data: list[Labelled], tmp_path: Path, edges: str) -> None:
    """Of the same picture, `verify` has the figure of the sanity check, and its words."""

    @methods.register("mixed", units="contrast")
    def mixed(inputs: Tensor, activations: Tensor) -> Tensor:
        learned = activations.abs().mean(1, keepdim=True)
        learned = torch.nn.functional.interpolate(learned, size=inputs.shape[2:], mode="bilinear")[:, 0]
        drawn = inputs.mean(1).diff(dim=2, append=inputs.mean(1)[:, :, -1:]).abs()
        return drawn / drawn.amax() + 2 * learned / learned.amax()

    try:
        model = whylight.wrap(gap_net(), size=32, classes=CLASSES)
        for name in (edges, "hirescam", "mixed"):
            result = run(model, data[:1], tmp_path / name, name)
            ex = whylight.explain(model, data[0].path, method=name, target=data[0].label)
            receipt = ex.verify(draws=2)
            assert receipt.rank == pytest.approx(value(result, name, figures.RANK), abs=1e-4)
            note = result.cell(name, figures.RANK).note  # type: ignore[union-attr]
            assert note.startswith(str(receipt.follows))
            assert (receipt.follows == "does not follow the weights") == (name == edges)
        assert receipt.follows == "follows the weights in part"
    finally:
        methods.unregister("mixed")


def test_maps_stay_under_a_little_noise(data: list[Labelled], tmp_path: Path) -> None:
    result = run(whylight.wrap(gap_net(), size=32, classes=CLASSES), data, tmp_path / "out", "hirescam")
    assert 0.9 < value(result, "hirescam", figures.NOISE_RANK) < 1
    assert 0.9 < value(result, "hirescam", figures.NOISE_SSIM) < 1


def test_stages_and_a_second_run(data: list[Labelled], tmp_path: Path) -> None:
    model = whylight.wrap(gap_net(), size=32, classes=CLASSES)
    first = run(model, data[:4], tmp_path / "out", "gradcam", stages=6)
    assert len(first.curves[0].x) == 4  # three layers have weights, so there are no more than three stages
    before = (tmp_path / "out" / "pictures.jsonl").read_text()
    assert run(model, data[:4], tmp_path / "out", "gradcam", stages=6) == first
    assert (tmp_path / "out" / "pictures.jsonl").read_text() == before
    whole = run(model, data, tmp_path / "out", "gradcam", stages=6)
    assert (tmp_path / "out" / "pictures.jsonl").read_text().startswith(before)
    new = run(model, data, tmp_path / "new", "gradcam", stages=6)
    assert value(whole, "gradcam", figures.RANK) == pytest.approx(value(new, "gradcam", figures.RANK), abs=1e-3)
    assert Result.from_dict(whole.to_dict()) == whole


def test_a_network_of_random_labels(data: list[Labelled], tmp_path: Path, edges: str) -> None:
    """The same classes in another order: the same class is compared."""
    model = whylight.wrap(gap_net(), size=32, classes=CLASSES)
    turned = gap_net()
    with torch.no_grad():
        turned[-1].weight.copy_(turned[-1].weight.flip(0))
        turned[-1].bias.copy_(turned[-1].bias.flip(0))
    same = whylight.wrap(turned, size=32, classes=CLASSES[::-1])
    result = run(model, data, tmp_path / "same", "hirescam", edges, other=same)
    assert value(result, "hirescam", figures.LABELS) == pytest.approx(1, abs=1e-4)
    strange = run(
        model, data, tmp_path / "strange", "hirescam", other=whylight.wrap(gap_net(seed=5), size=32, classes=CLASSES)
    )
    assert value(strange, "hirescam", figures.LABELS) < 0.9
    with pytest.raises(DataError, match="has other classes than the model"):
        run(model, data, tmp_path / "x", "gradcam", other=whylight.wrap(gap_net(), size=32))


def test_what_cannot_be_checked(data: list[Labelled], tmp_path: Path) -> None:
    black = whylight.wrap_callable(lambda x: x.mean((2, 3)), classes=CLASSES, size=32)
    with pytest.raises(ModelError, match="this model is a black box: its weights cannot be seen"):
        run(black, data, tmp_path / "out", "rise")  # type: ignore[arg-type]
    bare = [one._replace(label=None) for one in data]
    with pytest.raises(DataError, match="no picture has a label"):
        run(whylight.wrap(gap_net(), size=32, classes=CLASSES), bare, tmp_path / "out", "gradcam")


def test_blank_maps_are_left_out(data: list[Labelled], tmp_path: Path) -> None:
    net = gap_net()
    with torch.no_grad():
        net[-1].weight[0] = -net[-1].weight[0].abs()
    result = run(whylight.wrap(net, size=32, classes=CLASSES), data, tmp_path / "out", "gradcam", "hirescam")
    cell = result.cell("gradcam", figures.RANK)
    assert cell is not None
    assert cell.value.n <= 6  # of 9: three pictures are of a class that nothing speaks for
    assert "3 of 9 pictures left out: the map is blank, or could not be made" in cell.note


def negative(data: list[Labelled], monkeypatch: pytest.MonkeyPatch, *signs: int) -> whylight.Model:
    """A network whose copies with random weights have a last layer of these signs, one after the other: nothing speaks for any
    class where it is -1, and Grad-CAM's map is zero."""

    def signed(model: whylight.Model, layers: Any, seed: int) -> whylight.Model:
        network = randomised(model, layers, seed)
        with torch.no_grad():
            network.module[-1].weight.copy_(signs[seed % 3] * network.module[-1].weight.abs())
        return network

    monkeypatch.setattr(module, "randomised", signed)
    net = gap_net()
    with torch.no_grad():
        net[-1].weight.copy_(net[-1].weight.abs())
    return whylight.wrap(net, size=32, classes=CLASSES)


def test_blank_maps_of_random_networks_are_left_out_and_counted(
    data: list[Labelled], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(negative(data, monkeypatch, 1, 1, 1), data, tmp_path / "whole", "gradcam")
    some = run(negative(data, monkeypatch, 1, -1, -1), data, tmp_path / "some", "gradcam")
    cell = some.cell("gradcam", figures.RANK)
    assert cell is not None
    assert cell.value.n == 9
    assert cell.note.endswith("; 18 of 27 maps of the other networks show nothing and are left out")
    assert any("18 of 27 maps of random networks show nothing and are left out" in remark for remark in some.remarks)
    assert not any("show nothing" in remark for remark in whole.remarks)
    with Store(tmp_path / "some", "sanity", Setup({}, stages=3).settings()) as store:
        records = [store.get(key) for key in store if key[-1] == "stage 3"]
    assert [(one["maps"], one["blank"]) for one in records] == [(3, 2)] * 9  # type: ignore[index]
    assert cell.value.mean == pytest.approx(np.mean([one["rank"] for one in records]))  # type: ignore[index]
    none = run(negative(data, monkeypatch, -1, -1, -1), data, tmp_path / "none", "gradcam")
    assert none.cell("gradcam", figures.RANK) is None
    assert none.remarks == (
        "gradcam: all 27 maps of random networks show nothing; there is no figure, and no verdict.",
    )
    assert none.cell("gradcam", figures.NOISE_RANK) is not None
    assert "no verdict" in page(none)


def test_chance_is_no_winner() -> None:
    """Near 0 is good, on either side of it; that a random map is there, too, says nothing against a method."""
    means = {"a": 0.02, "b": -0.3, RANDOM: -0.001, BLOB: 1.0}
    cells = [Cell(name, figures.RANK, Interval(mean, None, None, 9), "", "nearer 0") for name, mean in means.items()]
    found = Result("sanity", "", "", "", 9, {}, cells, baselines=(RANDOM, BLOB))
    assert found.best(figures.RANK) == {"a"}
    assert not found.beaten(figures.RANK)
    assert "nearer 0 is better" in page(found)
    assert "A baseline does better" not in page(found)


@pytest.mark.parametrize(
    ("rank", "words"),
    [(1, "do not trust"), (0.7, "do not trust"), (0.5, "in part"), (0.3, "weights"), (-0.6, "weights")],
)
def test_verdicts(rank: float, words: str) -> None:
    assert figures.verdict(rank).endswith(words) or words in figures.verdict(rank)
    assert ("do not trust" in figures.verdict(rank)) == (rank >= 0.7)
