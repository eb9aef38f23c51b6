"""Occlusion against its equation in plain loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from probing import PlainProbe, quadratic
from whylight.errors import MethodError
from whylight.methods.occlusion import occlusion

H, W = 11, 9


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, H, W), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("patch", "stride"), [(4, 3), (3, 1), (5, 5), (9, 2), (1, 1)])
@pytest.mark.parametrize("after", ["logit", "probability"])
def test_equation(x: Tensor, patch: int, stride: int, after: str) -> None:
    """Each pixel: the mean drop over the patches that cover it, the last ones flush with the border."""
    score = quadratic(1, H, W)
    found = occlusion(x, PlainProbe(score), patch=patch, stride=stride, fill=0.25, after=after)  # type: ignore[arg-type]

    def s(y: Tensor, n: int) -> float:
        value = score(y.unsqueeze(0), n)[0]
        return float(value if after == "logit" else value.sigmoid())

    tops = sorted({*range(0, H - patch + 1, stride), H - patch})
    lefts = sorted({*range(0, W - patch + 1, stride), W - patch})
    for n in range(2):
        drops: dict[tuple[int, int], list[float]] = {(i, j): [] for i in range(H) for j in range(W)}
        for top in tops:
            for left in lefts:
                y = x[n].clone()
                y[:, top : top + patch, left : left + patch] = 0.25
                drop = s(x[n], n) - s(y, n)
                for i in range(top, top + patch):
                    for j in range(left, left + patch):
                        drops[i, j].append(drop)
        expected = torch.tensor([[sum(drops[i, j]) / len(drops[i, j]) for j in range(W)] for i in range(H)])
        torch.testing.assert_close(found.values[n], expected, rtol=1e-4, atol=1e-5)
    assert found.details == [{"patches": len(tops) * len(lefts)}] * 2


def test_chunks_and_batch_do_not_matter(x: Tensor) -> None:
    score = quadratic(2, H, W)
    whole = occlusion(x, PlainProbe(score, chunk=100), patch=4, stride=2).values
    torch.testing.assert_close(occlusion(x, PlainProbe(score, chunk=1), patch=4, stride=2).values, whole)
    torch.testing.assert_close(occlusion(x[:1], PlainProbe(score), patch=4, stride=2).values, whole[:1])


def test_picture_is_left_as_it_was(x: Tensor) -> None:
    before = x.clone()
    occlusion(x, PlainProbe(quadratic(1, H, W)), patch=4)
    assert torch.equal(x, before)


def test_constant_score_gives_zeros(x: Tensor) -> None:
    found = occlusion(x, PlainProbe(lambda x, picture: torch.full((len(x),), 7.0)), patch=3)
    assert (found.values == 0).all()


def test_one_pixel() -> None:
    found = occlusion(torch.ones((1, 3, 1, 1)), PlainProbe(lambda x, picture: x.sum((1, 2, 3))))
    assert found.values.tolist() == [[[3.0]]]


def test_usual_patch_is_a_seventh() -> None:
    found = occlusion(torch.zeros((1, 3, 28, 42)), PlainProbe(lambda x, picture: x.sum((1, 2, 3))))
    assert found.details == [{"patches": 25 * 39}]


@pytest.mark.parametrize(
    "options",
    [
        {"patch": 0},
        {"patch": 10},
        {"patch": 2.5},
        {"patch": True},
        {"patch": 4, "stride": 5},
        {"stride": 0},
        {"fill": "grey"},
        {"fill": float("nan")},
        {"after": "softmax"},
    ],
)
def test_bad_options(x: Tensor, options: dict[str, object]) -> None:
    (name,) = list(options)[-1:]
    with pytest.raises(MethodError, match=rf"occlusion.*{name}="):
        occlusion(x, PlainProbe(quadratic(1, H, W)), **options)  # type: ignore[arg-type]
