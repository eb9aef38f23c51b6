"""Localisation over several pictures, with a network whose maps can be foreseen: what is bright is light."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import whylight
from whylight import methods
from whylight.errors import DataError, WhylightError
from whylight.evaluate import asking
from whylight.evaluate.baselines import BASELINES
from whylight.evaluate.boxes import THRESHOLDS
from whylight.evaluate.data import Labelled, read
from whylight.evaluate.examples import examples
from whylight.evaluate.localization import Setup, localization
from whylight.evaluate.maps import MOST_PIXELS, Rules, laid, of_heat
from whylight.evaluate.results import Result
from whylight.images.preprocess import Preprocess
from whylight.jobs.store import Store
from whylight.models.zoo.files import ModelSpec, save_weights


@pytest.fixture
def model() -> whylight.Model:
    """A network whose score of "light" is the mean of what is brighter than grey; its map of it is that brightness."""
    bright = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
    bright[0].weight.data.copy_(torch.tensor([1.0, -1.0])[:, None, None, None].expand(2, 3, 1, 1))
    bright[0].bias.data.zero_()
    return whylight.wrap(
        bright, layer="0", classes=["light", "dark"], size=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )


def picture(folder: Path, name: str, *lit: tuple[int, int, int, int], level: int = 255, side: int = 64) -> Path:
    """Black but for some rectangles."""
    pixels = np.zeros((side, side, 3), np.uint8)
    for x0, y0, x1, y1 in lit:
        pixels[y0:y1, x0:x1] = level
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def one(
    path: Path, *boxes: tuple[float, float, float, float], label: str = "light", mask: Path | None = None
) -> Labelled:
    return Labelled(path, path.name, label, boxes, mask)


def measured(model: whylight.Model, pictures: list[Labelled], out: Path, **options: object) -> Result:
    setup = Setup({"cam": methods.get("cam")}, **options)
    with Store(out, "localization", {}) as store:
        return localization(model, pictures, setup, store)


def figure(result: Result, measure: str, method: str = "cam") -> float:
    cell = result.cell(method, measure)
    assert cell is not None
    return cell.value.mean


def test_by_hand(model: whylight.Model, tmp_path: Path) -> None:
    pictures = [
        one(picture(tmp_path, "exact.png", (8, 8, 40, 24)), (8, 8, 40, 24)),  # IoU 1
        one(picture(tmp_path, "half.png", (0, 0, 20, 20)), (0, 0, 20, 40)),  # IoU 0.5
        one(picture(tmp_path, "third.png", (0, 0, 20, 20)), (0, 0, 20, 60), (40, 40, 50, 50)),  # 1/3 with the first
        one(picture(tmp_path, "beside.png", (0, 0, 10, 10)), (18, 0, 30, 10)),  # 9 px from the nearest
    ]
    result = measured(model, pictures, tmp_path / "out", thresholds={"cam": 0.5})
    assert result.pictures == 4
    assert figure(result, "MaxBoxAcc (IoU 0.5)") == 50
    assert figure(result, "Box accuracy at 0.50") == 50
    assert figure(result, "MaxBoxAccV2 (largest part)") == pytest.approx((75 + 50 + 25) / 3)
    assert figure(result, "Pointing game (inside)") == 75
    assert figure(result, "Pointing game (15 px)") == 75  # the first of the hottest pixels is at 0, 0: 18 px away
    assert figure(result, "Energy pointing game") == 75
    assert figure(result, "Maps that show nothing") == 0
    assert result.cell("cam", "Pointing game (15 px), mean of classes") is None  # there is one class
    assert [curve.name for curve in result.curves if curve.figure == "threshold"] == ["cam", *BASELINES]
    (curve,) = [curve for curve in result.curves if (curve.figure, curve.name) == ("threshold", "cam")]
    assert curve.y == [50.0] * len(THRESHOLDS)


def test_hits_near_misses_and_misses_are_shown(model: whylight.Model, tmp_path: Path) -> None:
    """Bright squares of 20 pixels against boxes that hold more and more beside them; one picture shows nothing."""
    pictures = [one(picture(tmp_path, "black.png"), (0, 0, 9, 9))]
    for share in (20, 22, 24, 26, 28, 30, 41, 45, 50, 64):
        lit = picture(tmp_path, f"{share}.png", (0, 0, 20, 20))
        pictures.append(one(lit, (0, 0, 20, share), (60, 60, 64, 64)))
    setup = Setup({"cam": methods.get("cam")})
    with Store(tmp_path / "out", "localization", {}) as store:
        result = localization(model, pictures, setup, store)
        found = examples(model, pictures, setup, store, result)
    assert found is not None
    assert (found.method, found.counts) == ("cam", {"hit": 6, "near miss": 4, "miss": 1})
    assert [(shown.kind, shown.name) for shown in found.shown] == [
        *(("hit", f"{share}.png") for share in (22, 26, 30)),  # the middle ones of three parts
        *(("near miss", f"{share}.png") for share in (41, 45, 50)),  # the nearest to the goal
        ("miss", "black.png"),
    ]
    assert [shown.overlap for shown in found.shown] == pytest.approx(
        [20 / 22, 20 / 26, 20 / 30, 20 / 41, 20 / 45, 0.4, 0], abs=1e-4
    )
    assert [shown.found for shown in found.shown] == [True] * 6 + [False]
    with Image.open(io.BytesIO(base64.b64decode(found.shown[5].picture))) as drawn:
        pixels = np.asarray(drawn.convert("RGB")).astype(int)
    assert drawn.size == (400, 400)
    yellow = (pixels[..., 0] > 180) & (pixels[..., 1] > 170) & (pixels[..., 2] < 140)
    blue = (pixels[..., 2] > 180) & (pixels[..., 0] < 140)
    assert yellow[:140, :140].any()  # the box found ends at 125
    assert not yellow[200:].any()
    assert blue[260:330, :140].any()  # the annotated one at 312
    written = result.save(tmp_path / "report", found).read_text(encoding="utf-8")
    for words in (
        "Hits: 6",
        "Near misses: 4",
        "Misses: 1",
        "41.png, light: overlap (IoU) 0.48",
        "the map shows nothing, so there is no box",
    ):
        assert words in written


def test_without_boxes_nothing_is_shown(model: whylight.Model, tmp_path: Path) -> None:
    lit = picture(tmp_path, "lit.png", (8, 8, 40, 24))
    setup = Setup({"cam": methods.get("cam")})
    masked = [one(lit, mask=lit)]
    with Store(tmp_path / "out", "localization", {}) as store:
        result = localization(model, masked, setup, store)
        assert examples(model, masked, setup, store, result) is None


def test_the_largest_part_and_any_part(model: whylight.Model, tmp_path: Path) -> None:
    lit = picture(tmp_path, "two.png", (0, 0, 30, 30), (40, 40, 60, 60))
    result = measured(model, [one(lit, (40, 40, 60, 60))] * 2, tmp_path / "out")
    assert figure(result, "MaxBoxAccV2 (largest part)") == 0
    assert figure(result, "MaxBoxAccV2 (any part)") == 100


def test_maps_that_show_nothing_are_misses_and_are_counted(model: whylight.Model, tmp_path: Path) -> None:
    pictures = [
        one(picture(tmp_path, "dark.png"), (0, 0, 64, 64)),  # nothing speaks for light
        one(picture(tmp_path, "even.png", (0, 0, 64, 64), level=200), (0, 0, 64, 64)),  # everything alike
        one(picture(tmp_path, "lit.png", (0, 0, 8, 8)), (0, 0, 8, 8)),
    ]
    result = measured(model, pictures, tmp_path / "out")
    for measure in ("MaxBoxAcc (IoU 0.5)", "Pointing game (inside)", "Pointing game (15 px)", "Energy pointing game"):
        assert figure(result, measure) == pytest.approx(100 / 3)
    cell = result.cell("cam", "Maps that show nothing")
    assert cell is not None
    assert (cell.value.mean, cell.note, cell.unit) == (2, "1 blank, 1 constant", "maps")
    assert result.remarks == (
        "cam: 1 blank and 1 constant maps of 3 show nothing; they have no box and count as misses.",
    )


def test_one_picture_has_no_interval(model: whylight.Model, tmp_path: Path) -> None:
    result = measured(model, [one(picture(tmp_path, "a.png", (0, 0, 9, 9)), (0, 0, 9, 9))], tmp_path / "out")
    assert all(cell.value.low is None and cell.value.high is None for cell in result.cells)
    assert result.remarks[0].startswith("One picture only: there is no interval")


def test_one_picture_of_two_classes_is_one_picture(model: whylight.Model, tmp_path: Path) -> None:
    lit = picture(tmp_path, "a.png", (0, 0, 32, 64))
    both = [one(lit, (0, 0, 32, 64)), one(lit, (0, 0, 9, 9), label="dark")]
    result = measured(model, both, tmp_path / "one", asked="both", thresholds={"": 0.4})
    assert result.pictures == 1
    assert result.remarks[0].startswith("One picture only")
    assert figure(result, "MaxBoxAcc (IoU 0.5)") == 50
    assert all(cell.value.low is None and cell.value.n == 1 for cell in result.cells)
    more = [one(picture(tmp_path, "b.png", (0, 0, 32, 64)), (0, 0, 32, 64))]
    result = measured(model, both + more, tmp_path / "two")
    assert result.pictures == 2
    assert not result.remarks
    cell = result.cell("cam", "MaxBoxAcc (IoU 0.5)")
    assert cell is not None
    assert (cell.value.mean, cell.value.n) == (pytest.approx(200 / 3), 2)
    assert (cell.value.low, cell.value.high) == pytest.approx((0, 100), abs=2)  # two pictures tell next to nothing


def test_no_threshold_is_the_best_where_none_is_right(model: whylight.Model, tmp_path: Path) -> None:
    lit = picture(tmp_path, "a.png", (0, 0, 9, 9))
    result = measured(model, [one(lit, (30, 30, 64, 64))] * 2, tmp_path / "out", asked="both")
    notes = {cell.measure: cell.note for cell in result.cells if cell.method == "cam"}
    assert notes["MaxBoxAcc (IoU 0.5)"] == notes["Top-1 localisation (IoU 0.5)"] == "never right"
    assert notes["MaxBoxAccV2 (any part)"] == "IoU 0.3: never right; IoU 0.5: never right; IoU 0.7: never right"


def test_the_predicted_class(model: whylight.Model, tmp_path: Path) -> None:
    pictures = [
        one(picture(tmp_path, "light.png", (0, 0, 60, 60)), (0, 0, 60, 60)),
        one(picture(tmp_path, "small.png", (0, 0, 20, 20)), (0, 0, 20, 20)),  # mostly dark, so the model says dark
        one(picture(tmp_path, "dark.png", (32, 0, 64, 10)), (0, 0, 64, 64), label="dark"),
    ]
    result = measured(model, pictures, tmp_path / "out", asked="both")
    assert figure(result, "MaxBoxAcc (IoU 0.5)") == 100
    assert figure(result, "Top-1 accuracy") == pytest.approx(200 / 3)
    assert figure(result, "Top-1 localisation (IoU 0.5)") == pytest.approx(200 / 3)
    assert result.cell("cam", "Pointing game (15 px), mean of classes") is not None
    alone = measured(model, pictures, tmp_path / "alone", asked="predicted")
    assert {cell.measure for cell in alone.cells} == {"Top-1 accuracy", "Top-1 localisation (IoU 0.5)"}


def test_masks_alone(model: whylight.Model, tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[8:24, 8:40] = 1
    Image.fromarray(mask).save(tmp_path / "mask.png")
    lit = picture(tmp_path, "a.png", (8, 8, 40, 24))
    found = measured(model, [one(lit, mask=tmp_path / "mask.png")] * 2, tmp_path / "out")
    assert figure(found, "PxAP") == 100
    assert figure(found, "Pointing game (inside)") == 100
    assert figure(found, "Energy pointing game") == 100
    assert found.cell("cam", "MaxBoxAcc (IoU 0.5)") is None
    blob = figure(found, "PxAP", "centred blob")
    assert 0 < blob < 100


def test_pictures_without_annotation_are_left_out(model: whylight.Model, tmp_path: Path) -> None:
    lit = picture(tmp_path, "a.png", (0, 0, 9, 9))
    result = measured(
        model, [one(lit, (0, 0, 9, 9)), one(lit), one(lit, (0, 0, 9, 9))._replace(label=None)], tmp_path / "o"
    )
    assert result.pictures == 1
    assert result.protocol["pictures without annotation, left out"] == 2
    with pytest.raises(DataError, match=r"nothing is annotated: .* give --boxes CSV, or --masks FOLDER"):
        measured(model, [one(lit)], tmp_path / "out")


def test_a_picture_that_cannot_be_read(model: whylight.Model, tmp_path: Path) -> None:
    lit = picture(tmp_path, "a.png", (0, 0, 9, 9))
    (tmp_path / "broken.png").write_bytes(lit.read_bytes()[:60])
    pictures = [
        one(tmp_path / "broken.png", (0, 0, 9, 9)),
        one(lit, (0, 0, 9, 9)),
        one(lit, (0, 0, 9, 9), label="dark"),
    ]
    failed = []
    with Store(tmp_path / "out", "localization", {}) as store:
        setup = Setup({"cam": methods.get("cam")}, asked="both")
        result = localization(
            model, pictures, setup, store, on_error=lambda path, error: failed.append((path, str(error)))
        )
    assert result.pictures == 1  # asked about two classes
    ((path, words),) = failed
    assert path == tmp_path / "broken.png"
    assert words.startswith(f"{path}: ")
    with pytest.raises(WhylightError, match=r"broken\.png"):
        measured(model, pictures, tmp_path / "other")


def test_a_threshold_between_steps(model: whylight.Model, tmp_path: Path) -> None:
    lit = one(picture(tmp_path, "a.png", (0, 0, 9, 9)), (0, 0, 9, 9))
    for wrong in (0.0, 1.1, 0.355):
        with pytest.raises(WhylightError, match=r"threshold: expected a share of the maximum .* in steps of 0\.01"):
            measured(model, [lit], tmp_path / "out", thresholds={"": wrong})


def test_only_what_is_missing_is_measured(
    model: whylight.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [one(picture(tmp_path, f"{i}.png", (i, i, 20 + i, 30)), (0, 0, 20, 30)) for i in range(6)]
    whole = measured(model, pictures, tmp_path / "whole")
    out = tmp_path / "out"
    measured(model, pictures[:2], out)
    path = out / "pictures.jsonl"
    path.write_bytes(path.read_bytes()[:-30])  # a kill in the middle of the last line
    asked: list[str] = []
    explain_placed = asking.explain_placed

    def watched(model: object, pictures: list[Path], **options: object) -> object:
        asked.extend(path.name for path in pictures)
        return explain_placed(model, pictures, **options)

    monkeypatch.setattr(asking, "explain_placed", watched)
    assert measured(model, pictures, out).to_dict() == whole.to_dict()
    assert asked == ["2.png", "3.png", "4.png", "5.png"]  # the line cut short was a baseline's
    with Store(out, "localization", {}) as store:
        more = localization(
            model, pictures, Setup({"cam": methods.get("cam"), "gradcam": methods.get("gradcam")}), store
        )
    assert asked[4:] == [f"{i}.png" for i in range(6)]
    assert more.methods == ["cam", "gradcam", *BASELINES]
    edited = [pictures[0]._replace(boxes=((1.0, 1.0, 20.0, 30.0),)), *pictures[1:]]
    measured(model, edited, out)
    assert asked[10:] == ["0.png"]


def test_large_pictures_are_measured_on_a_coarser_grid() -> None:
    size = (3000, 2000)
    truth = Labelled(Path("a"), "a", "light", ((750.0, 500.0, 2250.0, 1500.0),))
    record = of_heat(*[laid("centred blob", size, "a")] * 2, size, truth, Rules())
    assert laid("centred blob", size, "a").size <= MOST_PIXELS * 1.01
    assert record["peak"] == pytest.approx((1500, 1000), abs=2)
    assert record["inside"]
    assert max(record["largest"]) > 9800


def test_random_maps_are_always_the_same_and_never_alike() -> None:
    first = laid("random 7 × 7 map", (64, 48), "a.jpg")
    assert first.shape == (48, 64)
    assert first.max() == 1
    assert (first == laid("random 7 × 7 map", (64, 48), "a.jpg")).all()
    assert not (first == laid("random 7 × 7 map", (64, 48), "b.jpg")).all()
    assert not (first == laid("random 7 × 7 map", (64, 48), "a.jpg", seed=1)).all()


@pytest.mark.long
def test_real_pictures_by_plain_loops(data_dir: Path, tmp_path: Path) -> None:
    """MobileNetV2 on twenty ImageNet pictures, against boxes cut out and compared one by one."""
    import cv2
    import torchvision
    from torch.nn.functional import interpolate

    from whylight import engine

    state = torch.load(data_dir / "weights" / "mobilenet_v2_imagenet.pth", weights_only=True)
    network = torchvision.models.mobilenet_v2()
    network.load_state_dict({name: part.float() if part.is_floating_point() else part for name, part in state.items()})
    lines = (data_dir / "weights" / "imagenet_synset_words.txt").read_text(encoding="utf-8").splitlines()
    spec = ModelSpec("torchvision/mobilenet_v2", tuple(line.split()[0] for line in lines), Preprocess())
    save_weights(tmp_path / "net.safetensors", network.eval(), spec)
    model = whylight.load(tmp_path / "net.safetensors", device="cpu")
    folder = data_dir / "imagenet10"
    pictures = read(folder, folder / "val_boxes.csv", classes=model.classes)
    assert len(pictures) == 250
    chosen = pictures[::13]
    result = measured(model, chosen, tmp_path / "out", thresholds={"": 0.39})

    right = np.zeros((len(chosen), 100))
    for row, (path, _, label, boxes, _) in enumerate(chosen):
        x = model.preprocess(path)[None]
        maps = engine.maps(model, x, [methods.get("cam")], [model.classes.index(label)])[0, 0]
        heat = interpolate(maps[None], size=(224, 224), mode="bilinear", align_corners=False)[0, 0].numpy()
        for column, share in enumerate(THRESHOLDS):
            hot = (heat >= np.float32(share * heat.max())).astype(np.uint8)
            stats = cv2.connectedComponentsWithStats(hot, connectivity=8)[2][1:]
            x0, y0, w, h, _ = stats[stats[:, cv2.CC_STAT_AREA].argmax()].tolist()
            for a, b, c, d in boxes:
                both = max(0, min(x0 + w, c) - max(x0, a)) * max(0, min(y0 + h, d) - max(y0, b))
                right[row, column] = max(right[row, column], both / (w * h + (c - a) * (d - b) - both))
    assert figure(result, "MaxBoxAcc (IoU 0.5)") == pytest.approx(100 * (right >= 0.5).mean(0).max())
    assert figure(result, "Box accuracy at 0.39") == pytest.approx(100 * (right[:, 38] >= 0.5).mean())
    by_overlap = [(right >= least).mean(0).max() for least in (0.3, 0.5, 0.7)]
    assert figure(result, "MaxBoxAccV2 (largest part)") == pytest.approx(100 * np.mean(by_overlap))
    assert json.loads(json.dumps(result.to_dict())) == result.to_dict()
