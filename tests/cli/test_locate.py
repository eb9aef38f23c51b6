"""`whylight locate` from files to boxes: what is written, what is said, and what happens when it runs again."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import whylight
from cli.conftest import CLASSES, Run


def boxes(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "boxes.jsonl").read_text(encoding="utf-8").splitlines()]


def test_one_picture_is_told_in_one_line(run: Run, photo: Path, tmp_path: Path) -> None:
    outcome = run("locate", photo, "--target", "face", "--out", "out")
    assert outcome.code == 0, outcome.err
    found = whylight.locate(whylight.load("face", device="cpu"), photo, "face")
    first = found.boxes[0]
    (line,) = outcome.out.splitlines()
    assert line.startswith(f"{photo}: {len(found.boxes)} × face at x={first.x0}…{first.x1} y={first.y0}…{first.y1}")
    assert line.endswith("→ out/astronaut.boxes.png")
    (record,) = boxes(tmp_path / "out")
    # The command loads the model again, and two loaded models may round in two ways.
    assert [tuple(box.values()) for box in record["boxes"]] == [
        pytest.approx(tuple(box), abs=1e-4) for box in found.boxes
    ]
    with Image.open(tmp_path / "out" / "astronaut.boxes.png") as drawn:
        assert drawn.size == found.picture.size


def test_every_form_says_the_same(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    outcome = run(
        "locate",
        good,
        "--model",
        model,
        "--out",
        "out",
        "--also",
        "coco,yolo,csv",
        "--json",
        "-",
        "--target",
        1,
        "--min-probability",
        0,
    )
    assert outcome.code == 0, outcome.err
    out = tmp_path / "out"
    told = {Path(record["picture"]).relative_to(good).as_posix(): record["boxes"] for record in outcome.lines}
    assert list(told) == ["a.jpg", "b.png", "more/a.jpg"]
    assert all(told.values())
    coco = json.loads((out / "coco.json").read_text())
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    as_coco = [(names[a["image_id"]], a["bbox"]) for a in coco["annotations"]]
    expected = [
        (picture, [box["x0"], box["y0"], box["x1"] - box["x0"], box["y1"] - box["y0"]])
        for picture, found in told.items()
        for box in found
    ]
    assert as_coco == expected
    with (out / "boxes.csv").open(newline="") as file:
        rows = [(row["file"], int(row["x1"])) for row in csv.DictReader(file)]
    assert rows == [(picture, box["x1"]) for picture, found in told.items() for box in found]
    labels = sorted(path.relative_to(out / "labels").as_posix() for path in (out / "labels").rglob("*.txt"))
    assert labels == ["a.txt", "b.txt", "more/a.txt"]
    assert (out / "classes.txt").read_text().splitlines() == list(CLASSES)
    assert [one["name"] for one in coco["categories"]] == list(CLASSES)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "boxes.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_evaluate_reads_the_csv(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    """Wherever the pictures are named from: the folder, or another run's elsewhere."""
    asked = ("evaluate", "localization", "--model", model, "--boxes", "out/boxes.csv", "--methods", "cam")
    run("locate", good.name, "--model", model, "--target", 1, "--min-probability", 0, "--also", "csv", "--out", "out")
    assert {row["file"] for row in rows(tmp_path / "out")} == {"a.jpg", "b.png", "more/a.jpg"}
    first = run(*asked, "--data", good.name, "--out", "judged", "--json", "-")
    assert first.code == 0, first.err
    assert [one["pictures"] for one in first.lines] == [3]
    other = tmp_path / "elsewhere"
    other.mkdir()
    (good / "b.png").rename(other / "c.png")
    run("locate", other, "--model", model, "--target", 1, "--min-probability", 0, "--also", "csv", "--out", "out")
    for folder, count in ((good, 2), (other, 1)):
        again = run(*asked, "--data", folder, "--out", f"judged-{folder.name}", "--json", "-")
        assert again.code == 0, again.err
        assert [one["pictures"] for one in again.lines] == [count]


def test_forms_hold_the_boxes_of_earlier_runs(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    """Two pictures are called a.jpg, each in a folder that is given by itself."""
    out, asked = (
        tmp_path / "out",
        ("--model", model, "--out", "out", "--also", "coco,yolo,csv", "--min-probability", 0, "--target"),
    )
    run("locate", good / "more", *asked, 1)
    run("locate", good / "a.jpg", good / "b.png", *asked, 2)
    first, second, third = good / "a.jpg", good / "b.png", good / "more" / "a.jpg"

    def found() -> dict[str, str]:
        return {row["file"]: row["label"] for row in rows(out)}

    # The first run's picture lies in another folder than the second's, but below it.
    assert found() == {"a.jpg": CLASSES[2], "b.png": CLASSES[2], "more/a.jpg": "no face"}
    images = json.loads((out / "coco.json").read_text())["images"]
    assert [image["file_name"] for image in images] == list(found())
    run("locate", good / "more", *asked, 1)
    assert found() == {str(first): CLASSES[2], str(second): CLASSES[2], str(third): "no face"}
    for name, number in (("a", "1"), ("a-2", "2"), ("b", "2")):
        lines = (out / "labels" / f"{name}.txt").read_text().splitlines()
        assert {line.split()[0] for line in lines} == {number}
        assert (out / f"{name}.boxes.png").is_file()
    second.unlink()
    run("locate", first, *asked, 2, "--overwrite")
    assert found() == {"a.jpg": CLASSES[2], "more/a.jpg": "no face"}
    assert len(boxes(out)) == 3


@pytest.mark.long
def test_where_the_model_sees_nothing_there_is_nothing_to_locate(run: Run, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "gray").save(tmp_path / "wall.png")
    model = whylight.load("face", device="cpu")
    assert whylight.explain(model, tmp_path / "wall.png").label == "no face"
    outcome = run("locate", "wall.png", "--out", "out", "--strip")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("wall.png: no face: nothing to locate; --target face asks all the same (")
    (record,) = boxes(tmp_path / "out")
    assert (record["label"], record["boxes"], len(record["steps"])) == ("no face", [], 1)
    Image.new("RGB", (64, 64), "white").save(tmp_path / "door.png")
    both = run("locate", "wall.png", "door.png", "--out", "out/", "--strip")
    assert both.out.startswith("0 boxes in 2 pictures (1 done before")
    assert both.out.endswith("→ out/; nothing to locate in 2 (no face; --target asks all the same)\n")
    asked = run("locate", "wall.png", "--target", "no face", "--out", "asked")
    assert "nothing to locate" not in asked.out


def test_one_is_one(run: Run, good: Path, model: str) -> None:
    (good / "more" / "a.jpg").write_bytes(b"broken")
    (good / "b.png").unlink()
    outcome = run(
        "locate", good, "--model", model, "--target", 1, "--min-probability", 0, "--out", "out", "--max-objects", 1
    )
    assert outcome.out.startswith("1 box in 1 picture (")


def test_a_second_run_does_only_what_is_missing(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    run("locate", good / "a.jpg", good / "b.png", "--model", model, "--out", "out")
    stamps = {file: os.stat(file).st_mtime_ns for file in (tmp_path / "out").glob("*.png")}
    outcome = run("locate", good / "a.jpg", good / "b.png", good / "more" / "a.jpg", "--model", model, "--out", "out")
    assert "in 3 pictures (2 done before" in outcome.out
    assert all(os.stat(file).st_mtime_ns == before for file, before in stamps.items())
    other = run("locate", good / "a.jpg", good / "b.png", "--model", model, "--out", "out", "--threshold", "0.9")
    assert "in 2 pictures (0 done before" in other.out


def test_a_broken_picture_does_not_stop_the_others(run: Run, pictures: Path, model: str, tmp_path: Path) -> None:
    outcome = run("locate", pictures, "--model", model, "--out", "out")
    assert outcome.code == 1
    assert "broken.jpg" in outcome.err
    assert "in 3 pictures" in outcome.out
    assert "1 failed, see out/errors.jsonl" in outcome.out
    (error,) = (tmp_path / "out" / "errors.jsonl").read_text().splitlines()
    assert json.loads(error)["kind"] == "ImageError"


def test_results_among_the_pictures_are_not_searched(run: Run, good: Path, model: str) -> None:
    run("locate", good, "--model", model, "--out", good)
    again = run("locate", good, "--model", model, "--out", good)
    assert "in 3 pictures (3 done before)" in again.out


def test_look_after_look_is_drawn(run: Run, photo: Path, tmp_path: Path) -> None:
    outcome = run("locate", photo, "--sequential", "--strip", "--erase", "mean", "--out", "out", "--max-objects", 2)
    assert outcome.code == 0, outcome.err
    assert "once erased" in outcome.out
    (record,) = boxes(tmp_path / "out")
    assert record["steps"][0]["probability_after"] < record["steps"][0]["probability_before"]
    with Image.open(tmp_path / "out" / "astronaut.looks.webp") as frames:
        assert getattr(frames, "n_frames", 1) == len(record["steps"])
    assert (tmp_path / "out" / "astronaut.looks.png").is_file()


def test_a_box_head_is_asked(run: Run, good: Path, tmp_path: Path) -> None:
    from whylight.images.preprocess import Preprocess
    from whylight.models.boxhead import BoxHead, BoxSpec
    from whylight.models.model import Model
    from whylight.models.zoo.architectures import build
    from whylight.models.zoo.files import ModelSpec, save_weights

    torch.manual_seed(0)
    network = build("test_resnet", classes=2)
    channels = Model(network, preprocessing=Preprocess(size=(96, 96))).channels
    boxes_spec = BoxSpec((0,), channels=channels, hidden=8, threshold=0.01)
    spec = ModelSpec("test_resnet", ("face", "no face"), Preprocess(size=(96, 96)), boxes=boxes_spec)
    save_weights(tmp_path / "boxes.safetensors", network, spec, box_head=BoxHead(boxes_spec))
    outcome = run(
        "locate", good, "--model", "boxes.safetensors", "--method", "box", "--target", "face", "--out", "out", "--strip",
        "--json", "-",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    model = whylight.load(tmp_path / "boxes.safetensors", device="cpu")
    for line in outcome.lines:
        expected = whylight.locate(model, line["picture"], "face", method="box")
        assert [list(box.values()) for box in line["boxes"]] == [pytest.approx(list(box)) for box in expected.boxes]
        assert line["boxes"]
        assert (line["map_method"], line["threshold"], line["stopped"]) == ("box", 0.01, "one look")
    assert (tmp_path / "out" / "a.looks.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--threshold", "0"), "--threshold 0.0: expected a share of the maximum in (0, 1]"),
        (("--also", "coco,voc"), "--also 'voc': choose among coco, yolo, csv"),
        (("--erase", "rubber"), "--erase 'rubber': choose one of blur, mean, inpaint"),
        (("--sequential", "--fast"), "--fast: is for one look at the whole picture; leave --fast or --sequential out"),
        (("--sequential", "--largest"), "--largest: is for one look"),
        (("--sequential", "--iou", "0.5"), "--iou: is for one look"),
        (("--erase", "mean"), "--erase: only --sequential takes objects away"),
        (("--fast", "--method", "cam"), "--fast chooses a method by itself"),
        (("--method", "box"), "no box head"),
        (("--method", "box", "--sequential"), "--sequential: a box head tells neighbours apart in one look"),
        (("--target", "fase"), "face"),
        (("--method", "gradcm"), "gradcam"),
        (("--precision", "fp8"), "--precision 'fp8': choose one of auto, fp32, bf16"),
    ],
)
def test_bad_usage(run: Run, photo: Path, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    outcome = run("locate", photo, *arguments, "--out", "out")
    assert outcome.code == 2
    assert said in outcome.err
    assert not (tmp_path / "out").exists()
