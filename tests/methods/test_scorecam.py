"""Score-CAM against its equation in plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from probing import PlainProbe, quadratic
from whylight import methods
from whylight.errors import MethodError
from whylight.methods.scorecam import scorecam

N, K, PLACES, SIZE = 2, 7, (3, 4), (12, 10)


@pytest.fixture
def x() -> Tensor:
    return torch.randn((N, 3, *SIZE), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def a() -> Tensor:
    """Activations with negative values, a dead channel, and one that is the same everywhere."""
    a = torch.randn((N, K, *PLACES), generator=torch.Generator().manual_seed(1))
    a[:, 2] = 0
    a[:, 5] = 1.5
    return a


def enlarged(grid: Tensor, i: int, j: int) -> float:
    """Bilinear with half-pixel centres, by hand."""

    def ends(position: int, side: int, places: int) -> tuple[int, int, float]:
        at = min(max((position + 0.5) * places / side - 0.5, 0.0), places - 1.0)
        low = min(int(at), max(places - 2, 0))
        return low, min(low + 1, places - 1), at - low

    top, bottom, down = ends(i, SIZE[0], grid.shape[0])
    left, right, along = ends(j, SIZE[1], grid.shape[1])
    above = float(grid[top, left]) * (1 - along) + float(grid[top, right]) * along
    below = float(grid[bottom, left]) * (1 - along) + float(grid[bottom, right]) * along
    return above * (1 - down) + below * down


def oracle(a: Tensor, x: Tensor, s: object) -> Tensor:
    """One picture's map: masks, scores, softmax and sum in plain Python."""
    increases = []
    for k in range(len(a)):
        mask = [[enlarged(a[k], i, j) for j in range(SIZE[1])] for i in range(SIZE[0])]
        low, high = min(map(min, mask)), max(map(max, mask))
        if float(a[k].min()) == float(a[k].max()):
            increases.append(0.0)
            continue
        masked = x.clone()
        for i in range(SIZE[0]):
            for j in range(SIZE[1]):
                masked[:, i, j] *= (mask[i][j] - low) / (high - low)
        increases.append(s(masked) - s(torch.zeros_like(x)))  # type: ignore[operator]
    total = sum(math.exp(c) for c in increases)
    weights = [math.exp(c) / total for c in increases]
    h, w = a.shape[1:]
    return torch.tensor(
        [[max(0.0, sum(weights[k] * float(a[k, i, j]) for k in range(len(a)))) for j in range(w)] for i in range(h)]
    )


@pytest.mark.parametrize("after", ["logit", "probability"])
def test_equation(a: Tensor, x: Tensor, after: str) -> None:
    score = quadratic(1, *SIZE)
    probe = PlainProbe(score)
    found = scorecam(a, x, probe, after=after)  # type: ignore[arg-type]
    for n in range(N):

        def s(y: Tensor, n: int = n) -> float:
            value = score(y.unsqueeze(0), n)[0]
            return float(value if after == "logit" else value.sigmoid())

        torch.testing.assert_close(found.values[n], oracle(a[n], x[n], s), rtol=1e-4, atol=1e-5)
    assert probe.ran == N * (K - 2 + 1), "channels without a mask are not run; the baseline is"
    for n, detail in enumerate(found.details):
        baseline = score(torch.zeros((1, 3, *SIZE)), n)
        told = float(baseline if after == "logit" else baseline.sigmoid())
        assert detail == {"channels": K, "run": K - 2, "baseline": pytest.approx(told)}


def test_chunks_and_batch_do_not_matter(a: Tensor, x: Tensor) -> None:
    score = quadratic(2, *SIZE)
    for channels in ("all", 3):
        whole = scorecam(a, x, PlainProbe(score, 100), channels=channels).values  # type: ignore[arg-type]
        for chunk in (1, 4):
            found = scorecam(a, x, PlainProbe(score, chunk), channels=channels).values  # type: ignore[arg-type]
            torch.testing.assert_close(found, whole)
        one = scorecam(a[1:], x[1:], PlainProbe(lambda x, picture: score(x, 1), 3), channels=channels).values  # type: ignore[arg-type]
        torch.testing.assert_close(one[0], whole[1])


def test_scale_and_offset_of_a_channel_change_its_mask_not(a: Tensor, x: Tensor) -> None:
    seen: list[Tensor] = []

    def score(y: Tensor, picture: int) -> Tensor:
        seen.append(y)
        return y.sum((1, 2, 3))

    scorecam(a[:1], x[:1], PlainProbe(score, 100))
    scorecam(a[:1] * 1e-20, x[:1], PlainProbe(score, 100))
    torch.testing.assert_close(seen[0], seen[1], rtol=1e-4, atol=1e-5)


def test_zero_activations(x: Tensor) -> None:
    probe = PlainProbe(quadratic(1, *SIZE))
    found = scorecam(torch.zeros((N, K, *PLACES)), x, probe)
    assert (found.values == 0).all()
    assert probe.ran == N
    assert [d["run"] for d in found.details] == [0, 0]


@pytest.mark.parametrize("places", [(1, 1), (1, 5), (30, 30)])
def test_any_grid(places: tuple[int, int], x: Tensor) -> None:
    """One place is the same everywhere; more places than pixels are sampled."""
    a = torch.randn((N, K, *places), generator=torch.Generator().manual_seed(3))
    for channels in ("all", 2):
        found = scorecam(a, x, PlainProbe(quadratic(1, *SIZE)), channels=channels).values  # type: ignore[arg-type]
        assert found.shape == (N, *places)
        assert found.isfinite().all()


def smooth_channels(k: int) -> tuple[Tensor, Tensor]:
    """Blobs of all sizes at all places, and a picture."""
    dice = torch.Generator().manual_seed(4)
    at = torch.rand((k, 2, 1, 1), generator=dice) * 7
    rows, columns = torch.arange(7.0).reshape(7, 1), torch.arange(7.0).reshape(1, 7)
    width = 0.5 + 2 * torch.rand((k, 1, 1), generator=dice)
    a = (-((rows - at[:, 0]) ** 2 + (columns - at[:, 1]) ** 2) / (2 * width**2)).exp() * torch.rand(
        (k, 1, 1), generator=dice
    )
    return a.unsqueeze(0), torch.rand((1, 3, 28, 28), generator=dice)


def object_score(y: Tensor, picture: int) -> Tensor:
    """Grows with what is seen of the object in one corner, falls with the rest."""
    return 12 * y[:, :, 2:14, 10:24].mean((1, 2, 3)).sqrt() - 3 * y.mean((1, 2, 3))


def test_some_channels_do_for_all() -> None:
    a, x = smooth_channels(400)
    whole = scorecam(a, x, PlainProbe(object_score, 64)).values
    probe = PlainProbe(object_score, 64)
    some = scorecam(a, x, probe, channels=60)
    assert probe.ran == 61
    assert some.details[0]["run"] == 60
    assert float(torch.corrcoef(torch.stack([whole.flatten(), some.values.flatten()]))[0, 1]) > 0.99
    # A share picked without looking does worse: it is the choice that makes the difference.
    few = a[:, torch.randperm(400, generator=torch.Generator().manual_seed(0))[:60]]
    blind = scorecam(few, x, PlainProbe(object_score, 64)).values
    assert (some.values - whole).norm() < 0.5 * (blind - whole).norm()


@pytest.mark.parametrize("channels", [K - 2, K, 1000])
def test_as_many_as_there_are_is_all(a: Tensor, x: Tensor, channels: int) -> None:
    score = quadratic(1, *SIZE)
    whole = scorecam(a, x, PlainProbe(score)).values
    torch.testing.assert_close(scorecam(a, x, PlainProbe(score), channels=channels).values, whole)


def test_one_channel_and_equal_channels(x: Tensor) -> None:
    """Equal masks have no distances between them to learn from."""
    a = torch.randn((N, 1, *PLACES)).expand(N, 9, *PLACES)
    found = scorecam(a, x, PlainProbe(quadratic(1, *SIZE)), channels=3).values
    torch.testing.assert_close(found, a[:, 0].relu(), rtol=1e-4, atol=1e-5)
    assert scorecam(a, x, PlainProbe(quadratic(1, *SIZE)), channels=1).values.isfinite().all()


def test_registered() -> None:
    assert methods.get("scorecam", channels=256).needs == ("activations", "inputs", "probe")


@pytest.mark.parametrize(
    "options", [{"channels": 0}, {"channels": "most"}, {"channels": 2.0}, {"channels": True}, {"after": "softmax"}]
)
def test_bad_options(a: Tensor, x: Tensor, options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(MethodError, match=rf"scorecam.*{name}="):
        scorecam(a, x, PlainProbe(quadratic(1, *SIZE)), **options)  # type: ignore[arg-type]
