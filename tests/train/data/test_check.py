"""Bad data is found before the first epoch, named, and all of it at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from discs import draw
from whylight.errors import DataError
from whylight.train.data.check import check, imbalance, lacking
from whylight.train.data.folders import find, split


def test_good_data_passes(tree: Path) -> None:
    seen: list[int] = []
    marks = check(find(tree), step=lambda: seen.append(1))
    assert len(marks) == len(set(marks.values())) == len(seen) == 44


def test_everything_wrong_is_named_at_once(tree: Path) -> None:
    (tree / "train" / "hollow").mkdir()
    (tree / "train" / "disc" / "torn.png").write_bytes((tree / "train" / "disc" / "0.png").read_bytes()[:200])
    (tree / "train" / "empty" / "text.jpg").write_text("not a picture")
    shutil.copy(tree / "train" / "disc" / "3.png", tree / "val" / "disc" / "copy.png")
    shutil.copy(tree / "train" / "disc" / "5.png", tree / "train" / "empty" / "wrong.png")
    with pytest.raises(DataError) as caught:
        check(find(tree))
    said = str(caught.value)
    assert "train/hollow: no pictures" in said
    assert "val/hollow: no pictures" in said
    assert "torn.png" in said
    assert "text.jpg" in said
    assert "the same picture in two splits: train/disc/3.png = val/disc/copy.png" in said
    assert "under two classes: train/disc/5.png = train/empty/wrong.png" in said


def test_the_same_picture_in_another_format_is_found(tree: Path) -> None:
    with Image.open(tree / "train" / "disc" / "2.png") as picture:
        picture.save(tree / "val" / "disc" / "other.bmp")
    with pytest.raises(DataError, match=r"train/disc/2\.png = val/disc/other\.bmp"):
        check(find(tree))


def test_many_problems_are_counted_not_listed(tree: Path) -> None:
    for k in range(15):
        (tree / "train" / "disc" / f"bad{k:02}.png").write_bytes(b"")
    with pytest.raises(DataError, match="and 5 more"):
        check(find(tree))


def test_one_class(tree: Path) -> None:
    for name in ("train", "val"):
        shutil.rmtree(tree / name / "empty")
    with pytest.raises(DataError, match="at least two classes"):
        check(find(tree))


def test_unknown_layouts(tmp_path: Path, tree: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        find(tmp_path / "nowhere")
    (tmp_path / "flat").mkdir()
    with pytest.raises(DataError, match="one folder for each class"):
        find(tmp_path / "flat")
    (tree / "extra").mkdir()
    with pytest.raises(DataError, match="extra"):
        find(tree)
    (tree / "extra").rmdir()
    shutil.rmtree(tree / "val")
    with pytest.raises(DataError, match="no val/"):
        find(tree)


@pytest.mark.parametrize(
    ("train", "val"), [("training", "validation"), ("Train", "Val"), ("testing", "val"), ("train/train", "val")]
)
def test_the_parts_of_a_split_are_never_taken_for_classes(tmp_path: Path, tree: Path, train: str, val: str) -> None:
    root = tmp_path / "other"
    for old, new in (("train", train), ("val", val)):
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (tree / old).rename(root / new)
    with pytest.raises(DataError, match=r"would be taken for classes\. A tree with its own split has train/ and val/"):
        find(root)


def test_the_fingerprint_is_of_the_content(tree: Path) -> None:
    path = tree / "train" / "disc" / "a.bmp"
    draw(path, disc=True, seed=77)
    before, size = find(tree), path.stat().st_size
    print_before = before.fingerprint(check(before))
    assert before.fingerprint(check(before)) == print_before
    draw(path, disc=True, seed=78)
    assert path.stat().st_size == size
    assert before.fingerprint(check(before)) != print_before


def test_split_is_stratified_and_keeps_twins_together(tree: Path) -> None:
    root = tree / "train"
    for k in range(8):
        shutil.copy(root / "disc" / f"{k}.png", root / "disc" / f"twin{k}.png")
    data = find(root)
    marks = check(data)
    parts = split(data, marks, 0.25, 0.0, seed=3)
    sides = [{marks[item.path] for item in parts.splits[name]} for name in ("train", "val")]
    assert not sides[0] & sides[1]
    assert parts.counts("val")[1] == 4
    assert split(data, marks, 0.25, 0.0, seed=3) == parts
    assert split(data, marks, 0.25, 0.0, seed=4) != parts


def test_too_few_to_split(tree: Path) -> None:
    root = tree / "train"
    for k in range(1, 16):
        (root / "disc" / f"{k}.png").unlink()
    data = find(root)
    with pytest.raises(DataError, match="too few"):
        split(data, check(data), 0.25, 0.0, seed=0)


def test_what_is_measured_on_may_lack_a_class(tree: Path) -> None:
    """It is said; what is trained on may not."""
    assert lacking(find(tree)) is None
    for picture in (tree / "val" / "disc").iterdir():
        picture.unlink()
    data = find(tree)
    check(data)
    assert lacking(data) == "val/ has no pictures of 'disc': its figures say nothing about them"
    shutil.rmtree(tree / "val" / "disc")
    assert lacking(find(tree)) == lacking(data)
    shutil.rmtree(tree / "val" / "empty")
    with pytest.raises(DataError, match="val/: no pictures"):
        check(find(tree))
    shutil.rmtree(tree / "train" / "disc")
    (tree / "train" / "disc").mkdir()
    with pytest.raises(DataError, match="train/disc: no pictures in this class"):
        check(find(tree))


def test_uneven_classes_are_mentioned(tree: Path) -> None:
    assert imbalance(find(tree)) is None
    for k in range(5, 16):
        (tree / "train" / "disc" / f"{k}.png").unlink()
    assert "16 pictures of 'empty', 5 of 'disc'" in (imbalance(find(tree)) or "")
