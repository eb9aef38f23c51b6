"""The result: display scales never hide a blank map, and files hold what the map held."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from whylight import render
from whylight.errors import WhylightError, WriteError
from whylight.explanation import Explanation, Scale, View
from whylight.images.preprocess import Region


def make(
    raw: Tensor,
    size: tuple[int, int] = (80, 60),
    region: Region | None = None,
    scale: Scale = "max",
    level: float = 0.0,
) -> Explanation:
    return Explanation(
        map=raw,
        score=3.25,
        probability=0.75,
        target=2,
        label="tabby",
        method="gradcam",
        units="logit",
        picture=Image.new("RGB", size, (40, 90, 140)),
        region=region or Region(0, 0, *size),
        source="cat.jpg",
        scale=scale,
        level=level,
    )


def hot_cell() -> Tensor:
    raw = torch.zeros(3, 4)
    raw[1, 2], raw[0, 0] = 8.0, -2.0
    return raw


def test_peak_is_the_centre_of_the_hottest_cell() -> None:
    assert make(hot_cell()).peak == (50.0, 30.0)
    assert make(hot_cell(), region=Region(20, 10, 60, 40)).peak == (45.0, 25.0)


def test_heatmap_scales() -> None:
    ex = make(hot_cell())
    heat = ex.heatmap()
    assert heat.shape == (60, 80)
    assert float(heat.max()) == 1.0
    assert divmod(int(heat.argmax()), 80)[0] in (29, 30)
    assert float(heat[0, 0]) == 0, "negative evidence is not shown as positive"
    assert float(ex.heatmap(scale=80.0).max()) == pytest.approx(0.1, rel=0.1), "a shared scale keeps faint maps faint"
    assert float(ex.heatmap(scale="minmax")[0, 0]) == 0
    assert float(ex.heatmap(scale="minmax")[59, 0]) == pytest.approx(0.2), "zero lies a fifth of the way from -2 to 8"
    assert ex.heatmap(size=(6, 8)).shape == (6, 8)


@pytest.mark.parametrize("raw", [torch.zeros(3, 3), -torch.rand(3, 3) - 0.1], ids=["zero", "negative"])
def test_blank_maps_stay_blank(raw: Tensor) -> None:
    """Scaled to its own maximum, a map without evidence would look as hot as any."""
    ex = make(raw)
    assert ex.is_blank
    assert ex.peak is None
    assert ex.boxes() == []
    for scale in ("max", "minmax", 1.0):
        assert float(ex.heatmap(scale=scale).abs().max()) == 0  # type: ignore[arg-type]
    assert np.array_equal(np.asarray(ex.overlay()), np.asarray(ex.picture)), "the picture is shown untouched"
    assert "blank" in repr(ex)


def test_the_colour_bar_says_what_the_colours_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a picture with few pixels the placed map's maximum is below the raw one; 1.0 stands for what is shown."""
    raw = torch.zeros(14, 14)
    raw[6, 6] = 8.0
    ex = make(raw, size=(20, 20))
    seen: dict[str, object] = {}
    panel = render.panel
    monkeypatch.setattr(render, "panel", lambda *args, **options: seen.update(options) or panel(*args, **options))
    ex.panel()
    low, high = seen["limits"]  # type: ignore[misc]
    assert (low, high) == (0.0, pytest.approx(float(ex.heatmap(scale=100.0).max()) * 100, rel=1e-5))
    assert high < 8.0


def test_heat_only_where_the_network_looked() -> None:
    almost = torch.ones(4, 4)
    almost[0, 0] = 1.001  # the same everywhere would be no evidence
    ex = make(almost, region=Region(20, 0, 60, 60))
    for scale in ("max", 0.5):
        heat = ex.heatmap(scale=scale)  # type: ignore[arg-type]
        assert float(heat[:, :20].max()) == float(heat[:, 60:].max()) == 0
        assert float(heat[:, 20:60].min()) > 0.99
    low = torch.ones(4, 4)
    low[0, 0] = -1
    heat = make(low, region=Region(20, 0, 60, 60)).heatmap(scale="minmax")
    assert float(heat[:, :20].max()) == 0


def test_boxes_are_in_pixels_of_the_picture() -> None:
    raw = torch.zeros(6, 8)
    raw[1, 1], raw[4, 6] = 1.0, 2.0
    first, second = make(raw).boxes(threshold=0.4)
    assert first.score == 1.0
    assert 55 <= first.x0 < first.x1 <= 75
    assert 36 <= first.y0 < first.y1 <= 55
    assert second.score == pytest.approx(0.5, abs=0.02)
    assert make(raw).boxes(threshold=0.4, largest=True) == [first]
    with pytest.raises(WhylightError, match=r"threshold: expected a share of the maximum in \(0, 1\]"):
        make(raw).boxes(threshold=0)


def test_a_map_that_is_the_same_everywhere_points_nowhere() -> None:
    assert make(torch.full((3, 4), 0.7)).boxes() == []
    assert make(torch.full((3, 4), 0.7)).boxes(largest=True) == []


def test_dict_is_json_and_complete() -> None:
    facts = json.loads(json.dumps(make(hot_cell()).to_dict()))
    assert facts["map"] == hot_cell().tolist()
    assert facts["peak"] == [50.0, 30.0]
    assert (facts["label"], facts["target"], facts["probability"], facts["blank"]) == ("tabby", 2, 0.75, False)


def test_npz_holds_the_raw_map(tmp_path: Path) -> None:
    path = make(hot_cell()).to_npz(tmp_path / "map.npz")
    with np.load(path, allow_pickle=False) as archive:
        assert np.array_equal(archive["map"], hot_cell().numpy())
        assert str(archive["label"]) == "tabby"
        assert float(archive["score"]) == 3.25


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.webp", "a.npz"])
def test_save(tmp_path: Path, name: str) -> None:
    path = make(hot_cell()).save(tmp_path / name)
    if path.suffix != ".npz":
        with Image.open(path) as written:
            assert written.size == (80, 60)


@pytest.mark.parametrize("view", ["overlay", "panel", "map"])
@pytest.mark.parametrize(("name", "begins"), [("a.pdf", b"%PDF-"), ("a.SVG", b"<?xml")])
def test_save_for_papers(tmp_path: Path, name: str, begins: bytes, view: View) -> None:
    path = make(hot_cell()).save(tmp_path / name, view=view)
    data = path.read_bytes()
    assert data.startswith(begins)
    assert make(hot_cell()).save(tmp_path / name, view=view).read_bytes() == data
    with pytest.raises(WhylightError, match="view: expected 'overlay', 'panel' or 'map'"):
        make(hot_cell()).save(tmp_path / name, view="side")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a.png", "a.npz", "a.svg", "a.pdf"])
def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, name: str) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    (tmp_path / name).write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, before[1]))
    try:
        with pytest.raises(WriteError, match=rf"{name}: cannot be written: File too large"):
            make(hot_cell()).save(tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (tmp_path / name).read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / name]


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_a_picture_too_wide_for_the_format(tmp_path: Path, name: str) -> None:
    with pytest.raises(WriteError, match=rf"{name}: cannot be written"):
        make(hot_cell(), size=(65_501, 1)).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_save_views(tmp_path: Path) -> None:
    ex = make(hot_cell())
    with Image.open(ex.save(tmp_path / "map.png", view="map")) as grey:
        assert grey.mode == "L"
        assert np.asarray(grey).max() == 255
    with Image.open(ex.save(tmp_path / "panel.png", view="panel")) as panel:
        assert panel.width > 3 * 80
    assert ex._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda ex, tmp: ex.save(tmp / "a.xyz"), r"a.xyz: cannot write .xyz; use .png"),
        (lambda ex, tmp: ex.save(tmp / "no" / "a.png"), r"a.png: cannot be written: No such file"),
        (lambda ex, tmp: ex.to_npz(tmp / "no" / "a.npz"), r"a.npz: cannot be written: No such file"),
        (lambda ex, tmp: ex.save(tmp / "a.png", view="heat"), "view: expected 'overlay', 'panel' or 'map'"),
        (lambda ex, tmp: ex.heatmap(scale="hot"), "scale: expected 'max', 'robust', 'minmax' or a number"),
        (lambda ex, tmp: ex.heatmap(scale=0), "scale: a number must be above 0"),
        (lambda ex, tmp: ex.heatmap(size=(0, 5)), r"size: expected \(height, width\)"),
    ],
)
def test_bad_arguments(call: object, says: str, tmp_path: Path) -> None:
    with pytest.raises(WhylightError, match=says):
        call(make(hot_cell()), tmp_path)  # type: ignore[operator]


def test_robust_scale_lets_one_pixel_in_a_hundred_saturate() -> None:
    values = torch.zeros(20, 20)
    values.view(-1)[:101] = torch.arange(101.0)  # 0 … 100: of the hundred positive ones, one exceeds 99
    values[19, 19] = -50
    ex = make(values, (20, 20), scale="robust")
    heat = ex.heatmap()
    assert float(heat.view(-1)[50]) == pytest.approx(50 / 99.01, rel=1e-4)
    assert float(heat.max()) == 1
    assert float(ex.heatmap(scale="max").view(-1)[50]) == pytest.approx(0.5)
    assert float(heat[19, 19]) == 0


def test_evidence_begins_at_the_level() -> None:
    """RISE: a pixel that does not matter has the mean score, here 0.4; nothing above it is no evidence."""
    values = torch.full((4, 4), 0.4)
    values[1, 2], values[3, 3] = 0.9, 0.1
    ex = make(values, (4, 4), level=0.4)
    heat = ex.heatmap()
    assert float(heat[1, 2]) == 1
    assert float(heat.sum()) == pytest.approx(1)
    assert ex.boxes()[0][:4] == (2, 1, 3, 2)
    assert float(ex.heatmap(scale=1.4)[1, 2]) == pytest.approx(0.5)
    flat = make(torch.full((4, 4), 0.4), (4, 4), level=0.4)
    assert flat.is_blank
    assert not flat.heatmap().any()
    assert flat.boxes() == []


@pytest.mark.parametrize("value", [2.0, 1e-3, 2.0 * (1 + 1e-8)])
def test_a_map_that_is_the_same_everywhere_says_nothing_about_places(value: float) -> None:
    """As a constant picture gives: hot everywhere would read as evidence everywhere, with a peak in the first cell."""
    ex = make(torch.full((3, 4), value))
    assert (ex.flat, ex.is_blank, ex.peak, ex.boxes()) == ("constant", True, None, [])
    assert not ex.heatmap().any()
    assert not ex.heatmap(scale="minmax").any()
    assert ex.overlay().tobytes() == ex.picture.tobytes()
    assert ex.to_dict()["flat"] == "constant"
    assert "blank" in repr(ex)
    assert make(torch.zeros(3, 4)).flat == "blank"
    assert make(torch.tensor([[1.0, 2.0]])).flat == ""
