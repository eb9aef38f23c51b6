"""PDF and SVG: words stay words, pictures stay pixels, nothing in a name acts, and the same page is the same bytes."""

from __future__ import annotations

import base64
import io
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from whylight.render import document

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"


def parts(**more: Any) -> dict[str, Any]:
    noise = np.random.default_rng(0).integers(0, 255, (600, 900, 3), np.uint8)
    picture = Image.fromarray(noise)
    shown = {"title": "tabby, 97.3 %", "subtitle": "gradcam · cat.jpg", "bar_label": "logit", "limits": (0.0, 7.3)}
    return {"picture": picture, "heat": np.eye(600, 900), "overlay": picture, **shown, **more}


def pictures_in(svg: bytes) -> list[Image.Image]:
    links = [one.attrib[LINK] for one in ET.fromstring(svg).iter(f"{SVG}image")]
    return [Image.open(io.BytesIO(base64.b64decode(link.partition("base64,")[2]))) for link in links]


def test_words_of_an_svg_are_text_and_pictures_have_more_pixels_than_a_panel() -> None:
    svg = document("svg", parts())
    words = ["".join(one.itertext()) for one in ET.fromstring(svg).iter(f"{SVG}text")]
    assert {"tabby, 97.3 %", "gradcam · cat.jpg", "picture", "map", "map over picture", "logit", "6"} <= set(words)
    assert b"sans-serif" in svg  # where DejaVu Sans is not there
    first, heat, over, bar = pictures_in(svg)
    assert first.size == heat.size == over.size == (900, 600)  # all there are; a panel shows 420 by 280
    assert np.array_equal(np.asarray(first.convert("RGB"))[::1], np.asarray(parts()["picture"])) or np.array_equal(
        np.asarray(first.convert("RGB"))[::-1], np.asarray(parts()["picture"])
    )
    assert bar.size == (1, 256)


def test_words_of_a_pdf_are_in_fonts_that_are_in_it() -> None:
    pdf = document("pdf", parts())
    assert pdf.startswith(b"%PDF-")
    fonts = re.findall(
        rb"/Subtype /(CIDFontType2|Type0|TrueType|Type3) /BaseFont /[A-Z]{6}\+(\S+)|/Subtype /(Type3)", pdf
    )
    assert {name.decode() for _, name, _ in fonts} == {"DejaVuSans", "DejaVuSans-Bold"}
    assert b"/FontFile2" in pdf
    assert not [kind for kind, _, outlines in fonts if outlines or kind == "Type3"]  # what journals refuse
    assert re.findall(rb"/Width (\d+)", pdf).count(b"900") == 3
    assert b"CreationDate" not in pdf


@pytest.mark.parametrize("kind", ["pdf", "svg"])
def test_the_same_page_is_the_same_bytes(kind: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: document(kind, parts()), range(4)))
    assert len(set(made)) == 1
    assert document(kind, parts(title="dog")) != made[0]
    assert (mpl.rcParams["pdf.fonttype"], mpl.rcParams["svg.fonttype"]) == (
        3,
        "path",
    )  # nobody else's settings were changed


@pytest.mark.parametrize("kind", ["pdf", "svg"])
@pytest.mark.parametrize(
    "title",
    [
        "<script>alert(1)</script> & 'x' \"y\"",
        "US$ / AU$ $x_1$",
        pytest.param(r"\frac{a}{b} (c) \) Tj", marks=pytest.mark.long),
        "猫, кошка, \x1b[31m",
        pytest.param("]]>", marks=pytest.mark.long),
        pytest.param("", marks=pytest.mark.long),
    ],
)
def test_names_mean_nothing_in_it(kind: str, title: str) -> None:
    data = document(kind, parts(title=title, subtitle=title, blank="no positive evidence"))
    if kind == "svg":
        tree = ET.fromstring(data)
        assert not list(tree.iter(f"{SVG}script"))
        if title.isascii() and title.isprintable() and title:
            assert title in ["".join(one.itertext()) for one in tree.iter(f"{SVG}text")]
    else:
        assert data.rstrip().endswith(b"%%EOF")


@pytest.mark.parametrize("size", [(1, 1), (3000, 40), (64, 900)])
def test_a_picture_alone_is_a_page_of_its_shape(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, (30, 200, 30))
    (inside,) = pictures_in(document("svg", picture))
    assert inside.size == size
    assert inside.convert("RGB").getextrema() == ((30, 30), (200, 200), (30, 30))
    pdf = document("pdf", picture)
    assert f"/Width {size[0]}".encode() in pdf
    assert f"/Height {size[1]}".encode() in pdf
    streams = [zlib.decompress(one) for one in re.findall(rb"stream\r?\n(x.+?)\r?\nendstream", pdf, re.DOTALL)]
    assert streams  # each of them whole
