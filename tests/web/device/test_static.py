"""The page that `whylight export --web` writes, in a real browser whose camera shows a test picture that moves."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import whylight
from web_device import NAMES, Static, more, opened, shown, started
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.exported import Exported

# The worker alone, asked as the page asks it: what it says of a picture at an address, for a class.
_LOOK = """async ([url, target]) => {
  const told = await (await fetch('model.json')).json();
  const worker = new Worker('worker.js', { type: 'module' });
  const ask = (question, handed = []) => new Promise((done, failed) => {
    worker.onmessage = ({ data }) => (data.wrong ? failed(new Error(data.wrong)) : done(data.answer));
    worker.postMessage(question, handed);
  });
  await ask({ kind: 'load', by: 'wasm', graph: new URL(told.graph, document.baseURI).href, told });
  const picture = await createImageBitmap(await (await fetch(url)).blob(), { colorSpaceConversion: 'none' });
  const seen = await ask({ kind: 'look', picture, target }, [picture]);
  worker.terminate();
  return { ...seen, map: seen.map.map((row) => Array.from(row)) };
}"""
_PREPARED = """async ([url, ways]) => {
  const { prepared, region } = await import(new URL('prepare.js', document.baseURI).href);
  const picture = await createImageBitmap(await (await fetch(url)).blob(), { colorSpaceConversion: 'none' });
  const { width, height } = picture;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(picture, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const text = (bytes) => btoa(Array.from(bytes, (one) => String.fromCharCode(one)).join(''));
  return ways.map((way) => [text(prepared(data, width, height, way)), region(width, height, way)]);
}"""
LONG = (400, 37)
WAYS = [
    {"interpolation": one, "size": (45, 37), **more}
    for one in ("nearest", "bilinear", "bicubic", "lanczos")
    for more in ({}, {"mode": "crop", "crop_pct": 0.875}, {"size": (300, 280), "mode": "crop", "crop_pct": 1.0})
]


def picture(static: Static, photo: Path, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """A part of the photograph as a PNG beside the page, and its pixels."""
    with Image.open(photo) as file:
        made = file.convert("RGB").crop((100, 40, 100 + size[0], 40 + size[1]))
    made.save(static.folder / "picture.png")
    return np.asarray(made)


@pytest.mark.parametrize(
    "size", [(211, 302), *(pytest.param(one, marks=pytest.mark.long) for one in ((64, 48), (280, 300), LONG))]
)
def test_pictures_are_prepared_to_the_byte_as_pillow_does(
    static: Static, visitor: Any, photo: Path, size: tuple[int, int]
) -> None:
    pixels = picture(static, photo, size)
    plain = [Preprocess(mean=(0, 0, 0), std=(1, 1, 1), **way) for way in WAYS]  # type: ignore[arg-type]
    visitor.goto(static.url)
    found = visitor.evaluate(_PREPARED, ["picture.png", [one.to_dict() for one in plain]])
    for one, (made, region) in zip(plain, found, strict=True):
        wanted = (one(Image.fromarray(pixels)).permute(1, 2, 0).numpy() * 255).round().astype(int)
        found_pixels = np.frombuffer(base64.b64decode(made), np.uint8).reshape(wanted.shape).astype(int)
        if size == LONG:  # of so long a picture, Pillow scales the part that is kept, which may round otherwise
            assert one.interpolation == "nearest" or np.abs(found_pixels - wanted).max() <= 1, one
        else:
            assert np.array_equal(found_pixels, wanted), one
        x0, y0, x1, y1 = one.region(size)
        assert region == pytest.approx([x0 / size[0], y0 / size[1], x1 / size[0], y1 / size[1]], abs=1e-12)


@pytest.mark.parametrize("target", ["", "1"])
def test_logits_and_maps_are_the_exported_models(static: Static, visitor: Any, photo: Path, target: str) -> None:
    """To 0.0001 of the largest value: two runtimes add up in another order, the pictures are the same to the byte."""
    pixels = picture(static, photo, (123, 97))
    model = whylight.load(static.folder / "model.onnx")
    assert isinstance(model, Exported)
    logits, maps = model.see(pixels)
    visitor.goto(static.url)
    seen = visitor.evaluate(_LOOK, ["picture.png", target])
    index = int(target) if target else int(logits.argmax())
    assert (seen["target"], seen["label"]) == (index, NAMES[index])
    np.testing.assert_allclose(seen["map"], maps[index], atol=1e-4 * np.abs(maps).max())
    assert seen["score"] == pytest.approx(logits[index], abs=1e-4 * float(np.abs(logits).max()))
    shares = torch.from_numpy(logits).softmax(0)
    assert seen["probability"] == pytest.approx(float(shares[index]), abs=1e-4)
    assert [one["target"] for one in seen["top"]] == shares.argsort(descending=True).tolist()


def test_maps_come_and_nothing_goes(static: Static, visitor: Any) -> None:
    started(visitor, static.url)
    asked, count = len(static.asked), shown(visitor)
    visitor.context.set_offline(True)
    more(visitor, count + 10)
    visitor.wait_for_timeout(1000)
    assert static.asked[asked:] == []
    assert int(visitor.inner_text("[data-rate]")) > 0
    assert visitor.inner_text("[data-verdict]").rpartition(" ")[0].rpartition(" ")[0] in NAMES
    assert "stay on this device" in visitor.inner_text("main")
    assert visitor.title() == "a <b>small</b> one · whylight"
    assert visitor.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_picture_and_a_class(static: Static, visitor: Any, photo: Path) -> None:
    visitor.set_viewport_size({"width": 360, "height": 740})
    visitor.goto(static.url)
    opened(visitor, photo)
    assert visitor.evaluate("document.documentElement.scrollWidth <= innerWidth")
    options = visitor.get_by_role("combobox", name="Map for").locator("option")
    assert options.all_inner_texts() == ["surest", *NAMES]
    count = shown(visitor)
    visitor.get_by_role("combobox", name="Map for").select_option(NAMES[2])
    more(visitor, count)
    assert visitor.locator("[data-top] .meant").inner_text().startswith(NAMES[2])
    visitor.wait_for_timeout(300)
    assert shown(visitor) == count + 1  # a picture that stands still is looked at once
    visitor.get_by_role("button", name="Stop").click()
    visitor.get_by_text("Nothing was sent anywhere").wait_for()


def test_a_file_that_is_neither_is_told(static: Static, visitor: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture", encoding="ascii")
    visitor.goto(static.url)
    visitor.set_input_files("[data-file]", str(tmp_path / "notes.txt"))
    visitor.get_by_text("notes.txt: this browser can neither show it as a picture nor play it").wait_for()


def test_without_a_camera_files_can_be_opened(static: Static, visitor: Any, photo: Path) -> None:
    refuse = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotFoundError'));"
    visitor.add_init_script(refuse)
    visitor.goto(static.url)
    visitor.get_by_role("button", name="Start the camera").click()
    visitor.get_by_text("or open a picture or a video instead").wait_for()
    opened(visitor, photo)


@pytest.mark.parametrize("missing", ["WebAssembly", "navigator.gpu"])
def test_what_a_browser_has_not_is_told(static: Static, visitor: Any, missing: str) -> None:
    where, _, name = missing.rpartition(".")
    visitor.add_init_script(f"Object.defineProperty({where or 'window'}, '{name}', {{value: undefined}});")
    visitor.goto(static.url)
    if name == "gpu":
        assert visitor.locator("option[value=webgpu]").is_disabled()
    else:
        visitor.get_by_text("runs no WebAssembly").wait_for()
        assert not visitor.get_by_role("button", name="Start the camera").is_visible()


def test_a_model_that_does_not_come_is_told(static: Static, chromium: Any) -> None:
    context = chromium.new_context(permissions=["camera"])  # its console tells of the failure, rightly
    page = context.new_page()
    page.route("**/model.onnx", lambda route: route.fulfill(status=404, body="no"))
    page.goto(static.url)
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_text("The model cannot be run in this browser: the model did not come (404)").wait_for(timeout=60_000)
    page.unroute("**/model.onnx")
    page.get_by_role("button", name="Start the camera").click()
    more(page)
    context.close()
