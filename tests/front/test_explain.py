"""The front door: order, kinds of pictures and targets, errors, batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import whylight
from nets import gap_net
from whylight import engine
from whylight.errors import ImageError, MethodError, ModelError, TargetError, WhylightError, WhylightWarning
from whylight.explanation import Explanation
from whylight.models.model import Model


@pytest.fixture
def model() -> Model:
    return whylight.wrap(gap_net(), classes=["cat", "dog", "tabby, tabby cat"], size=32)


def noise(seed: int, width: int = 40, height: int = 30) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_one_picture_one_explanation(model: Model, photo: Path) -> None:
    ex = whylight.explain(model, photo)
    assert isinstance(ex, Explanation)
    assert ex.source == str(photo)
    assert ex.picture.size == (512, 512)
    assert ex.method == "gradcam"
    probabilities = model.predict(model.preprocess(photo)[None])[0]
    assert ex.target == int(probabilities.argmax())
    assert ex.label == model.classes[ex.target]
    assert ex.probability == pytest.approx(float(probabilities.max()), abs=1e-6)
    assert ex.score == pytest.approx(float(model.logits(model.preprocess(photo)[None])[0].max()), abs=1e-5)


def test_order_is_by_picture_then_method_then_target(model: Model) -> None:
    pictures = [noise(1), noise(2), noise(3)]
    exs = whylight.explain(model, pictures, methods=["cam", "layercam"], targets=[2, "dog"])
    assert [(e.method, e.target) for e in exs] == [("cam", 2), ("cam", 1), ("layercam", 2), ("layercam", 1)] * 3
    alone = [whylight.explain(model, p, method="layercam", target=1) for p in pictures]
    for one, ex in zip(alone, exs[3::4], strict=True):
        torch.testing.assert_close(ex.map, one.map)
        assert ex.score == pytest.approx(one.score, abs=1e-5)


def test_several_methods_on_one_picture_give_a_list(model: Model) -> None:
    exs = whylight.explain(model, noise(1), methods=["gradcam"])
    assert isinstance(exs, list)
    assert len(exs) == 1


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batches_do_not_show(model: Model, batch_size: int) -> None:
    pictures = [noise(seed, 20 + seed, 30) for seed in range(5)]
    exs = whylight.explain(model, pictures, method="ablationcam", batch_size=batch_size)
    for picture, ex in zip(pictures, exs, strict=True):
        torch.testing.assert_close(ex.map, whylight.explain(model, picture, method="ablationcam").map)
        assert ex.picture.size == picture.size


def test_kinds_of_pictures(model: Model, tmp_path: Path) -> None:
    picture = noise(4)
    picture.save(tmp_path / "a.png")
    kinds = [
        str(tmp_path / "a.png"),
        tmp_path / "a.png",
        picture,
        np.asarray(picture),
        (tmp_path / "a.png").read_bytes(),
    ]
    exs = whylight.explain(model, [*kinds, model.preprocess(picture)], target=0)
    for ex in exs[1:]:
        torch.testing.assert_close(ex.map, exs[0].map)
    batch = torch.stack([model.preprocess(picture)] * 2)
    assert len(whylight.explain(model, batch)) == 2
    assert whylight.explain(model, iter([picture]))[0].source == "<picture>"


def test_a_picture_of_one_pixel(model: Model) -> None:
    ex = whylight.explain(model, Image.new("RGB", (1, 1), "red"))
    assert ex.heatmap().shape == (1, 1)
    assert ex.heatmap().isfinite().all()
    assert ex.overlay().size == (1, 1)


def test_targets(model: Model) -> None:
    picture = noise(5)
    by_index = whylight.explain(model, picture, target=2)
    peak = float(by_index.map.max())
    for label in ("tabby, tabby cat", "tabby", "Tabby Cat"):
        # Two inputs made of one picture may lie at addresses that round in two ways; another class's map is off by its peak.
        by_label = whylight.explain(model, picture, target=label).map
        torch.testing.assert_close(by_label, by_index.map, rtol=1e-4, atol=1e-4 * peak)

    def dog_not_cat(logits: Tensor) -> Tensor:
        return logits[:, 1] - logits[:, 0]

    ex = whylight.explain(model, picture, target=dog_not_cat, method="cam")
    assert (ex.label, ex.target, ex.probability) == ("dog_not_cat", None, None)
    cat, dog = whylight.explain(model, picture, targets=["cat", "dog"], method="cam")
    torch.testing.assert_close(ex.map, dog.map - cat.map)
    assert ex.score == pytest.approx(dog.score - cat.score, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"method": "gradcan"}, MethodError, "method 'gradcan' is not known. Near it: gradcam"),
        ({"method": 3}, MethodError, "expected a name or a Method"),
        ({"methods": []}, WhylightError, "methods: expected a list of at least one method"),
        ({"methods": "cam"}, WhylightError, "methods: expected a list"),
        ({"method": "cam", "methods": ["cam"]}, WhylightError, "give method or methods, not both"),
        ({"target": "tiger"}, TargetError, "target 'tiger' is no class of this model"),
        ({"target": "tabbi"}, TargetError, "Near it: tabby, tabby cat"),
        ({"target": 3}, TargetError, "target 3: this model has classes 0 to 2"),
        ({"target": -1}, TargetError, "classes 0 to 2"),
        ({"target": 1.5}, TargetError, "expected a class index, a class name"),
        ({"target": lambda logits: logits[0]}, TargetError, r"must return one score for each picture, shape \(1,\)"),
        ({"target": "cat", "targets": [0]}, WhylightError, "give target or targets, not both"),
        ({"batch_size": -2}, WhylightError, "batch_size: expected at least 1"),
        ({"device": "gpu"}, ModelError, "not a device"),
    ],
)
def test_bad_arguments(model: Model, arguments: dict[str, object], error: type[WhylightError], says: str) -> None:
    with pytest.raises(error, match=says):
        whylight.explain(model, noise(1), **arguments)  # type: ignore[arg-type]


def test_ambiguous_labels_name_their_indices() -> None:
    model = whylight.wrap(gap_net(), classes=["crane", "dog", "crane"], size=32)
    with pytest.raises(TargetError, match=r"names several classes: 0 \(crane\), 2 \(crane\). Give the index"):
        whylight.explain(model, noise(1), target="crane")


def test_one_broken_picture_does_not_stop_the_rest(model: Model, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    pictures: Sequence[object] = [noise(1), tmp_path / "broken.jpg", noise(2)]
    failed: list[tuple[object, WhylightError]] = []
    exs = list(whylight.explain_each(model, pictures, on_error=lambda p, e: failed.append((p, e))))  # type: ignore[arg-type]
    assert len(exs) == 2
    assert failed[0][0] == tmp_path / "broken.jpg"
    with pytest.raises(ImageError, match="broken"):
        whylight.explain(model, pictures)  # type: ignore[arg-type]


def test_not_a_number_is_a_fault_and_not_a_blank_map(model: Model, tmp_path: Path) -> None:
    with torch.no_grad():
        model.module[0].weight.mul_(1e30)
        model.module[2].weight.mul_(1e30)
    failed: list[str] = []
    assert list(whylight.explain_each(model, [noise(1)], on_error=lambda p, e: failed.append(str(e)))) == []
    assert "<picture>: the activations at '3' are not finite" in failed[0]
    with pytest.raises(ModelError, match="not finite"):
        whylight.explain(model, noise(1))


def test_one_open_picture_many_times(model: Model, tmp_path: Path) -> None:
    """An opened picture is read lazily; two threads must not read it at once."""
    noise(1, 600, 400).save(tmp_path / "a.png")
    for _ in range(5):
        with Image.open(tmp_path / "a.png") as opened:
            assert len(whylight.explain(model, [opened] * 6)) == 6


def test_a_function_that_does_not_use_the_logits(model: Model) -> None:
    for method in ("gradcam", "cam"):
        with pytest.raises(TargetError, match="cannot be differentiated by the logits"):
            whylight.explain(model, noise(1), method=method, target=lambda logits: torch.ones(len(logits)))


def test_pictures_are_read_as_needed(model: Model) -> None:
    """An endless stream of pictures is fine: no more than a few batches are read ahead."""
    read = 0

    def endless() -> object:
        nonlocal read
        while True:
            read += 1
            yield noise(read)

    stream = whylight.explain_each(model, endless(), batch_size=2)  # type: ignore[arg-type]
    for _ in range(3):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert read < 20


def test_out_of_memory_halves_the_batch_and_says_so() -> None:
    tried: list[int] = []

    def run(batch: Sequence[int]) -> int:
        tried.append(len(batch))
        if len(batch) > 2:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")
        return sum(batch)

    with pytest.warns(WhylightWarning, match="going on with batches of"):
        done = list(engine.in_batches(range(7), run, 5))
    assert [item for batch, _ in done for item in batch] == list(range(7)), "nothing lost, nothing twice"
    assert tried == [5, 2, 2, 2, 1]


def test_a_batch_that_did_not_fit_is_not_tried_again(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = engine.look

    def small(model: Model, x: Tensor, *rest: object, **more: object) -> list[engine.Seen]:
        sizes.append(len(x))
        if len(x) > 2:
            raise RuntimeError("CUDA out of memory")
        return real(model, x, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("whylight.pipeline.explain.look", small)
    with pytest.warns(WhylightWarning, match="out of memory: going on with batches of 2"):
        exs = whylight.explain(model, [noise(seed) for seed in range(10)], batch_size=4)
    assert len(exs) == 10
    assert sizes == [4, 2, 2, 2, 2, 2]


def test_one_picture_that_does_not_fit() -> None:
    def run(batch: Sequence[int]) -> int:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ModelError, match="one picture alone does not fit into memory"):
        list(engine.in_batches([1], run, 1))


def test_other_runtime_errors_pass() -> None:
    def run(batch: Sequence[int]) -> int:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(engine.in_batches([1, 2], run, 2))


def test_one_class_for_each_picture(model: Model) -> None:
    pictures = [noise(seed) for seed in range(5)]
    wanted = [2, 0, 1, 1, 0]
    exs = whylight.explain(model, pictures, target=wanted, batch_size=2)
    assert [ex.target for ex in exs] == wanted
    for ex, picture, target in zip(exs, pictures, wanted, strict=True):
        torch.testing.assert_close(ex.map, whylight.explain(model, picture, target=target).map)


@pytest.mark.parametrize("count", [1, 3])
def test_more_or_fewer_classes_than_pictures(model: Model, count: int) -> None:
    with pytest.raises(TargetError, match=r"2 classes for .* pictures"):
        whylight.explain(model, [noise(seed) for seed in range(count)], target=[0, 1])
    with pytest.raises(TargetError, match=r"2 classes for .* pictures"):  # a generator: it shows while it runs
        whylight.explain(model, (noise(seed) for seed in range(count)), target=[0, 1])


def test_the_classes_stay_with_their_pictures_where_one_is_broken(model: Model, tmp_path: Path) -> None:
    failed: list[object] = []
    pictures = [noise(0), tmp_path / "none.png", noise(2)]
    exs = whylight.explain_each(model, pictures, target=[0, 1, 2], on_error=lambda source, error: failed.append(source))
    assert [one[0].target for one in exs] == [0, 2]
    assert failed == [tmp_path / "none.png"]


def test_top_classes_in_their_order(model: Model) -> None:
    exs = whylight.explain(model, noise(0), targets=whylight.targets.top(3))
    assert sorted(ex.target for ex in exs) == [0, 1, 2]
    assert [ex.score for ex in exs] == sorted((ex.score for ex in exs), reverse=True)


def test_probabilities_of_many_labels() -> None:
    network = gap_net()
    picture = noise(0)
    one = whylight.explain(whylight.wrap(network, size=32, multilabel=True), picture, target=1)
    assert one.probability == pytest.approx(1 / (1 + np.exp(-one.score)), rel=1e-5)


def test_a_picture_on_which_a_black_box_fails_does_not_fail_the_others() -> None:
    def fragile(x: Tensor) -> Tensor:
        scores = x.mean((2, 3))
        return torch.where(scores[:, :1] > 0.9, torch.nan, scores)

    model = whylight.wrap_callable(fragile, size=8, outputs="logits")
    pictures = [np.full((8, 8, 3), level, np.uint8) for level in (10, 255, 40)]
    failed: list[str] = []
    found = whylight.explain_each(
        model,
        pictures,
        method=whylight.methods.Rise(masks=4),
        batch_size=3,
        on_error=lambda source, error: failed.append(str(error)),
    )
    assert len(list(found)) == 2
    assert len(failed) == 1
    assert "not finite" in failed[0]


def test_methods_that_look_at_no_layer_take_no_layers(model: Model) -> None:
    with pytest.raises(MethodError, match="'rise' looks at no layer"):
        whylight.explain(model, noise(0), method="rise", layers=["0", "2"])
    box = whylight.wrap_callable(lambda x: x.mean((2, 3)), size=8)
    with pytest.raises(MethodError, match="black box"):
        whylight.explain(box, noise(0), method="gradcam", layers=["0", "2"])


def test_rise_takes_the_score_where_there_is_no_probability(model: Model) -> None:
    ex = whylight.explain(
        model, noise(0), method=whylight.methods.Rise(masks=20), target=whylight.targets.difference(0, 1)
    )
    assert ex.map.isfinite().all()
    assert ex.details["precision"] in ("bf16", "fp32")


def test_precision_is_checked(model: Model) -> None:
    with pytest.raises(ModelError, match="precision: expected one of auto, fp32, bf16, got 'fp16'"):
        whylight.explain(model, noise(0), precision="fp16")  # type: ignore[arg-type]
