"""Black boxes: what they return becomes logits and probabilities, and what they do wrong is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from nets import gap_net
from whylight.errors import ModelError
from whylight.models.adapters.blackbox import BlackBox, wrap_callable

X = torch.rand((3, 3, 16, 16), generator=torch.Generator().manual_seed(0))


def shares(x: Tensor) -> Tensor:
    """How red, green and blue a picture is, summing to 1."""
    means = x.mean((2, 3))
    return means / means.sum(1, keepdim=True)


def test_probabilities_are_recognised() -> None:
    model = wrap_callable(shares, classes=["red", "green", "blue"], size=16)
    assert model.gives_probabilities
    torch.testing.assert_close(model.predict(X), shares(X))
    torch.testing.assert_close(model.logits(X), shares(X).log())


def test_scores_that_are_no_probabilities_are_logits() -> None:
    model = wrap_callable(lambda x: x.mean((2, 3)) * 2 - 1, size=16)
    assert not model.gives_probabilities
    torch.testing.assert_close(model.logits(X), X.mean((2, 3)) * 2 - 1)
    torch.testing.assert_close(model.predict(X), (X.mean((2, 3)) * 2 - 1).softmax(1))


def test_what_the_scores_are_can_be_insisted_on() -> None:
    model = wrap_callable(shares, size=16, outputs="logits")
    torch.testing.assert_close(model.predict(X), shares(X).softmax(1))
    one = wrap_callable(lambda x: x.mean((1, 2, 3))[:, None], size=16, outputs="probabilities")
    yes = X.mean((1, 2, 3)).logit()
    torch.testing.assert_close(one.logits(X), torch.stack([-yes, yes], 1))  # a single probability has two answers

    def logits_of(x: Tensor) -> Tensor:
        return x.mean((2, 3)) - 3

    with pytest.raises(ModelError, match=r"outputs='probabilities': logits_of returns scores from .* outside of 0 … 1"):
        wrap_callable(logits_of, size=16, outputs="probabilities")
    with pytest.raises(ModelError, match="outputs: expected 'auto'"):
        wrap_callable(shares, size=16, outputs="scores")  # type: ignore[arg-type]


def test_a_probability_of_zero_has_a_finite_logit() -> None:
    model = wrap_callable(lambda x: torch.eye(2)[(x.mean((1, 2, 3)) > 0.5).long()], size=16)
    assert model.logits(X).isfinite().all()
    assert float(model.logits(X).min()) == pytest.approx(np.log(1e-12), rel=1e-4)
    torch.testing.assert_close(model.predict(X), torch.eye(2)[(X.mean((1, 2, 3)) > 0.5).long()])


def test_classes_that_do_not_exclude_each_other() -> None:
    model = wrap_callable(lambda x: x.amax((2, 3)) * 0.9, size=16, multilabel=True)
    torch.testing.assert_close(model.predict(X), X.amax((2, 3)) * 0.9)
    p = X.amax((2, 3)) * 0.9
    torch.testing.assert_close(model.logits(X), (p / (1 - p)).log())


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64])
def test_arrays(dtype: Any) -> None:
    model = wrap_callable(lambda x: (x.numpy().mean((2, 3)) * 10).astype(dtype), size=16)
    assert model.logits(X).dtype == torch.float32
    np.testing.assert_allclose(model.logits(X), (X.numpy().mean((2, 3)) * 10).astype(dtype), rtol=1e-6)


def test_what_the_function_gets() -> None:
    given: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        given.append(x)
        return x.mean((2, 3))

    model = wrap_callable(note, size=(12, 20))
    picture = Image.new("RGB", (40, 40), (255, 0, 102))
    x = model.preprocess(picture)
    torch.testing.assert_close(x[:, 3, 5], torch.tensor([1.0, 0.0, 0.4]))
    with torch.inference_mode():
        model.predict(x[None].clone().double())
    assert given[-1].shape == (1, 3, 12, 20)
    assert given[-1].dtype == torch.float32
    assert given[-1].is_contiguous()
    assert (given[0] >= 0).all()
    assert (given[0] <= 1).all()
    normalised = wrap_callable(note, size=16, mean=(0.5, 0.5, 0.5), std=(0.1, 0.1, 0.1))
    torch.testing.assert_close(normalised.preprocess(picture)[:, 0, 0], torch.tensor([5.0, -5.0, -1.0]))
    assert given[-1].min() < -4


def test_a_network_as_a_black_box() -> None:
    network = gap_net().eval()
    model = wrap_callable(network, size=32)
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(model.logits(x), network(x).detach())
    torch.testing.assert_close(model.fast("auto")(x), network(x).detach())
    assert repr(model) == "BlackBox(Sequential, 3×32×32, 3 classes: 0, 1, 2)"


def test_methods_that_look_inside_do_not_apply() -> None:
    model = wrap_callable(shares, classes=["red", "green", "blue"], size=16)
    reason = model.why_not("gradcam")
    assert reason is not None
    assert "method 'gradcam' looks inside the network, and shares is a black box" in reason
    assert "gradcam" not in model.applicable_methods()
    assert model.lacks("probe") is None
    assert model.lacks("attentions") is not None
    with model.borrow():
        assert model.to("auto") is model.to("cpu") is model
    assert model.device.type == "cpu"
    assert model.dtype == torch.float32
    with pytest.raises(ModelError, match="not a device"):
        model.to("gpu")
    with pytest.raises(ModelError, match="precision 'bf16'"):
        model.fast("bf16")


def failing(x: Tensor) -> Tensor:
    raise KeyError("no such service")


def nan(x: Tensor) -> Tensor:
    return x.mean((2, 3)) * float("nan")


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (failing, r"failing failed on an input of shape \(2, 3, 16, 16\): KeyError: 'no such service'"),
        (nan, "nan returned scores that are not finite"),
        (lambda x: x, r"returned shape \(2, 3, 16, 16\) for an input of shape \(2, 3, 16, 16\)"),
        (lambda x: x.mean((1, 2, 3)), r"returned shape \(2,\).*one row of scores for each picture: \(2, classes\)"),
        (lambda x: x[:1].mean((2, 3)), r"returned shape \(1, 3\)"),
        (lambda x: x.mean((2, 3))[:, :0], r"returned shape \(2, 0\)"),
        (lambda x: [1, 2], "returned list .*must return a tensor or an array"),
        (lambda x: np.array([["a", "b"]] * 2, dtype=object), "returned ndarray"),
        (3, "expected a function, got int"),
    ],
)
def test_functions_that_are_no_classifiers(function: Any, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        wrap_callable(function, size=16)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"classes": ["red"]}, "1 names were given, but shares returns 3 scores"),
        ({"mean": (0, 0)}, "mean: expected three numbers"),
        ({"std": (0, 1, 1)}, "every std above 0"),
        ({"size": 0}, "size must be"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        wrap_callable(shares, **{"size": 16, **arguments})


def test_another_number_of_scores_than_before() -> None:
    model = wrap_callable(lambda x: x.mean((2, 3))[:, : x.shape[2] // 5], size=16)
    with pytest.raises(ModelError, match=r"returned 2 scores for an input of shape .*, and 3 before"):
        model.logits(X[..., :10, :])
    with pytest.raises(ModelError, match=r"expected a batch of pictures \(N, 3, H, W\)"):
        model.logits(X[0])


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), MemoryError(), torch.OutOfMemoryError("x"), RuntimeError("out of memory")]
)
def test_what_is_not_the_functions_fault_passes(error: BaseException) -> None:
    """Memory that runs out is for the engine, which asks again with fewer pictures."""

    def fail(x: Tensor) -> Tensor:
        if len(x) > 2:
            raise error
        return x.mean((2, 3))

    model: BlackBox = wrap_callable(fail, size=16)
    with pytest.raises(type(error)):
        model.logits(X)


def test_the_function_may_keep_and_change_what_it_returned() -> None:
    buffer = torch.zeros(2, 3)

    def reuse(x: Tensor) -> Tensor:
        return buffer[: len(x)].copy_(x.mean((2, 3)))

    model = wrap_callable(reuse, size=16)
    first = model.logits(X[:1])
    expected: Callable[[Tensor], Tensor] = lambda x: x.mean((2, 3))  # noqa: E731
    model.logits(X[1:2])
    torch.testing.assert_close(first, expected(X[:1]))
