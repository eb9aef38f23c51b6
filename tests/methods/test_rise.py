"""RISE against its definition in plain loops, and the estimator against the published one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import whylight
from probing import PlainProbe, quadratic
from whylight import methods
from whylight.errors import MethodError
from whylight.methods.parts.masks import Masks, uniform
from whylight.methods.rise import estimate, rise

H, W, GRID = 13, 10, 3


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, H, W), generator=torch.Generator().manual_seed(0))


def plan(seed: int = 0, keep: float = 0.5, grid: int = GRID) -> Masks:
    return Masks(H, W, grid, keep, seed, torch.device("cpu"))


def test_masks_are_enlarged_grids_cut_at_random() -> None:
    """From the same dice in plain loops: bilinear with half-pixel centres to (grid + 1)·cell, then a cut."""
    cell = (math.ceil(H / GRID), math.ceil(W / GRID))
    found = plan(seed=5, keep=0.4)(range(7))
    dice = uniform(5, range(4), GRID**2 + 2)  # for each pair
    for n in range(7):
        own = [1 - float(u) if n % 2 else float(u) for u in dice[n // 2, : GRID**2]]
        shown = [[float(own[i * GRID + j] < 0.4) for j in range(GRID)] for i in range(GRID)]
        down, right = (int(dice[n // 2, GRID**2 + axis] * cell[axis]) for axis in (0, 1))

        def at(position: float) -> tuple[int, int, float]:
            position = min(max(position, 0.0), GRID - 1.0)
            low = min(int(position), GRID - 2)
            return low, low + 1, position - low

        for i in range(H):
            for j in range(W):
                i0, i1, di = at((i + down + 0.5) * GRID / ((GRID + 1) * cell[0]) - 0.5)
                j0, j1, dj = at((j + right + 0.5) * GRID / ((GRID + 1) * cell[1]) - 0.5)
                top = shown[i0][j0] * (1 - dj) + shown[i0][j1] * dj
                bottom = shown[i1][j0] * (1 - dj) + shown[i1][j1] * dj
                assert float(found[n, i, j]) == pytest.approx(top * (1 - di) + bottom * di, abs=1e-5)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_masks_let_through_what_they_should(keep: float) -> None:
    found = plan(keep=keep)(range(20_000))
    assert found.min() >= 0
    assert found.max() <= 1 + 1e-6
    torch.testing.assert_close(found.mean(0), torch.full((H, W), keep), atol=0.02, rtol=0)


def test_masks_of_a_pair_show_what_the_other_hides() -> None:
    found = plan()(range(41))
    torch.testing.assert_close(found[1:40:2], 1 - found[:40:2])
    torch.testing.assert_close(plan()(range(3, 8)), found[3:8])


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_each_mask_of_a_pair_lets_through_what_it_should(keep: float) -> None:
    found = plan(keep=keep)(range(40_000))
    for one in (found[::2], found[1::2]):
        torch.testing.assert_close(one.mean(0), torch.full((H, W), keep), atol=0.02, rtol=0)
        torch.testing.assert_close(
            torch.cov(one.flatten(1).T.double()), covariances(keep), atol=0.01, rtol=0
        )  # up to 0.25


@pytest.mark.parametrize("keep", [0.3, 0.5])
def test_mean_square_of_sums_over_pairs(keep: float) -> None:
    weights = torch.arange(1.0, 6.0, dtype=torch.float64)
    centred = (plan(keep=keep)(range(5)).double() - keep) * weights.reshape(-1, 1, 1)
    expected = [(centred[0] + centred[1]), (centred[2] + centred[3]), centred[4]]
    found = plan(keep=keep).squares(weights)
    torch.testing.assert_close(found, torch.stack([one.square().mean() for one in expected]), rtol=1e-5, atol=1e-6)


def test_dice_are_uniform_and_independent() -> None:
    dice = uniform(3, range(50_000), 4)
    torch.testing.assert_close(
        torch.histc(dice[:, 0], 10, 0, 1) / 50_000, torch.full((10,), 0.1).double(), atol=5e-3, rtol=0
    )
    torch.testing.assert_close(torch.corrcoef(dice.T), torch.eye(4).double(), atol=0.02, rtol=0)
    shifted = torch.corrcoef(torch.stack([dice[:-1, 0], dice[1:, 0], uniform(4, range(49_999), 4)[:, 0]]))
    torch.testing.assert_close(shifted, torch.eye(3).double(), atol=0.02, rtol=0)


def test_a_mask_depends_on_its_number_alone() -> None:
    whole = plan()(range(40))
    parts = torch.cat([plan()(range(7)), plan()(range(7, 8)), plan()(range(8, 40))])
    torch.testing.assert_close(parts, whole)
    assert not torch.equal(plan(seed=1)(range(40)), whole)


def covariances(keep: float) -> Tensor:
    """Cov(M(x), M(y)) of all pixels, (H·W, H·W), by going through every cut and every cell."""
    cells = range(GRID**2)
    total = torch.zeros((H * W, H * W), dtype=torch.float64)
    cuts = [(down, right) for down in range(math.ceil(H / GRID)) for right in range(math.ceil(W / GRID))]
    for down, right in cuts:
        for cell in cells:
            shown = torch.zeros((GRID, GRID))
            shown[cell // GRID, cell % GRID] = 1
            whole = torch.nn.functional.interpolate(
                shown[None, None],
                size=((GRID + 1) * math.ceil(H / GRID), (GRID + 1) * math.ceil(W / GRID)),
                mode="bilinear",
            )[0, 0]
            alone = whole[down : down + H, right : right + W].flatten().double()
            total += keep * (1 - keep) * alone.outer(alone)  # cells are independent
    return total / len(cuts)


@pytest.mark.parametrize("after", ["probability", "logit"])
@pytest.mark.parametrize("n", [2, 3, 13, 22, 23, 50])
def test_equation(x: Tensor, after: str, n: int) -> None:
    """E[s] + (Cov(s - f, M) + Cov(f, M)) / p, each term from its definition, on whole masks."""
    keep, score = 0.4, quadratic(1, H, W)
    found = rise(x, PlainProbe(score), masks=n, grid=GRID, keep=keep, seed=3, after=after)  # type: ignore[arg-type]
    drawn = plan(3, keep)(range(n))
    places = [
        int((i + 0.5) / (GRID + 1) * H) * W + int((j + 0.5) / (GRID + 1) * W)
        for i in range(GRID + 1)
        for j in range(GRID + 1)
    ]
    spread = covariances(keep)
    for picture in range(2):
        s = score(x[picture] * drawn.unsqueeze(1), picture).double()
        s = s.sigmoid() if after == "probability" else s
        centred = drawn.flatten(1).double() - keep
        if n < 20:  # too few to fit anything to
            expected = s.mean() + covariance(s, centred) / keep
        else:
            folds = [torch.arange(n) // 2 % 2 == 0, torch.arange(n) // 2 % 2 == 1]
            ridge = len(places) * spread[places, places].mean()
            expected = s.mean().expand(H * W).clone()
            for own, other in (folds, folds[::-1]):
                seen, told = centred[other][:, places], s[other]
                seen, told = seen - seen.mean(0), told - told.mean()
                w = torch.linalg.inv(seen.T @ seen + ridge * torch.eye(len(places))) @ (seen.T @ told)
                left = s[own] - centred[own][:, places] @ w
                expected += 0.5 * (covariance(left, centred[own]) + spread[:, places] @ w) / keep
        torch.testing.assert_close(found.values[picture].flatten().double(), expected, rtol=1e-4, atol=1e-5)
    assert [detail["masks"] for detail in found.details] == [n, n]


def covariance(scores: Tensor, centred: Tensor) -> Tensor:
    """Mean of (s - c)(M - p), c the mean score of the masks outside the pair, or 0 where there are none."""
    n, total = len(scores), torch.zeros(centred.shape[1:], dtype=torch.float64)
    for i in range(n):
        others = [float(scores[j]) for j in range(n) if j // 2 != i // 2]
        total += (scores[i] - (sum(others) / len(others) if others else 0)) * centred[i] / n
    return total


def published(x: Tensor, n: int, seed: int, keep: float = 0.5) -> Tensor:
    """Σ sᵢ Mᵢ / (n p), as in the paper, with independent masks: (H, W)."""
    drawn = plan(seed, keep)(range(2 * n))[::2]
    scores = quadratic(1, H, W)(x[0] * drawn.unsqueeze(1), 0)
    return (scores.reshape(-1, 1, 1) * drawn).mean(0) / keep


@pytest.mark.parametrize(("n", "runs"), [(2, 600), (25, 100)])
def test_same_expectation_where_a_mask_shows_little(x: Tensor, n: int, runs: int) -> None:
    """At another p than 1/2, where the masks of a pair are no complements, and even from a single pair."""
    keep = 0.3
    options = {"masks": n, "grid": GRID, "keep": keep, "after": "logit"}
    probe = PlainProbe(quadratic(1, H, W), 50)
    ours = torch.stack([rise(x[:1], probe, seed=r, **options).values[0] for r in range(runs)])  # type: ignore[arg-type]
    error = (ours.var(0) / runs).sqrt()
    reference = published(x, 20_000, 999, keep)
    assert ((ours.mean(0) - reference).abs() < 4.5 * error + 0.02).all()


def test_same_expectation_as_published_and_less_noise(x: Tensor) -> None:
    """Over many seeds both have the same mean, and ours scatters less."""
    runs, n = 150, 40
    ours = torch.stack(
        [
            rise(x[:1], PlainProbe(quadratic(1, H, W), 50), masks=n, grid=GRID, seed=r, after="logit").values[0]
            for r in range(runs)
        ]
    )
    theirs = torch.stack([published(x, n, r) for r in range(runs)])
    error = ((ours.var(0) + theirs.var(0)) / runs).sqrt()
    assert ((ours.mean(0) - theirs.mean(0)).abs() < 4.5 * error).all()
    # The bias of dividing by n instead of n - 1 would show against this.
    reference = published(x, 20_000, 999)
    assert ((ours.mean(0) - reference).abs() < 4.5 * (ours.var(0) / runs).sqrt() + 0.02).all()
    far = torch.full((1, 3, H, W), 1.0)  # scores far from zero are where the published one is noisy

    def lifted(x: Tensor, picture: int) -> Tensor:
        return quadratic(1, H, W)(x, picture) + 10

    ours = torch.stack(
        [rise(far, PlainProbe(lifted, 50), masks=n, grid=GRID, seed=r, after="logit").values[0] for r in range(60)]
    )
    plain = torch.stack(
        [
            (lifted(far[0] * m.unsqueeze(1), 0).reshape(-1, 1, 1) * m).mean(0) / 0.5
            for m in (plan(r)(range(2 * n))[::2] for r in range(60))
        ]
    )
    assert ours.var(0).mean() < 0.5 * plain.var(0).mean()


def test_standard_error_is_the_scatter_over_seeds(x: Tensor) -> None:
    runs = [
        rise(x[:1], PlainProbe(quadratic(1, H, W), 400), masks=400, grid=GRID, seed=r, after="logit") for r in range(60)
    ]
    told = sum(run.details[0]["standard_error"] for run in runs) / len(runs)
    # About the mean score: its own scatter moves a map's level, not its shape, and is not counted.
    means = [quadratic(1, H, W)(x[0] * plan(r)(range(400)).unsqueeze(1), 0).mean() for r in range(60)]
    stacked = torch.stack([run.values[0] - mean for run, mean in zip(runs, means, strict=True)])
    assert told == pytest.approx(float(stacked.var(0).mean().sqrt()), rel=0.15)


@pytest.mark.parametrize("tolerance", [None, 0.12])
def test_chunks_and_batch_do_not_matter(x: Tensor, tolerance: float | None) -> None:
    score = quadratic(1, H, W)
    options = {"masks": 2100, "grid": GRID, "after": "logit", "tolerance": tolerance}
    whole = rise(x, PlainProbe(score, 5000), **options)  # type: ignore[arg-type]
    for chunk in (1, 7, 130):
        found = rise(x, PlainProbe(score, chunk), **options)  # type: ignore[arg-type]
        torch.testing.assert_close(found.values, whole.values, rtol=1e-4, atol=1e-5)
        assert [d["masks"] for d in found.details] == [d["masks"] for d in whole.details]
    alone = rise(x[1:], PlainProbe(lambda x, picture: score(x, 1), 64), **options)  # type: ignore[arg-type]
    torch.testing.assert_close(alone.values[0], whole.values[1], rtol=1e-4, atol=1e-5)


def test_stops_early(x: Tensor) -> None:
    probe = PlainProbe(quadratic(1, H, W), 50)
    found = rise(x[:1], probe, masks=100_000, grid=GRID, tolerance=0.15, after="logit")
    (detail,) = found.details
    assert detail["masks"] < 20_000
    assert detail["masks"] % 200 == 0
    assert probe.ran == pytest.approx(detail["masks"], abs=50), "what was asked for is what was run"
    spread = float((found.values - found.values.mean()).square().mean().sqrt())
    assert detail["standard_error"] <= 0.15 * spread
    longer = rise(x[:1], PlainProbe(quadratic(1, H, W), 500), masks=20_000, grid=GRID, after="logit").values
    assert float(torch.corrcoef(torch.stack([found.values.flatten(), longer.flatten()]))[0, 1]) > 0.97


def test_constant_score(x: Tensor) -> None:
    """Nothing matters to it: a flat map, and no reason to go on."""
    found = rise(x, PlainProbe(lambda x, picture: torch.full((len(x),), 3.0)), tolerance=0.1, grid=GRID, after="logit")
    torch.testing.assert_close(found.values, torch.full((2, H, W), 3.0))
    assert found.details == [{"masks": 200, "standard_error": 0.0}] * 2


def test_picture_is_left_as_it_was(x: Tensor) -> None:
    before = x.clone()
    rise(x, PlainProbe(quadratic(1, H, W)), masks=10)
    assert torch.equal(x, before)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (224, 224)])
def test_any_size(size: tuple[int, int]) -> None:
    found = rise(torch.ones((1, 3, *size)), PlainProbe(lambda x, picture: x.mean((1, 2, 3))), masks=30)
    assert found.values.shape == (1, *size)
    assert found.values.isfinite().all()


def test_registered() -> None:
    method = methods.get("rise", masks=50)
    assert method.needs == ("inputs", "probe")


@pytest.mark.parametrize(
    "options",
    [
        {"masks": 1},
        {"masks": 2.5},
        {"masks": True},
        {"grid": 0},
        {"keep": 0},
        {"keep": 1},
        {"keep": float("nan")},
        {"tolerance": -1},
        {"tolerance": "low"},
        {"seed": "x"},
        {"after": "softmax"},
    ],
)
def test_bad_options(x: Tensor, options: dict[str, object]) -> None:
    (name,) = options
    with pytest.raises(MethodError, match=rf"rise.*{name}="):
        rise(x, PlainProbe(quadratic(1, H, W)), **options)  # type: ignore[arg-type]


def test_a_score_that_nothing_changes_leaves_no_evidence() -> None:
    """The map is the constant score then; shown from zero it would be hot all over."""
    model = whylight.wrap_callable(lambda x: x.new_tensor([[0.7, 0.3]]).expand(len(x), 2), size=16)
    picture = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    ex = whylight.explain(model, picture, method=methods.Rise(masks=50), target=0)
    torch.testing.assert_close(ex.map, torch.full((16, 16), 0.7))
    assert ex.level == pytest.approx(0.7)
    assert not ex.heatmap().any()
    noisy = torch.Generator().manual_seed(0)
    chance = whylight.wrap_callable(lambda x: torch.rand((len(x), 2), generator=noisy), size=16, outputs="logits")
    assert whylight.explain(chance, picture, method=methods.Rise(masks=400), target=0).is_blank


@pytest.mark.parametrize("keep", [0.3, 0.5])
@pytest.mark.parametrize("masks", [4, 8, 40])
def test_the_error_of_few_masks_is_the_scatter_too(x: Tensor, keep: float, masks: int) -> None:
    """Root mean square over seeds, of the map against its own mean score."""
    shapes, errors = [], []
    for seed in range(80):
        plan = Masks(x.shape[2], x.shape[3], 4, keep, seed, x.device)
        shown = plan(range(masks)).reshape(masks, *x.shape[2:])
        scores = (4 * (shown[:, :9].mean((1, 2)) - keep)).double().sigmoid()
        values, error = estimate(plan, scores)
        shapes.append(values - scores.mean())
        errors.append(error)
    scatter = float(torch.stack(shapes).var(0).mean().sqrt())
    told = float(torch.tensor(errors).square().mean().sqrt())
    assert told == pytest.approx(scatter, rel=0.15)


@pytest.mark.parametrize("masks", [2, 3])
def test_too_few_masks_tell_no_error(x: Tensor, masks: int) -> None:
    found = rise(x[:1], PlainProbe(lambda inputs, picture: inputs.mean((1, 2, 3))), masks=masks)
    assert math.isnan(found.details[0]["standard_error"])
    assert found.levels is not None
    assert found.levels.isfinite().all()
