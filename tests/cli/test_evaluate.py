"""`whylight evaluate localization` and `whylight calibrate` from files to files: what is written and said, and bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Run
from whylight.models.zoo.files import read_spec

HEADER = "file,label,x0,y0,x1,y1"


@pytest.fixture
def boxes(pictures: Path, tmp_path: Path) -> Path:
    """Boxes on the three pictures (120 × 90, 90 × 120, 64 × 64) and on the broken one."""
    lines = ["a.jpg,face,40,10,80,60", "b.png,face,10,10,80,100", "b.png,0,0,0,20,20", "more/a.jpg,no face,8,8,56,56"]
    path = tmp_path / "boxes.csv"
    path.write_text("\n".join([HEADER, *lines, "broken.jpg,face,1,1,9,9"]) + "\n")
    return path


def evaluate(run: Run, model: str, boxes: Path, *more: object) -> tuple[int, str, str]:
    common = ("--model", model, "--data", "photos", "--boxes", boxes, "--out", "out/")
    outcome = run("evaluate", "localization", *common, *more)
    return outcome.code, outcome.out, outcome.err


def test_figures_report_and_a_broken_picture(run: Run, model: str, boxes: Path) -> None:
    code, out, err = evaluate(
        run, model, boxes, "--methods", "gradcam,layercam", "--target", "both", "--threshold", "0.4"
    )
    assert code == 1
    (error,) = [json.loads(line) for line in Path("out/errors.jsonl").read_text().splitlines()]
    assert error["picture"] == "photos/broken.jpg"
    assert err.startswith("whylight: photos/broken.jpg: ")
    for words in (
        "MaxBoxAcc (IoU 0.5), higher is better",
        "Box accuracy at 0.40",
        "Top-1 accuracy",
        "centred blob",
        "random 7 × 7 map",
    ):
        assert words in out
    last = out.splitlines()[-1]
    assert last.startswith("3 pictures; 1 failed, see out/errors.jsonl, limited by ")
    assert last.endswith(" → out/report.html")
    found = json.loads(Path("out/results.json").read_text(encoding="utf-8"))
    assert found["pictures"] == 3
    assert {cell["method"] for cell in found["cells"]} == {"gradcam", "layercam", "centred blob", "random 7 × 7 map"}
    assert all(cell["value"]["n"] == 3 for cell in found["cells"])
    assert found["protocol"]["layer"]
    assert "<svg" in Path("out/report.html").read_text(encoding="utf-8")
    assert not list(Path("out").glob(".*"))  # the lock is gone


def test_json_alone_on_stdout(run: Run, model: str, boxes: Path) -> None:
    Path("photos/broken.jpg").unlink()
    boxes.write_text(boxes.read_text().replace("broken.jpg,face,1,1,9,9\n", ""))
    code, out, err = evaluate(run, model, boxes, "--json", "-")
    assert code == 0
    assert json.loads(out) == json.loads(Path("out/results.json").read_text(encoding="utf-8"))
    assert "MaxBoxAcc" in err


def test_one_picture_only(run: Run, model: str, boxes: Path) -> None:
    boxes.write_text(f"{HEADER}\na.jpg,face,40,10,80,60\n")
    code, out, _ = evaluate(run, model, boxes)
    assert code == 0
    assert out.startswith("One picture only: there is no interval")
    assert "…" not in out.replace("within one point", "").split("elsewhere")[0].split("\n\n")[1]


def test_a_second_run_measures_nothing_and_other_settings_are_refused(run: Run, model: str, boxes: Path) -> None:
    evaluate(run, model, boxes)
    lines = Path("out/pictures.jsonl").read_bytes()
    first = Path("out/results.json").read_bytes()
    assert evaluate(run, model, boxes)[0] == 1
    assert Path("out/pictures.jsonl").read_bytes() == lines
    assert Path("out/results.json").read_bytes() == first
    code, _, err = evaluate(run, model, boxes, "--tolerance", "3")
    assert code == 2
    assert err.startswith(
        "whylight: out: holds results with another setting, tolerance: 15.0 there, 3.0 now. Choose another --out"
    )
    assert evaluate(run, model, boxes, "--tolerance", "3", "--overwrite")[0] == 1
    assert "Pointing game (3 px)" in Path("out/results.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "a.jpg,face,40,10,80,160",
            "boxes.csv, line 2: the box (40, 10, 80, 160) of a.jpg reaches out of the picture, which has 120 × 90",
        ),
        ("a.jpg,face,80,10,40,60", "boxes.csv, line 2: the box (80, 10, 40, 60) of a.jpg is inverted or empty"),
        ("none.jpg,face,1,1,2,2", "boxes.csv, line 2: there is no file none.jpg in photos"),
        ("a.jpg,cat,1,1,2,2", "boxes.csv, line 2: label 'cat' is no class of this model. Near it: face"),
        ("", "boxes.csv: it holds no boxes, only a header; give the CSV that belongs to these pictures"),
    ],
)
def test_bad_boxes(run: Run, model: str, boxes: Path, line: str, words: str) -> None:
    boxes.write_text(f"{HEADER}\n{line}\n")
    code, out, err = evaluate(run, model, boxes)
    assert (code, out) == (2, "")
    assert words.replace("Near it: face", "") in err
    assert not Path("out").exists()  # nothing is left behind


def test_a_mask_of_another_size(run: Run, model: str, boxes: Path) -> None:
    Path("masks").mkdir()
    Image.fromarray(np.ones((9, 12), np.uint8)).save("masks/a.png")
    code, _, err = evaluate(run, model, boxes, "--masks", "masks")
    assert code == 2
    assert (
        "masks/a.png: this mask has 12 × 9 pixels, and its picture a.jpg has 120 × 90; make them the same size" in err
    )
    Image.fromarray(np.pad(np.full((40, 60), 255, np.uint8), ((20, 30), (30, 30)))).save("masks/a.png")
    code, out, _ = evaluate(run, model, boxes, "--masks", "masks")
    assert code == 1
    assert "PxAP, higher is better" in out
    assert "1 picture with a mask" in out


def test_maps_that_show_nothing(run: Run, model: str, boxes: Path) -> None:
    """Without positive evidence there is no box, and the report says so: a network that sees black as nothing."""
    boxes.write_text(f"{HEADER}\n" + "".join(f"a.jpg,{label},1,1,50,50\n" for label in ("face", "no face", "2")))
    code, out, _ = evaluate(run, model, boxes, "--methods", "gradcam")
    assert code == 0
    assert "Maps that show nothing, lower is better" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--target", "best"], "--target 'best': choose one of true, predicted, both"),
        (["--precision", "fp8"], "--precision 'fp8': choose one of auto, fp32, bf16"),
        (["--methods", "gradcan"], "method 'gradcan' is not known. Near it: gradcam"),
        (["--methods", "legrad"], "needs attention over all places"),
        (
            ["--threshold", "0.123"],
            "--threshold: expected a share of the maximum above 0, up to 1, in steps of 0.01; got 0.123",
        ),
        (["--label", "cat"], "label 'cat' is no class of this model"),
        (["--masks", "nowhere"], "nowhere: no such folder of masks"),
        (["--option", "rise.masks=9"], "method 'rise' is not among those asked for: gradcam"),
    ],
)
def test_bad_usage(run: Run, model: str, boxes: Path, options: list[str], words: str) -> None:
    code, out, err = evaluate(run, model, boxes, *options)
    assert (code, out) == (2, "")
    assert words in err


def test_without_annotations(run: Run, model: str, good: Path) -> None:
    outcome = run("evaluate", "localization", "--model", model, "--data", good)
    assert outcome.code == 2
    assert "nothing is annotated" in outcome.err


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.long
def test_a_killed_run_goes_on(run: Run, model: str, good: Path, tmp_path: Path) -> None:
    names = [f"{number:03}.jpg" for number in range(30)]
    for name in names:
        shutil.copy(good / "a.jpg", good / name)
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("\n".join([HEADER, *(f"{name},face,40,10,80,60" for name in names)]) + "\n")
    arguments = [
        "evaluate",
        "localization",
        "--model",
        model,
        "--data",
        "photos",
        "--boxes",
        str(boxes),
        "--batch-size",
        "4",
    ]
    main = [sys.executable, "-c", "from whylight.cli import main; main()"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([*main, *arguments, "--out", "out"], **quiet)
    path, deadline = Path("out/pictures.jsonl"), time.monotonic() + 120
    while not (path.exists() and path.read_bytes().count(b"\n") > 6):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    kept = path.read_bytes()
    whole = kept[: kept.rfind(b"\n") + 1]
    assert 6 < whole.count(b"\n") < 1 + 3 * len(names)
    assert run(*arguments, "--out", "out").code == 0
    assert path.read_bytes().startswith(whole)  # nothing of it was measured again
    assert path.read_bytes().count(b"\n") == 1 + 3 * len(
        names
    )  # the header; the method and two baselines for each picture
    assert run(*arguments, "--out", "fresh").code == 0
    assert json.loads(Path("out/results.json").read_text()) == json.loads(Path("fresh/results.json").read_text())


def calibrate(run: Run, model: str, boxes: Path, *more: object) -> tuple[int, str, str]:
    # Whatever the weights, LayerCAM has evidence: the channels that speak for a class.
    method = () if "--method" in more else ("--method", "layercam")
    outcome = run("calibrate", "--model", model, "--data", "photos", "--boxes", boxes, *method, *more)
    return outcome.code, outcome.out, outcome.err


def test_calibrate_stores_the_threshold_and_evaluate_takes_it(run: Run, model: str, good: Path, boxes: Path) -> None:
    shutil.copy(model, "net.safetensors")
    boxes.write_text(f"{HEADER}\na.jpg,face,0,0,120,90\nb.png,face,0,0,90,110\n")
    code, out, err = calibrate(run, "net.safetensors", boxes, "--json", "found.json")
    assert (code, err) == (0, "")
    stored = read_spec("net.safetensors").localization
    assert stored is not None
    assert (stored["method"], stored["iou"], stored["pictures"]) == ("layercam", 0.5, 2)
    assert out.splitlines()[0].startswith(
        f"threshold {stored['threshold']:.2f}: {stored['accuracy']:.1f} % of 2 pictures"
    )
    assert out.splitlines()[-1] == "stored in net.safetensors"
    assert json.loads(Path("found.json").read_text())["threshold"] == stored["threshold"]
    _, out, _ = evaluate(run, "net.safetensors", boxes, "--methods", "gradcam,layercam")
    (line,) = [
        line
        for line in out.split(f"Box accuracy at {stored['threshold']:.2f}")[1].split("\n\n")[0].splitlines()
        if "layercam" in line
    ]
    assert f"{stored['accuracy']:.1f} %" in line
    assert "gradcam" not in out.split("Box accuracy at")[1].split("\n\n")[0]  # it was chosen for layercam


def test_locate_is_counted_at_its_own_threshold(run: Run, model: str, good: Path, boxes: Path) -> None:
    """That of `locate` where nothing was calibrated; not where its maps are made otherwise."""
    from whylight import load
    from whylight.localize.locator import default_locator

    boxes.write_text(f"{HEADER}\na.jpg,face,0,0,120,90\nb.png,face,0,0,90,110\n")
    own = default_locator(load(model), fast=True).threshold
    code, out, _ = evaluate(run, model, boxes, "--methods", "locate-fast,gradcam")
    assert code == 0
    rows = out.split(f"Box accuracy at {own:.2f}")[1].split("\n\n")[0]
    assert "locate-fast" in rows
    assert "gradcam" not in rows
    _, out, _ = evaluate(run, model, boxes, "--methods", "locate-fast", "--flip", "--overwrite")
    assert "Box accuracy at" not in out
    _, out, _ = evaluate(run, model, boxes, "--methods", "locate-fast", "--threshold", "0.3", "--overwrite")
    assert "Box accuracy at 0.30" in out
    assert f"Box accuracy at {own:.2f}" not in out


def test_calibrate_leaves_what_is_not_the_users_alone(run: Run, model: str, good: Path, boxes: Path) -> None:
    boxes.write_text(f"{HEADER}\na.jpg,face,0,0,120,90\n")
    for name, words in [
        (
            "face",
            "face is bundled with whylight, and stays as it is: --save-as FILE.safetensors makes a copy with a threshold",
        ),
        ("test_resnet", "test_resnet is not a file of yours: --save-as FILE.safetensors makes one of it"),
        ("net.onnx", "a graph has no room for a threshold"),
    ]:
        code, out, err = calibrate(run, name, boxes, "--no-pretrained")
        assert (code, out) == (2, "")
        assert words in err
    code, out, _ = calibrate(run, model, boxes, "--save-as", "copy.safetensors")
    assert code == 0
    assert out.splitlines()[-1] == "stored in copy.safetensors"
    assert read_spec("copy.safetensors").localization is not None
    assert read_spec(model).localization is None
    code, _, err = calibrate(run, model, boxes, "--save-as", "copy.safetensors")
    assert code == 2
    assert "--save-as copy.safetensors: there is such a file already; choose another name" in err


def test_calibrate_makes_a_file_of_a_zoos_model(run: Run, good: Path, boxes: Path) -> None:
    boxes.write_text(f"{HEADER}\na.jpg,7,0,0,120,90\nb.png,7,0,0,90,120\n")
    code, _, err = calibrate(run, "test_resnet", boxes, "--no-pretrained", "--save-as", "new.safetensors")
    assert (code, err) == (0, "")
    spec = read_spec("new.safetensors")
    assert spec.arch == "test_resnet"
    assert spec.localization is not None
    assert evaluate(run, "new.safetensors", boxes)[0] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--iou", "1.5"], "--iou 1.5: expected an overlap above 0, up to 1"),
        (["--method", "gradcam,cam"], "--method gradcam,cam: a threshold is chosen for one method; name one"),
        (["--save-as", "new.pth"], "--save-as new.pth: the file must be called ….safetensors"),
        (["--iou", "1"], "at no threshold does any of the 3 pictures have a box with IoU 1: choose another --method"),
    ],
)
def test_calibrate_bad_usage(run: Run, model: str, good: Path, boxes: Path, options: list[str], words: str) -> None:
    boxes.write_text(f"{HEADER}\na.jpg,face,40,10,80,60\nb.png,face,10,10,80,100\nmore/a.jpg,face,8,8,56,56\n")
    code, out, err = calibrate(run, model, boxes, *options)
    assert (code, out) == (2, "")
    assert words in err
