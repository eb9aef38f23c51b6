"""The viewer for notebooks: what it hands over, what it answers, and what its script draws in a real browser."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import whylight
from nets import gap_net
from whylight.errors import WhylightError
from whylight.explanation.viewing import SIDE, class_names, over
from whylight.models.model import Model
from whylight.render.colormap import table
from whylight.render.fit import fit

pytest.importorskip("anywidget", reason="the viewer needs the extra `notebook`")
HOSTILE = "<img src=x onerror=alert(1)>"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def model() -> Model:
    torch.manual_seed(0)
    return whylight.wrap(gap_net(), classes=["cat", HOSTILE, "car"], size=32)


@pytest.fixture
def viewer(model: Model, photo: Path) -> Any:
    return whylight.explain(model, photo, methods=["gradcam", "layercam"], targets=["cat", HOSTILE]).view(alpha=0.8)


def shown(ex: whylight.Explanation, alpha: float) -> np.ndarray:
    """An explanation as the viewer is to draw it."""
    return np.asarray(over(ex, fit(ex.picture, SIDE)).overlay(alpha=alpha))


def test_what_it_hands_over_is_what_the_overlay_is_made_of(viewer: Any) -> None:
    (picture,) = viewer.pictures
    assert (picture["width"], picture["height"], picture["short"]) == (SIDE, SIDE, "astronaut.jpg")
    assert [(one["method"], one["label"]) for one in viewer.maps] == [
        (method, label) for method in ("gradcam", "layercam") for label in ("cat", HOSTILE)
    ]
    assert viewer.alpha == 0.8
    blends = np.frombuffer(viewer.blends, np.uint8).reshape(21, 256, 4).astype(float)
    assert np.array_equal(np.frombuffer(viewer.colours, np.uint8).reshape(256, 3), table("plasma"))
    pixels = np.asarray(fit(viewer.explanations[0].picture, SIDE)).astype(float)
    for ex, one in zip(viewer.explanations, viewer.maps, strict=True):
        steps = np.frombuffer(one["steps"], np.uint8).reshape(SIDE, SIDE)
        for alpha in (0.0, 0.5, 1.0):
            blend = blends[round(alpha * 20)][steps]
            made = np.rint(pixels * blend[..., 3:] / 255) + blend[..., :3]
            assert np.abs(made - shown(ex, alpha)).max() <= 1


def test_a_class_that_was_not_asked_for_is_asked_of_the_model(viewer: Any, model: Model, photo: Path) -> None:
    told: list[Any] = []
    viewer.send = told.append
    assert viewer.classes == [["cat", HOSTILE, "car"]]
    viewer._asked(viewer, {"ask": 2, "of": 2}, [])
    assert told == [{"done": "car"}]
    assert viewer.chosen == 4
    assert (viewer.maps[4]["label"], viewer.maps[4]["method"]) == ("car", "layercam")
    wanted = whylight.explain(model, photo, method="layercam", target="car")
    torch.testing.assert_close(viewer.explanations[4].map, wanted.map)
    assert len(viewer.pictures) == 1


@pytest.mark.parametrize(
    "content", [None, 3, [], {}, {"ask": "car", "of": 0}, {"ask": 1}, {"ask": 1, "of": 9}, {"ask": True, "of": 0}]
)
def test_what_is_no_question_is_refused(viewer: Any, content: Any) -> None:
    told: list[Any] = []
    viewer.send = told.append
    viewer._asked(viewer, content, [])
    assert told == [{"failed": "this is not a question that the viewer asks"}]
    assert len(viewer.maps) == 4


def test_what_the_model_says_no_to_is_told(viewer: Any) -> None:
    told: list[Any] = []
    viewer.send = told.append
    viewer._asked(viewer, {"ask": 99, "of": 0}, [])
    assert "99" in told[0]["failed"]
    assert len(viewer.maps) == len(viewer.explanations) == 4


def test_an_explanation_shows_a_viewer_and_its_panel(model: Model, photo: Path) -> None:
    ex = whylight.explain(model, photo)
    data, _ = ex._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert ex._repr_png_().startswith(b"\x89PNG")
    formatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    bundle, _ = formatter.format(ex)
    assert {"application/vnd.jupyter.widget-view+json", "image/png"} <= set(bundle)


@pytest.mark.long
def test_without_anywidget_there_is_the_panel_and_a_way_on(photo: Path) -> None:
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "import whylight; from nets import gap_net\n"
        "model = whylight.wrap(gap_net(), size=32); ex = whylight.explain(model, sys.argv[1])\n"
        "try: ex.view()\n"
        "except whylight.errors.WhylightError as error: print(error)\n"
    )
    run = [sys.executable, "-c", code, str(photo)]
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    said = subprocess.run(run, capture_output=True, text=True, check=True, env=environment).stdout
    assert said == ("view: the viewer needs anywidget, which is not installed: pip install 'whylight[notebook]'\n")


def test_mistakes(model: Model, photo: Path) -> None:
    ex = whylight.explain(model, photo)
    with pytest.raises(WhylightError, match="alpha is an opacity from 0"):
        ex.view(alpha=3)
    with pytest.raises(WhylightError, match="colormap 'plasmo' is not known"):
        ex.view(colormap="plasmo")
    with pytest.raises(WhylightError, match="view: there are no explanations to show"):
        whylight.view([])
    assert class_names(["a\nb", "cat", "cat"]) == ["a\\nb", "cat [1]", "cat [2]"]


def test_several_pictures_are_each_handed_over_once(model: Model, photo: Path) -> None:
    ex = whylight.explain(model, photo)
    other = whylight.explain(model, ex.picture.rotate(90))
    again = whylight.explain(model, photo, target="car")
    viewer = whylight.view([ex, other, again])
    assert [one["picture"] for one in viewer.maps] == [0, 1, 0]


PAGE = Path(__file__).with_name("viewer_page.html")


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which is not on this machine, to run the viewer's script")
def test_the_script_draws_the_overlay_in_a_browser(viewer: Any, tmp_path: Path) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items()}
        return [plain(one) for one in value] if isinstance(value, list) else value

    names = ("pictures", "maps", "classes", "blends", "colours", "chosen", "alpha")
    state = json.dumps({name: plain(getattr(viewer, name)) for name in names})
    page = (
        PAGE.read_text(encoding="utf-8")
        .replace("STATE", state.replace("<", "\\u003c"))
        .replace("TEXT", json.dumps(viewer._esm).replace("<", "\\u003c"))
    )
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    assert CHROMIUM is not None
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    command = [CHROMIUM, *options, "--virtual-time-budget=100000", (tmp_path / "page.html").as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    match = re.search("&lt;&lt;&lt;(.+)&gt;&gt;&gt;", dom)
    assert match is not None, dom[-2000:]
    out = json.loads(base64.b64decode(match[1]))
    first, faint, last = out["found"]
    for found, place, alpha in ((first, 0, 0.8), (faint, 0, 0.2), (last, 3, 0.2)):
        drawn = np.frombuffer(base64.b64decode(found["pixels"]), np.uint8).reshape(-1, 3)
        wanted = shown(viewer.explanations[place], alpha).reshape(-1, 3)[::10]
        assert np.abs(drawn.astype(int) - wanted).max() <= 1
    assert last["label"] == HOSTILE
    assert last["aria"].startswith(HOSTILE)
    assert out["images"] == 0, "names are text, whatever they say"
    assert out["names"] == ["Method", "Class", "Opacity", "Other class"]
    assert out["says"] == [
        ["The model has no class called a horse.", 3],
        ["", 2],
        ["Asking the model about car …", 2],
        ["That failed: <b>no</b>", 2],
    ]
    assert out["sent"] == [{"ask": 2, "of": 2}]


def test_script_and_styles_are_in_the_wheel_and_load_nothing(root: Path, tmp_path: Path) -> None:
    hatchling = pytest.importorskip("hatchling.builders.wheel", reason="needs hatchling to build a wheel")
    (built,) = hatchling.WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    names = zipfile.ZipFile(built).namelist()
    for name in ("viewer.js", "viewer.css"):
        assert f"whylight/explanation/{name}" in names
        text = (root / "src" / "whylight" / "explanation" / name).read_text(encoding="utf-8")
        assert not re.search(r"https?:|\beval\b|innerHTML|@import|\burl\(|new Function", text)
