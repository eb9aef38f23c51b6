"""Targets: what each kind scores, against plain Python; what cannot be meant is said."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import whylight
from nets import gap_net
from whylight import engine, targets
from whylight.errors import TargetError
from whylight.targets import Resolved, parse, resolve

CLASSES = ["cat", "dog", "tabby, tabby cat", "crane"]
LOGITS = torch.tensor([[1.0, 3.0, 2.0, -1.0], [0.5, -2.0, 0.0, 4.0], [7.0, 7.0, 1.0, 2.0]])


@pytest.mark.parametrize(
    ("target", "indices"),
    [
        (None, [1, 3, 0]),
        (2, [2, 2, 2]),
        (np.int64(2), [2, 2, 2]),
        (torch.tensor(2), [2, 2, 2]),
        ("Tabby Cat", [2, 2, 2]),
        ("3", [3, 3, 3]),
        (targets.rank(0), [1, 3, 0]),
        (targets.rank(1), [2, 0, 1]),
        (targets.rank(3), [3, 1, 2]),
        ([0, "dog", 3], [0, 1, 3]),
        (("cat", "cat", "tabby"), [0, 0, 2]),
        (torch.tensor([3, 0, 1]), [3, 0, 1]),
        (torch.tensor([3, 0, 1], dtype=torch.uint8), [3, 0, 1]),
        (np.array([3, 0, 1]), [3, 0, 1]),
        (np.array(["cat", "dog", "crane"]), [0, 1, 3]),
    ],
    ids=str,
)
def test_classes(target: Any, indices: list[int]) -> None:
    resolved = resolve(target, CLASSES)
    found = resolved.indices(LOGITS)
    assert found is not None
    assert found.dtype == torch.int64
    assert found.tolist() == indices
    assert resolved.scores(LOGITS).tolist() == [float(LOGITS[n, i]) for n, i in enumerate(indices)]


def test_top() -> None:
    assert targets.top(2) == [targets.rank(0), targets.rank(1)]


def test_difference() -> None:
    resolved = resolve(targets.difference("tabby", 0), CLASSES)
    assert resolved.indices(LOGITS) is None
    assert resolved.scores(LOGITS).tolist() == [1.0, -0.5, -6.0]
    assert resolved.name == "tabby, tabby cat rather than cat"


def test_similarity() -> None:
    reference = torch.tensor([[1.0, 0.0, -2.0, 0.5]])
    resolved = resolve(targets.similarity(reference, name="like Eileen"), CLASSES)
    r = reference[0].tolist()
    outputs = torch.cat([LOGITS, torch.zeros(1, 4)]).requires_grad_()
    scores = resolved.scores(outputs)
    expected = []
    for z in outputs.tolist():
        dot = sum(a * b for a, b in zip(z, r, strict=True))
        size = math.sqrt(sum(a * a for a in z)) * math.sqrt(sum(b * b for b in r))
        expected.append(dot / size if size else 0.0)
    assert scores.tolist() == pytest.approx(expected, abs=1e-6)
    assert resolved.name == "like Eileen"
    (gradient,) = torch.autograd.grad(scores.sum(), outputs)
    assert gradient.isfinite().all()
    assert scores.dtype == resolved.scores(LOGITS.bfloat16()).dtype == torch.float32
    # Along the output itself the angle does not change.
    torch.testing.assert_close((gradient[:3] * LOGITS).sum(1), torch.zeros(3), rtol=0, atol=1e-6)


def test_similarity_does_not_follow_its_reference() -> None:
    reference = torch.tensor([1.0, 0.0, 0.0, 0.0])
    target = resolve(targets.similarity(reference), CLASSES)
    before = target.scores(LOGITS)
    reference.neg_()
    torch.testing.assert_close(target.scores(LOGITS), before)
    with torch.inference_mode():
        made = resolve(targets.similarity(torch.eye(4)[0]), CLASSES)
    assert made.scores(LOGITS.clone().requires_grad_()).requires_grad


def test_taking_some_pictures() -> None:
    each = resolve(["cat", "dog", "crane"], CLASSES)
    assert each.take(slice(1, 3)).each == (1, 3)
    assert each.take([2, 0]).each == (3, 0)
    assert each.take(slice(0, 2)).indices(LOGITS[:2]) is not None
    whole = resolve("dog", CLASSES)
    assert whole.take(slice(5, 9)) is whole
    assert Resolved(rank=2).take([7]) == Resolved(rank=2)
    for places in (slice(2, 5), [1, 4]):
        with pytest.raises(TargetError, match="target: 3 classes for 5 pictures; give one class for each picture"):
            each.take(places)


@pytest.mark.parametrize("pictures", [2, 4])
def test_as_many_classes_as_pictures(pictures: int) -> None:
    each = resolve([0, 1, 2], CLASSES)
    logits = torch.zeros(pictures, 4)
    for call in (each.indices, each.scores):
        with pytest.raises(TargetError, match=f"target: 3 classes for {pictures} pictures"):
            call(logits)
    each.check(3)
    resolve(1, CLASSES).check(pictures)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (4, "target 4: this model has classes 0 to 3"),
        (-1, "classes 0 to 3"),
        (True, "target True: expected a class index"),
        (1.5, "target 1.5: expected a class index, a class name"),
        ("kat", "target 'kat' is no class of this model. Near it: cat"),
        ([], "expected one class for each picture, got an empty list"),
        (["cat", "unicorn"], "'unicorn' is no class"),
        ([0, None], "target None: expected a class index"),
        ([0, 9], "target 9: this model has classes 0 to 3"),
        (
            torch.tensor([0.5, 1.0]),
            r"one class index for each picture, shape \(N,\); got torch.float32 of shape \(2,\)",
        ),
        (torch.zeros(2, 4, dtype=torch.int64), r"got torch.int64 of shape \(2, 4\)"),
        (torch.tensor([], dtype=torch.int64), r"of shape \(0,\)"),
        (torch.tensor([True, False]), "target True: expected a class index"),
        (targets.rank(4), "rank 4: this model has 4 classes, so ranks 0 to 3"),
        (targets.difference("cat", "unicorn"), "'unicorn' is no class"),
        (targets.difference("tabby", 2), r"difference: both sides are class 2 \(tabby, tabby cat\)"),
        (targets.similarity(torch.ones(3)), "the reference has 3 numbers, and the network's output has 4"),
    ],
    ids=str,
)
def test_targets_that_do_not_exist(target: Any, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        resolve(target, CLASSES)


@pytest.mark.parametrize(
    ("make", "argument", "says"),
    [
        (targets.rank, -1, "rank: expected 0"),
        (targets.rank, True, "rank: expected 0"),
        (targets.top, 0, "top: expected how many classes"),
        (targets.similarity, [1.0], "expected the reference as a tensor"),
        (targets.similarity, torch.ones(2, 4), r"one reference, shape \(C,\) or \(1, C\), got \(2, 4\)"),
        (targets.similarity, torch.zeros(4), "finite and not all zero"),
        (targets.similarity, torch.tensor([1.0, torch.nan]), "finite and not all zero"),
    ],
)
def test_targets_that_make_no_sense(make: Any, argument: Any, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        make(argument)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tabby", ["tabby"]),
        (" 281 ", ["281"]),
        ("top1", [targets.rank(0)]),
        ("TOP3", targets.top(3)),
        ("rank2", [targets.rank(2)]),
        ("topper", ["topper"]),
        ("rank", ["rank"]),
        ("top-3", ["top-3"]),
        ("tabby >> tiger cat", [targets.difference("tabby", "tiger cat")]),
        ("tabby, tabby cat>>3", [targets.difference("tabby, tabby cat", "3")]),
    ],
)
def test_text(text: str, expected: list[Any]) -> None:
    assert parse(text) == expected
    assert [one for target in expected for one in parse(str(target))] == expected


def test_a_class_that_is_called_like_a_target() -> None:
    assert parse("top3", classes=["top3", "cat"]) == ["top3"]
    assert parse("a >> b", classes=["a >> b"]) == ["a >> b"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (" ", "got nothing"),
        ("a >> b >> c", "expected two classes, as in A >> B"),
        (">> b", "expected two classes"),
        ("top0", "top: expected how many"),
    ],
)
def test_text_that_cannot_be_read(text: str, says: str) -> None:
    with pytest.raises(TargetError, match=says):
        parse(text)


@pytest.fixture
def x() -> Tensor:
    return torch.randn((3, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def test_maps_of_each_kind(x: Tensor) -> None:
    """On a linear head cam is linear in the target: ranks and differences are read off the classes' maps."""
    model = whylight.wrap(gap_net(), classes=["cat", "dog", "crane"], size=32)
    by_class = engine.maps(model, x, ["cam"], [0, 1, 2])[0]  # (C, N, h, w)
    order = model.logits(x).argsort(1, descending=True)
    second = engine.maps(model, x, ["cam"], [targets.rank(1)])[0, 0]
    each = engine.maps(model, x, ["cam"], [["dog", "cat", "crane"]])[0, 0]
    apart = engine.maps(model, x, ["cam"], [targets.difference("crane", "cat")])[0, 0]
    for n in range(3):
        torch.testing.assert_close(second[n], by_class[order[n, 1], n])
        torch.testing.assert_close(each[n], by_class[[1, 0, 2][n], n])
        torch.testing.assert_close(apart[n], by_class[2, n] - by_class[0, n])
    alike = engine.maps(model, x, ["gradcam", "cam"], [targets.similarity(model.logits(x[:1]))])
    assert alike.isfinite().all()
    assert alike.any()
