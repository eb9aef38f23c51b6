"""FEM and deep feature factorisation: plain loops, and what a factorisation must satisfy."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.dff import dff, factorise
from whylight.methods.fem import fem

N, K, H, W = 2, 6, 4, 5

# The same sweeps on the same numbers agree to rounding: a sweep is a chain of sums of some 60 products, and ten of them were off by
# 1e-6 at most. When to stop is another matter: a sweep that improves the error by about `tolerance` is the last, or not, as its
# rounding falls, and one sweep more moves the maps by up to half a percent. Here every run makes ten, all of which still improve.
TEN: dict[str, Any] = {"iterations": 10, "tolerance": 0.0}


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("sigmas", [2.0, 0.5])
def test_fem(sigmas: float) -> None:
    a = random(N, K, H, W, seed=1) + 0.1
    a[:, 2] = 3.25  # constant: nothing in it is unusual
    expected = torch.zeros(N, H, W)
    for n in range(N):
        for k in range(K):
            values = [float(v) for v in a[n, k].flatten()]
            mean = sum(values) / len(values)
            deviation = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
            for i in range(H):
                for j in range(W):
                    if float(a[n, k, i, j]) > mean + sigmas * deviation:
                        expected[n, i, j] += mean
    assert expected.any()
    torch.testing.assert_close(fem(a, sigmas=sigmas), expected)


def mixture(seed: int, n: int = 1, concepts: int = 3, noise: float = 0.0) -> Tensor:
    """Activations (n, K, H, W) made of concepts that each own a few places and channels."""
    generator = torch.Generator().manual_seed(seed)
    where = torch.rand((n, concepts, H * W), generator=generator)
    where = where * (torch.rand((n, concepts, H * W), generator=generator) < 0.4)
    what = torch.rand((n, concepts, K), generator=generator) * (torch.rand((n, concepts, K), generator=generator) < 0.6)
    a = torch.einsum("nrp,nrk->nkp", where, what) + noise * torch.rand((n, K, H * W), generator=generator)
    return a.reshape(n, K, H, W)


def test_factorise_is_a_factorisation() -> None:
    a = mixture(2, n=N, noise=0.1)
    maps, directions, details = factorise(a, 3)
    assert maps.shape == (N, 3, H, W)
    assert directions.shape == (N, 3, K)
    assert (maps >= 0).all()
    assert (directions >= 0).all()
    torch.testing.assert_close(directions.norm(dim=2), torch.ones(N, 3))
    for n in range(N):
        rebuilt = sum(maps[n, r].reshape(1, H, W) * directions[n, r].reshape(K, 1, 1) for r in range(3))
        left = float((a[n] - rebuilt).norm() / a[n].norm())
        assert details[n]["unexplained"] == pytest.approx(left, rel=1e-3)
        assert left < 0.2
        strength = maps[n].flatten(1).norm(dim=1)
        assert (strength[:-1] >= strength[1:]).all(), "strongest concept first"


def test_factorise_is_stationary() -> None:
    """At a minimum under w, h ≥ 0 the gradient is zero where a factor is positive, and not negative where it is zero."""
    a = mixture(3, noise=0.2)
    maps, directions, _ = factorise(a, 3, iterations=20_000, tolerance=0.0)
    v, w, h = a[0].flatten(1).T.double(), maps[0].flatten(1).double(), directions[0].double()
    left = w.T @ h - v  # (P, K)
    for factor, gradient in ((w, h @ left.T), (h, w @ left)):
        scale = float(v.square().sum())
        assert float((factor * gradient).abs().max()) < 1e-4 * scale
        assert float(gradient[factor == 0].min()) > -1e-4 * scale


def test_factorise_never_gets_worse() -> None:
    a = mixture(4, noise=0.5)
    errors = [factorise(a, 3, iterations=i, tolerance=0.0)[2][0]["unexplained"] for i in (1, 2, 4, 8, 16, 64)]
    assert all(later <= earlier + 1e-6 for earlier, later in pairwise(errors))
    assert errors[-1] < errors[0]


def test_factorise_finds_one_concept_exactly() -> None:
    """One concept, rank one: the factorisation is unique."""
    where, what = torch.rand((1, H, W), generator=torch.Generator().manual_seed(5)), torch.tensor([3.0, 0, 4, 0, 0, 0])
    maps, directions, details = factorise((where * what.reshape(K, 1, 1)).unsqueeze(0), 1)
    torch.testing.assert_close(directions[0, 0], what / 5)
    torch.testing.assert_close(maps[0, 0], 5 * where[0])
    assert details[0]["unexplained"] == pytest.approx(0, abs=1e-6)


def test_concepts_with_nothing_left_are_zero() -> None:
    maps, directions, details = factorise(torch.ones(1, K, H, W), 4)
    assert details[0]["unexplained"] == pytest.approx(0, abs=1e-6)
    assert (maps[0, 1:] == 0).all()
    assert (directions[0, 1:] == 0).all()


def test_shared_directions() -> None:
    a = mixture(6, n=3, noise=0.1)
    maps, directions, details = factorise(a, 3, shared=True)
    assert maps.shape == (3, 3, H, W)
    assert torch.equal(directions[0], directions[2])
    rebuilt = torch.einsum("nrhw,nrk->nkhw", maps, directions)
    for n in range(3):
        assert details[n]["unexplained"] == pytest.approx(float((a[n] - rebuilt[n]).norm() / a[n].norm()), rel=1e-3)


def test_shared_directions_are_those_of_the_pictures_side_by_side() -> None:
    a = mixture(6, n=3, noise=0.1)
    maps, directions, details = factorise(a, 3, shared=True, **TEN)
    wide, same, one = factorise(torch.cat(list(a), 1).unsqueeze(0), 3, **TEN)
    assert [detail["sweeps"] for detail in (*details, *one)] == [10] * 4
    torch.testing.assert_close(torch.cat(list(maps), 1), wide[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(directions[0], same[0], rtol=1e-5, atol=1e-5)


def test_dff_takes_the_concept_that_adds_most() -> None:
    a, g = mixture(7, n=N, noise=0.1), random(N, K, H, W, seed=8)
    found = dff(a, g, concepts=3)
    maps, directions, _ = factorise(a, 3)
    for n in range(N):
        adds = []
        for r in range(3):
            total = 0.0
            for k in range(K):
                for i in range(H):
                    for j in range(W):
                        total += float(g[n, k, i, j]) * float(maps[n, r, i, j]) * float(directions[n, r, k])
            adds.append(total)
        assert found.details[n]["contributions"] == pytest.approx(adds, rel=1e-4, abs=1e-5)
        assert found.details[n]["concept"] == adds.index(max(adds))
        assert torch.equal(found.values[n], maps[n, adds.index(max(adds))])


def test_a_picture_does_not_depend_on_its_batch() -> None:
    a = mixture(9, n=3, noise=0.3)
    torch.testing.assert_close(factorise(a, 3, **TEN)[0][2], factorise(a[2:], 3, **TEN)[0][0], rtol=1e-5, atol=1e-5)


def test_negative_activations_do_not_count() -> None:
    a = random(1, K, H, W, seed=10)
    assert torch.equal(factorise(a, 3)[0], factorise(a.relu(), 3)[0])


def test_options() -> None:
    a = torch.zeros(1, K, H, W)
    with pytest.raises(MethodError, match="concepts=0; it is a whole number, 1 or more"):
        factorise(a, 0)
    with pytest.raises(MethodError, match="tolerance=nan"):
        factorise(a, 2, tolerance=float("nan"))
    with pytest.raises(MethodError, match="'fem': sigmas='2'"):
        fem(a, sigmas="2")  # type: ignore[arg-type]


def test_nothing_in_nothing_out() -> None:
    zero = torch.zeros(N, K, H, W)
    assert (fem(zero) == 0).all()
    found = dff(zero, zero)
    assert found.values.shape == (N, H, W)
    assert (found.values == 0).all()
    assert found.details[0]["unexplained"] == 0
    assert (dff(-torch.ones(N, K, H, W), zero).values == 0).all(), "negative activations are no concept"
