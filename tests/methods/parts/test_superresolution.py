"""The operator against loops over pixels, the solver against dense algebra and another solver."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.parts.resampling import Box, Operator, Transforms, draw, warp
from whylight.methods.parts.superresolution import differences, spread, superresolve

SOME = Box(rotation=35, shift=0.15, scale=1.2, mirrored=True)


def read(picture: Tensor, x: float, y: float) -> float:
    """The picture between pixel centres; beyond the outermost ones it goes on as it is."""
    height, width = picture.shape
    x0, y0 = math.floor(x), math.floor(y)
    total = 0.0
    for dy, wy in ((0, 1 - (y - y0)), (1, y - y0)):
        for dx, wx in ((0, 1 - (x - x0)), (1, x - x0)):
            row, column = min(max(y0 + dy, 0), height - 1), min(max(x0 + dx, 0), width - 1)
            total += wy * wx * float(picture[row, column])
    return total


def loop(picture: Tensor, m: Tensor, t: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """One copy's cells, (h, w), and the share of each that lies inside the frame."""
    height, width = picture.shape
    h, w = grid
    values, shares = torch.zeros(grid), torch.zeros(grid)
    for i in range(h):
        for j in range(w):
            total = seen = 0.0
            for py in range(height):
                for px in range(width):
                    part_y = max(0.0, min(py + 1, (i + 1) * height / h) - max(py, i * height / h))
                    part_x = max(0.0, min(px + 1, (j + 1) * width / w) - max(px, j * width / w))
                    # The pixel's middle is at px + ½ of [0, W], and so is the middle of the pixel it shows.
                    cx, cy = px + 0.5 - width / 2, py + 0.5 - height / 2
                    x = float(m[0, 0]) * cx + float(m[0, 1]) * cy + float(t[0]) * width + width / 2
                    y = float(m[1, 0]) * cx + float(m[1, 1]) * cy + float(t[1]) * height + height / 2
                    if 0 <= x <= width and 0 <= y <= height:
                        total += part_y * part_x * read(picture, x - 0.5, y - 0.5)
                        seen += part_y * part_x
            values[i, j] = total / seen if seen else 0.0
            shares[i, j] = seen * h * w / (height * width)
    return values, shares


@pytest.mark.parametrize(("size", "grid"), [((8, 12), (2, 3)), ((9, 7), (4, 3))], ids=["whole pixels", "shared pixels"])
def test_operator_is_the_mean_over_cells_of_the_copies(size: tuple[int, int], grid: tuple[int, int]) -> None:
    picture = torch.rand(size, generator=torch.Generator().manual_seed(0))
    transforms = draw(10, SOME, seed=1)
    a = Operator(transforms, size, grid)
    found = a(picture[None]).reshape(5, *grid, 2)
    weights = a.weights.reshape(5, *grid)
    assert (weights < 0.9).any(), "some cells reach out of the frame"
    for at in range(5):
        for column, seen in enumerate((picture, picture.flip(1))):
            values, shares = loop(seen, transforms.matrix[at], transforms.shift[at], grid)
            torch.testing.assert_close(found[at, :, :, column], values, rtol=1e-5, atol=1e-5)
            torch.testing.assert_close(weights[at], shares.square(), rtol=1e-4, atol=1e-5)


def test_first_copy_is_the_picture_itself() -> None:
    picture = torch.rand((1, 8, 8), generator=torch.Generator().manual_seed(0))
    a = Operator(draw(3, SOME._replace(mirrored=False), seed=0), (8, 8), (2, 2))
    expected = torch.nn.functional.avg_pool2d(picture[None], 4).flatten()
    torch.testing.assert_close(a(picture)[:4, 0], expected)


def test_copies_of_pictures_are_those_the_operator_means() -> None:
    """Where a cell lies inside the frame, the mean over the warped picture's cell is the operator's value."""
    picture = torch.rand((2, 1, 24, 32), generator=torch.Generator().manual_seed(0))
    transforms = draw(12, SOME, seed=3)
    a = Operator(transforms, (24, 32), (3, 4))
    copies = torch.cat(
        [warp(picture, transforms, range(5)), warp(picture, transforms, range(5, 12))]
    )  # (12, 2, 1, 24, 32)
    cells = torch.nn.functional.avg_pool2d(copies[:, :, 0], 8).transpose(0, 1)  # (2, 12, 3, 4)
    whole = (a.weights > 1 - 1e-5).expand(-1, 4)
    assert 0.2 < whole.float().mean() < 1
    torch.testing.assert_close(a.arrange(cells)[whole], a(picture[:, 0])[whole], rtol=1e-4, atol=1e-5)


def test_a_shift_by_one_cell_shifts_by_one_cell() -> None:
    picture = torch.arange(64.0).reshape(1, 8, 8)
    shifted = Transforms(
        torch.eye(2, dtype=torch.float64)[None], torch.tensor([[0.25, 0.0]], dtype=torch.float64), False
    )
    a = Operator(shifted, (8, 8), (4, 4))
    straight = torch.nn.functional.avg_pool2d(picture[None], 2)[0, 0]
    torch.testing.assert_close(a(picture).reshape(4, 4)[:, :3], straight[:, 1:])
    assert a.weights.reshape(4, 4)[:, 3].eq(0).all(), "the last column shows nothing of the picture"


def test_adjoint() -> None:
    g = torch.Generator().manual_seed(0)
    a = Operator(draw(8, SOME, seed=0), (20, 24), (4, 5))
    x = torch.randn((3, 20, 24), generator=g)
    y = torch.randn((4 * 20, 6), generator=g)
    left = (a(x) * y).sum(0).reshape(2, 3).sum(0)
    torch.testing.assert_close(left, (x * a.adjoint(y)).sum((1, 2)), rtol=1e-4, atol=1e-3)
    p = torch.randn((4, 3, 19, 23), generator=g)
    torch.testing.assert_close((differences(x) * p).sum(), (x * spread(p)).sum(), rtol=1e-4, atol=1e-3)


def test_draws_are_fixed_by_the_seed_and_stay_in_the_box() -> None:
    first, again, other = draw(64, SOME, 1), draw(64, SOME, 1), draw(64, SOME, 2)
    assert torch.equal(first.matrix, again.matrix)
    assert torch.equal(first.shift, again.shift)
    assert not torch.equal(first.matrix, other.matrix)
    scale = torch.linalg.det(first.matrix).sqrt()
    angle = torch.rad2deg(torch.atan2(first.matrix[:, 1, 0], first.matrix[:, 0, 0]))
    assert first.copies == 64
    assert 30 < angle.abs().max() <= 35
    assert 0.13 < first.shift.abs().max() <= 0.15
    assert 1 / 1.2 <= scale.min() < 0.87 < 1.15 < scale.max() <= 1.2
    with pytest.raises(MethodError, match="even"):
        draw(7, SOME, 0)


def test_a_grid_finer_than_the_picture_is_refused() -> None:
    with pytest.raises(MethodError, match="finer"):
        Operator(draw(2, SOME, 0), (4, 4), (5, 4))


# The solver. Small problems, so that dense algebra in double precision can tell the answer.

SIZE, GRID = (16, 20), (4, 5)


def problem(n: int = 2, copies: int = 16) -> tuple[Tensor, Operator]:
    maps = torch.rand((n, copies, *GRID), generator=torch.Generator().manual_seed(5))
    return maps, Operator(draw(copies, SOME, seed=0), SIZE, GRID)


def dense(operator: Operator) -> tuple[Tensor, Tensor]:
    """A of all copies, in the order of maps flattened, and M²; double precision."""
    pixels = SIZE[0] * SIZE[1]
    both = operator(torch.eye(pixels).reshape(pixels, *SIZE)).reshape(-1, *GRID, 2, pixels)
    a = both.permute(0, 3, 1, 2, 4).reshape(-1, pixels).double()  # (L, mirrored, h, w) rows
    weights = operator.weights.reshape(-1, 1, *GRID).expand(-1, 2, -1, -1).reshape(-1).double()
    return a, weights


def penalties(maps: Tensor, weights: Tensor, tv: float, ridge: float) -> tuple[Tensor, float]:
    """λ_tv (N,) and λ_e as the module defines them."""
    m, pixels = weights.sum(), SIZE[0] * SIZE[1]
    s = ((weights * maps.flatten(1).double().square()).sum(1) / m).sqrt()
    c = math.sqrt(pixels / (GRID[0] * GRID[1]))
    return tv * s * c * m / pixels, float(ridge * m / pixels)


def total_variation(h: Tensor, smooth: float = 0.0) -> Tensor:
    """Σ over the places where four pixels meet of the root of the mean squared differences along x plus those along y."""
    total = h.new_zeros(())
    for i in range(h.shape[0] - 1):
        top, bottom = h[i, 1:] - h[i, :-1], h[i + 1, 1:] - h[i + 1, :-1]
        left, right = (h[i + 1] - h[i])[:-1], (h[i + 1] - h[i])[1:]
        square = (top**2 + bottom**2) / 2 + (left**2 + right**2) / 2
        total = total + (square + smooth**2).sqrt().sum()
    return total


def test_ridge_alone_is_the_closed_form() -> None:
    maps, operator = problem()
    a, weights = dense(operator)
    _, lam = penalties(maps, weights, 0, 0.02)
    found = superresolve(maps, operator, tv=0, ridge=0.02, tolerance=1e-7)
    left = a.T @ (weights[:, None] * a) + lam * torch.eye(a.shape[1], dtype=torch.float64)
    right = a.T @ (weights[:, None] * maps.flatten(1).double().T)
    expected = torch.linalg.solve(left, right).T.reshape(-1, *SIZE)
    assert found.converged.all()
    torch.testing.assert_close(found.values.double(), expected, rtol=0, atol=5e-3)
    # The energy is curved by 2·λ_e at least, so that the gap bounds the distance, too.
    distance = (found.values.double() - expected).square().mean((1, 2)) / maps.square().mean()
    assert (distance <= 2 * found.gap / 0.02).all()


def test_total_variation_against_another_solver() -> None:
    """L-BFGS on the smoothed energy, in double precision: the minimum is the same, within what the smoothing changes."""
    maps, operator = problem(n=1)
    a, weights = dense(operator)
    tv, ridge = 0.05, 0.05
    lam_tv, lam = penalties(maps, weights, tv, ridge)
    g = maps.flatten().double()

    def energy(h: Tensor, smooth: float = 0.0) -> Tensor:
        missed = (weights * (a @ h.flatten() - g).square()).sum()
        return missed + lam_tv[0] * total_variation(h, smooth) + lam * h.square().sum()

    h = torch.zeros(SIZE, dtype=torch.float64, requires_grad=True)
    for smooth in (1e-2, 1e-3):
        solver = torch.optim.LBFGS(
            [h], max_iter=200, tolerance_grad=1e-10, history_size=50, line_search_fn="strong_wolfe"
        )

        def closure(smooth: float = smooth, solver: torch.optim.LBFGS = solver) -> Tensor:
            solver.zero_grad()
            loss = energy(h, smooth)
            loss.backward()
            return loss

        solver.step(closure)
    found = superresolve(maps, operator, tv=tv, ridge=ridge, tolerance=1e-6, most=20000)
    assert found.converged.all()
    with torch.no_grad():
        ours, theirs, zero = energy(found.values[0].double()), energy(h), energy(torch.zeros_like(h))
    assert ours <= theirs + 2e-6 * zero
    assert theirs <= ours + 1e-3 * zero, "the other solver came near, too"
    torch.testing.assert_close(found.values[0].double(), h.detach(), rtol=0, atol=0.02)
    flat = superresolve(maps, operator, tv=0, ridge=ridge, tolerance=1e-6).values
    assert (flat - found.values).abs().max() > 0.05, "the total variation matters here"


def test_gap_is_a_bound_and_tolerance_is_kept() -> None:
    maps, operator = problem()
    a, weights = dense(operator)
    lam_tv, lam = penalties(maps, weights, 0.05, 0.05)

    def energy(h: Tensor, n: int) -> float:
        missed = (weights * (a @ h.double().flatten() - maps[n].double().flatten()).square()).sum()
        return float(missed + lam_tv[n] * total_variation(h.double()) + lam * h.double().square().sum())

    best = superresolve(maps, operator, tv=0.05, ridge=0.05, tolerance=1e-6, most=20000)
    rough = superresolve(maps, operator, tv=0.05, ridge=0.05, tolerance=1e-2)
    assert (rough.iterations < best.iterations).all()
    for n in range(2):
        share = (energy(rough.values[n], n) - energy(best.values[n], n)) / energy(torch.zeros(SIZE), n)
        assert -1e-6 <= share <= rough.gap[n] <= 1e-2
    fine = superresolve(maps, operator, tv=0.05, ridge=0.05, tolerance=1e-4, most=20000)
    assert (fine.values - best.values).norm() < 0.02 * best.values.norm()


def test_stopping_short_is_announced() -> None:
    maps, operator = problem()
    found = superresolve(maps, operator, tv=0.05, ridge=0.05, tolerance=1e-9, most=7)
    assert not found.converged.any()
    assert found.iterations.tolist() == [7, 7]
    assert (found.gap > 1e-9).all()


def test_constant_maps_give_a_constant() -> None:
    _, operator = problem()
    found = superresolve(torch.full((1, 16, *GRID), 3.0), operator, tv=0.1, ridge=1e-3, tolerance=1e-7)
    torch.testing.assert_close(found.values, torch.full((1, *SIZE), 3.0), rtol=5e-3, atol=0)


def test_zeros_give_zeros_and_pictures_do_not_mix() -> None:
    maps, operator = problem()
    maps[0] = 0
    found = superresolve(maps, operator, tv=0.05, ridge=0.05, tolerance=1e-4)
    assert found.values[0].eq(0).all()
    assert found.iterations[0] == 0
    alone = superresolve(maps[1:], operator, tv=0.05, ridge=0.05, tolerance=1e-4)
    torch.testing.assert_close(found.values[1:], alone.values, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("factor", [1e-30, 3.0, 1e20])
def test_scale_of_the_maps_is_the_scale_of_the_result(factor: float) -> None:
    maps, operator = problem()
    once = superresolve(maps, operator, tv=0.05, ridge=0.05, tolerance=1e-4).values
    more = superresolve(maps * factor, operator, tv=0.05, ridge=0.05, tolerance=1e-4).values
    torch.testing.assert_close(more / factor, once, rtol=1e-3, atol=1e-4)


def test_a_small_square_is_found_where_it_is() -> None:
    """Within a pixel, from maps whose cells are 32 pixels wide."""
    places = [(60, 80), (97, 41), (112, 112)]
    truth = torch.zeros((3, 224, 224))
    for picture, (y, x) in zip(truth, places, strict=True):
        picture[y - 6 : y + 6, x - 6 : x + 6] = 1  # its middle is at (y − ½, x − ½) in pixel indices
    operator = Operator(draw(60, Box(45, 0.1, 1.25, True), 0), (224, 224), (7, 7))
    cells = operator(truth).reshape(30, 7, 7, 2, 3).permute(4, 0, 3, 1, 2).reshape(3, 60, 7, 7)
    found = superresolve(cells, operator, tv=0.03, ridge=0.03, tolerance=1e-3).values
    at = torch.arange(224.0)
    for h, (y, x) in zip(found, places, strict=True):
        hot = (h - 0.5 * h.max()).relu()
        assert abs((hot.sum(1) * at).sum() / hot.sum() - (y - 0.5)) < 1
        assert abs((hot.sum(0) * at).sum() / hot.sum() - (x - 0.5)) < 1
