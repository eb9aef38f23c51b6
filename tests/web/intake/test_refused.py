"""What is not taken: each time one sentence, one status, and a folder as it was before."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile import MOST, good, lying_sizes, notes_of_jpeg, scene
from pictures import encoded, png, progressive
from whylight.web.intake import Decoders, Refused, sniff


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"", 400, "the file is empty"),
        (b"dear diary", 415, "this is not a picture; send a JPEG, PNG or WebP instead"),
        (good()["baseline.jpg"][:900], 400, "damaged or cut short"),
        (good()["baseline.jpg"] + bytes(MOST), 413, "the file has more than 20 MB"),
        (encoded(scene(9, 9), "GIF"), 415, "this is a GIF; send a JPEG, PNG or WebP instead"),
        (b"\xef\xbb\xbf \n<?xml version='1.0'?><svg/>", 415, "a drawing in SVG"),
        (b"<!doctype HTML><p>", 415, "a web page"),
        (b"%PDF-1.7\n" + good()["baseline.jpg"], 415, "a PDF document"),
        (b"\0\0\0\x18ftypheic" + bytes(12), 415, "a HEIC picture, as iPhones take them"),
        (encoded(scene(9, 9), "TIFF"), 415, "a TIFF"),
        (dict(lying_sizes())["png 4001 4000 8 2"], 413, "16.0 million pixels, above the limit of 16.0 million"),
        (dict(lying_sizes())["png 2147483648 1 8 2"], 413, "2,147.5 million pixels, above the limit of 16.0 million"),
        (png(100_001, 1), 413, "a side is above the limit of 100,000 pixels"),
        (progressive(64, 200), 413, "goes over its picture more than 100 times"),
        (dict(notes_of_jpeg())["exif, 100 parts"], 413, "more than 4 MB of EXIF data"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_sentence_and_a_status(data: bytes, status: int, words: str, decoders: Decoders, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        decoders.upright(data, tmp_path, view=True)
    text = str(caught.value)
    assert caught.value.status == status
    assert words in text
    assert text[0].islower()
    assert not text.endswith(".")
    assert not any(word in text for word in ("<bytes>", "--", "python", "whylight"))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_gone_is_not_the_senders_fault(decoders: Decoders, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="could not be stored") as caught:
        decoders.upright(good()["colour.png"], tmp_path / "gone", view=True)
    assert caught.value.status == 503


def test_what_cannot_take_its_name_is_taken_back(decoders: Decoders, tmp_path: Path) -> None:
    (tmp_path / "picture.ppm").mkdir()
    with pytest.raises(Refused, match="could not be stored"):
        decoders.upright(good()["colour.png"], tmp_path, view=True)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.ppm"]


def test_frames_are_held_against_a_limit_of_their_own(decoders: Decoders) -> None:
    with pytest.raises(Refused, match=r"above the limit of 1\.0 million") as caught:
        decoders.pixels(png(1001, 1000), longest=320)
    assert caught.value.status == 413
    larger = decoders.pixels(encoded(scene(1600, 1200), "JPEG"), longest=2000)
    assert (larger.width, larger.height) == (800, 600)


@pytest.mark.parametrize("name", good())
def test_kinds_are_told_by_content(name: str) -> None:
    kind = {"jpg": "jpeg"}.get(name.rpartition(".")[2], name.rpartition(".")[2])
    assert sniff(good()[name][:12]) == kind
    assert sniff(good()[name][:2]) is None
    assert sniff(b" " + good()[name]) is None
