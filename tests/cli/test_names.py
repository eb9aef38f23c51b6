"""Names that hold what a terminal would obey, or that are not UTF-8: pictures like others, in each verb."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cli.conftest import Run
from cli.forking import Forking

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names in bytes as POSIX has them")

NAMES = (
    *(b"caf\xe9.png", b"\xff\xfe.png", b"red \x1b[31m.png", b"clear\x1b[2J\x07.png"),
    *(b"a\nwhylight: all is well.png", b"b\rc.png", "gnp.\u202ejpg.png".encode(), b"$x_1$ <b>&amp; [a](b) | `c`.png"),
)
CLASS = b"cl\xe4ss \x1b[31m\nwhylight: <b>"


@pytest.fixture(scope="module")
def forking() -> Any:
    with Forking() as server:
        yield server


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, photo: Path) -> Path:
    """A folder `photos`, with a broken picture among them; `people` with two folders of them; boxes; classes."""
    root = tmp_path_factory.mktemp("odd")
    (root / "photos").mkdir()
    with Image.open(photo) as picture:
        for number, name in enumerate(NAMES):
            picture.resize((200 + number, 200)).save(os.fsdecode(os.fsencode(root / "photos") + b"/" + name), "PNG")
            for person in (b"ada\x1b[31m\xe9", b"bob\nwhylight: x"):
                folder = Path(os.fsdecode(os.fsencode(root / "people") + b"/" + person))
                folder.mkdir(parents=True, exist_ok=True)
                if number < 3:
                    at = 12 * number
                    picture.crop((at, at, 512 - at, 512 - at)).save(
                        os.fsdecode(os.fsencode(folder) + b"/" + name), "PNG"
                    )
        for part in ("one", CLASS):
            folder = Path(os.fsdecode(os.fsencode(root / "data") + b"/" + os.fsencode(part)))
            folder.mkdir(parents=True)
            for number, name in enumerate(NAMES):
                picture.rotate(90 * (part == CLASS)).resize((32 + number, 32)).save(
                    os.fsdecode(os.fsencode(folder) + b"/" + name), "PNG"
                )
    (root / "photos" / "broken\x1b[31m\nwhylight: fine.jpg").write_bytes(b"\xff\xd8\xff")
    rows = [f"{name.decode(errors='surrogateescape')}" for name in NAMES if b"\n" not in name and b"\r" not in name]
    quoted = "".join('"{}",face,10,10,60,60\n'.format(name.replace('"', '""')) for name in rows)
    (root / "boxes.csv").write_bytes(("file,label,x0,y0,x1,y1\n" + quoted).encode(errors="surrogateescape"))
    return root


def said(folder: Path) -> str:
    data = (folder / "said.txt").read_bytes()
    text = data.decode()  # whatever is said is UTF-8
    assert not {one for one in text if ord(one) < 32 and one != "\n"} - {"\t"}, text  # and nothing in it acts
    assert "\u202e" not in text
    assert not [
        line
        for line in text.splitlines()
        if line.startswith(("whylight: all", "whylight: fine", "whylight: x", "whylight: <b>"))
    ]
    assert "Traceback" not in text
    return text


COMMANDS: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    "explain": (("explain", "photos", "--save-map", "--json", "lines.jsonl"), (1,)),
    "explain-panel": (("explain", "photos", "--style", "panel", "--target", "face"), (1,)),
    "locate": (
        ("locate", "photos", "--target", "face", "--fast", "--strip", "--also", "coco,yolo,csv", "--json", "-"),
        (1,),
    ),
    "face": (("face", "photos", "--threshold", "0", "--out", "who", "--json", "-"), (1, 3)),
    "enroll": (("face", "enroll", "gallery", "people/*"), (0,)),
    "people": (("face", "people", "gallery"), (0,)),
    "who": (("face", "identify", "people", "--gallery", "gallery", "--threshold", "0", "--out", "named"), (0, 6)),
    "localization": (("evaluate", "localization", "--data", "photos", "--boxes", "boxes.csv"), (0, 1)),
    "faithfulness": (("evaluate", "faithfulness", "--data", "photos", "--measures", "drop", "--out", "judged"), (1,)),
    "calibrate": (
        (
            "calibrate",
            "--model",
            "face",
            "--data",
            "photos",
            "--boxes",
            "boxes.csv",
            "--method",
            "gradcam",
            "--iou",
            "0.05",
            "--save-as",
            "c.safetensors",
        ),
        (0, 1),
    ),
    "train": (
        *(
            (
                "train",
                "data",
                "--arch",
                "test_resnet",
                "--scratch",
                "--size",
                "32",
                "--epochs",
                "1",
                "--out",
                "run",
                "--workers",
                "0",
            ),
        ),
        (0,),
    ),
    "trained": (("explain", "data", "--model", "run", "--out", "by-run"), (0,)),
    "models": (("models", "run"), (0,)),
}


@pytest.mark.long
def test_every_verb_takes_and_tells_odd_names(odd: Path, forking: Forking) -> None:
    for verb, (arguments, codes) in COMMANDS.items():
        spread = [one for a in arguments for one in (map(str, sorted(odd.glob(a))) if a == "people/*" else [a])]
        code = forking.run(odd, *spread)
        text = said(odd)
        assert code in codes, f"{verb}: {text}"
        if verb == "explain":
            assert "caf\\xe9.png" in text or "8 explanations" in text
            lines = [json.loads(line) for line in (odd / "lines.jsonl").read_text().splitlines()]
            assert {os.fsencode(Path(line["picture"]).name) for line in lines} == {*NAMES}
            assert all((odd / line["file"]).is_file() and (odd / line["map"]).is_file() for line in lines)
            assert forking.run(odd, *arguments) == 1
            assert "8 done before" in said(odd)  # and they are found again
    card = (odd / "run" / "card.md").read_text()
    assert "\\<b\\>" in card
    assert "\x1b" not in card
    for page in (odd / "evaluation" / "report.html", odd / "judged" / "report.html"):
        assert "\x1b" not in page.read_text()


def test_a_name_that_is_not_there_is_spelled_out(run: Run) -> None:
    outcome = run("explain", "no\x1b[31m\nwhylight: such.jpg")
    assert outcome.code == 2
    (line,) = outcome.err.splitlines()
    assert line.startswith("whylight: no\\x1b[31m\\nwhylight: such.jpg: ")
