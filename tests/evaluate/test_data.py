"""Annotations as people have them: what is read, and what is wrong with them, line by line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from whylight.errors import DataError, TargetError
from whylight.evaluate.data import read
from whylight.evaluate.labels import Labels

CLASSES = ("cat", "dog", "n01440764 tench, Tinca tinca")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three pictures of 40 × 20 pixels, and a broken one."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("a.jpg", "b.png", "more/c.jpg"):
        Image.new("RGB", (40, 20)).save(folder / name)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    return folder


def csv_of(folder: Path, *lines: str, header: str = "file,label,x0,y0,x1,y1") -> Path:
    path = folder.parent / "boxes.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_boxes_come_by_picture_and_class(photos: Path) -> None:
    lines = (
        "more/c.jpg,dog,1,2,3,4",
        "a.jpg,cat,0,0,40,20",
        "a.jpg,dog,5.5,6,7,8",
        "a.jpg,cat,1,1,2,2",
        "broken.jpg,cat,1,1,9,9",
    )
    found = read(photos, csv_of(photos, *lines), classes=CLASSES)
    assert [(one.name, one.label, one.boxes) for one in found] == [
        ("a.jpg", "cat", ((0, 0, 40, 20), (1, 1, 2, 2))),
        ("a.jpg", "dog", ((5.5, 6, 7, 8),)),
        ("broken.jpg", "cat", ((1, 1, 9, 9),)),  # told when it is its turn
        ("more/c.jpg", "dog", ((1, 2, 3, 4),)),
    ]
    assert found[0].path == photos / "a.jpg"


def test_files_count_from_the_data_or_from_the_csv(photos: Path) -> None:
    boxes = csv_of(photos, "photos/a.jpg,cat,1,1,2,2", "b.png,cat,1,1,2,2", "photos/more/c.jpg,dog,1,1,2,2")
    assert [one.name for one in read(photos, boxes)] == ["a.jpg", "b.png", "more/c.jpg"]
    boxes = csv_of(photos, "photos/a.jpg,cat,1,1,2,2", "photos/more/c.jpg,dog,1,1,2,2")
    assert [one.name for one in read(photos / "more", boxes)] == ["c.jpg"]  # the other lies outside
    boxes = csv_of(photos, "photos/a.jpg,cat,1,1,2,2")
    with pytest.raises(DataError, match=r"its one box is of a file outside .*more; give the CSV that belongs to these"):
        read(photos / "more", boxes)


def test_labels_by_name_index_and_synset(photos: Path) -> None:
    boxes = csv_of(photos, "a.jpg,Cat,1,1,2,2", "b.png,1,1,1,2,2", "more/c.jpg,n01440764,1,1,2,2")
    assert [one.label for one in read(photos, boxes, classes=CLASSES)] == list(CLASSES)
    assert [one.label for one in read(photos, boxes)] == ["Cat", "1", "n01440764"]
    assert {one.label for one in read(photos, boxes, classes=CLASSES, label="dog")} == {"dog"}
    with pytest.raises(TargetError, match="label 'bird' is no class of this model"):
        read(photos, boxes, classes=CLASSES, label="bird")


def test_synsets_of_an_imagenet_model() -> None:
    labels = Labels([f"class {i}" for i in range(1000)])
    assert [labels.index(synset) for synset in ("n01440764", "n02102040", "n03888257")] == [0, 217, 701]
    with pytest.raises(TargetError, match="label 'n99999999' is no class"):
        labels.index("n99999999")


def test_every_wrong_line_is_named_at_once(photos: Path) -> None:
    boxes = csv_of(
        photos,
        "a.jpg,cat,1,1,45,10",
        "a.jpg,cat,10,1,5,10",
        "gone.jpg,cat,1,1,2,2",
        "a.jpg,bird,1,1,2,2",
        "a.jpg,cat,one,1,2,2",
        "a.jpg,cat,1,1,inf,2",
        "a.jpg,,1,1,2,2",
        "b.png,cat,1,1,2,2",
    )
    with pytest.raises(DataError) as caught:
        read(photos, boxes, classes=CLASSES)
    lines = str(caught.value).splitlines()
    assert lines[0] == "the annotations cannot be used as they stand:"
    told = [
        (2, "the box (1, 1, 45, 10) of a.jpg reaches out of the picture, which has 40 × 20 pixels"),
        (3, "the box (10, 1, 5, 10) of a.jpg is inverted or empty"),
        (4, f"there is no file gone.jpg in {photos}, nor beside the CSV; add it, or remove the line"),
        (5, "label 'bird' is no class of this model."),
        (6, "x0, y0, x1, y1 must be four numbers; correct the line"),
        (7, "x0, y0, x1, y1 must be finite; correct the line"),
        (8, "the label is empty; fill it in"),
    ]
    assert len(lines) == 1 + len(told)
    for line, (number, words) in zip(lines[1:], told, strict=True):
        assert line.startswith(f"  {boxes}, line {number}: {words}")


def test_many_wrong_lines_are_cut_short(photos: Path) -> None:
    boxes = csv_of(photos, *["a.jpg,cat,3,1,2,2"] * 15)
    with pytest.raises(DataError, match=r"and 5 more$"):
        read(photos, boxes, classes=CLASSES)


def test_an_unknown_label_is_told_once(photos: Path) -> None:
    lines = ["a.jpg,bird,1,1,2,2", "a.jpg,fish,1,1,2,2", *["a.jpg,bird,1,1,2,2"] * 20, "a.jpg,cat,3,1,2,2"]
    boxes = csv_of(photos, *lines, "a.jpg,fish,1,1,2,2")
    with pytest.raises(DataError) as caught:
        read(photos, boxes, classes=CLASSES)
    bird, fish, inverted = str(caught.value).splitlines()[1:]
    assert bird.startswith(f"  {boxes}, line 2 and 20 more lines: label 'bird' is no class of this model.")
    assert fish.startswith(f"  {boxes}, line 3 and 1 more line: label 'fish' is no class of this model.")
    assert inverted.startswith(f"  {boxes}, line 24: the box")


def test_a_rounding_over_the_rim_is_cut(photos: Path) -> None:
    (one,) = read(photos, csv_of(photos, "a.jpg,cat,-0.4,0,40.9,20"))
    assert one.boxes == ((0, 0, 40, 20),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty; it needs a header, file,x0,y0,x1,y1,label"),
        ("file,label,x0,y0,x1,y1\n", "it holds no boxes, only a header; give the CSV that belongs to these pictures"),
        ("file,x,y,w,h\na.jpg,1,1,2,2\n", "line 1: the header has no x0, y0, x1, y1, label; it must name the columns"),
        ("file,x0,y0,x1,y1\na.jpg,1,1,2,2\n", "the header has no label; .* or give --label CLASS for all of them"),
    ],
)
def test_a_csv_without_boxes(photos: Path, text: str, words: str) -> None:
    boxes = csv_of(photos)
    boxes.write_text(text)
    with pytest.raises(DataError, match=rf"boxes\.csv.*{words}"):
        read(photos, boxes, classes=CLASSES)


def test_a_csv_that_is_none(photos: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: this file of boxes cannot be read: No such file"):
        read(photos, photos / "none.csv")
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        read(photos, photos / "broken.jpg")
    with pytest.raises(DataError, match="no such folder of pictures"):
        read(photos / "nowhere")


def test_a_label_that_is_given_needs_no_column(photos: Path) -> None:
    boxes = csv_of(photos, "a.jpg,1,1,2,2", header="file,x0,y0,x1,y1")
    assert read(photos, boxes, classes=CLASSES, label="1")[0].label == "dog"


def test_folders_are_classes(tmp_path: Path) -> None:
    for name in ("cat/a.png", "cat/deep/b.png", "dog/c.png", "d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    expected = [("cat/a.png", "cat"), ("cat/deep/b.png", "cat"), ("d.png", None), ("dog/c.png", "dog")]
    assert [(one.name, one.label) for one in read(tmp_path, classes=CLASSES)] == expected
    assert {one.label for one in read(tmp_path, classes=("sun", "moon"))} == {None}  # these folders are no classes
    with pytest.raises(
        DataError, match="1 of 2 folders are no classes of this model; rename or remove them: label 'dog'"
    ):
        read(tmp_path, classes=("cat", "moon"))


def test_masks(photos: Path, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    (masks / "more").mkdir(parents=True)
    for name in ("a.png", "more/c.png"):
        Image.new("L", (40, 20)).save(masks / name)
    found = read(photos, masks=masks)
    assert [one.mask and one.mask.relative_to(masks).as_posix() for one in found] == ["a.png", None, None, "more/c.png"]
    (masks / "more/c.png").rename(masks / "c.png")
    assert read(photos, masks=masks)[-1].mask == masks / "c.png"
    shutil.copy(photos / "more/c.jpg", photos / "c.jpg")  # now it could be either's
    assert [one.mask and one.mask.name for one in read(photos, masks=masks)] == ["a.png", None, None, "c.png", None]
    (photos / "c.jpg").unlink()
    (masks / "c.png").unlink()
    Image.new("L", (20, 40)).save(masks / "more/c.png")
    (masks / "b.png").write_text("no picture")
    with pytest.raises(DataError) as caught:
        read(photos, masks=masks)
    assert str(caught.value).splitlines()[1:] == [
        f"  {masks / 'b.png'}: this mask cannot be read; it should be a picture, such as a PNG",
        f"  {masks / 'more/c.png'}: this mask has 20 × 40 pixels, and its picture more/c.jpg has 40 × 20; make them the same size",
    ]
    with pytest.raises(DataError, match=r"holds no mask for any of the pictures; a mask is called like its picture"):
        read(photos, masks=tmp_path)
    with pytest.raises(DataError, match="no such folder of masks"):
        read(photos, masks=tmp_path / "none")


def test_sizes_are_those_of_the_upright_picture(photos: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored 40 × 20, shown 20 × 40
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(photos / "turned.jpg", exif=exif)
    assert read(photos, csv_of(photos, "turned.jpg,cat,0,0,20,40"))[0].boxes == ((0, 0, 20, 40),)
    with pytest.raises(DataError, match="which has 20 × 40 pixels"):
        read(photos, csv_of(photos, "turned.jpg,cat,0,0,40,20"))
