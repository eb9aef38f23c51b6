"""Singular vectors and kernel components against independent algebra: power iteration, NumPy's SVD, explicit centring."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from whylight.errors import MethodError
from whylight.methods.eigencam import eigencam
from whylight.methods.eigengradcam import eigengradcam
from whylight.methods.kpcacam import kpcacam
from whylight.methods.parts.principal import leading, with_sign

N, H, W = 2, 3, 4
PLACES = H * W


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("channels", [5, 40], ids=["more places than channels", "more channels than places"])
def test_leading_is_the_svd(channels: int) -> None:
    matrix = random(N, channels, PLACES, seed=1) + 0.2
    vectors = leading(matrix, 4)
    assert vectors.shape == (N, 4, PLACES)
    assert vectors.dtype == torch.float32
    for n in range(N):
        rows = np.linalg.svd(matrix[n].double().numpy())[2][:4]
        mean = matrix[n].double().numpy().mean(0)
        for found, row in zip(vectors[n].double().numpy(), rows, strict=True):
            np.testing.assert_allclose(found, row * np.sign(row @ mean), atol=1e-5)


@pytest.mark.parametrize("channels", [5, 40])
def test_leading_beyond_the_rank_is_zero_and_the_rest_is_orthonormal(channels: int) -> None:
    matrix = random(N, channels, 2, seed=2) @ random(N, 2, PLACES, seed=3)
    vectors = leading(matrix, 50).double()
    assert vectors.shape == (N, 50, PLACES)
    expected = torch.diag(torch.tensor([1.0, 1.0] + [0.0] * 48, dtype=torch.float64)).expand(N, -1, -1)
    torch.testing.assert_close(vectors @ vectors.transpose(1, 2), expected, atol=1e-5, rtol=0)
    back = matrix.double() @ vectors.transpose(1, 2) @ vectors
    torch.testing.assert_close(back, matrix.double(), atol=1e-4, rtol=0)


def test_leading_stays_orthonormal_where_singular_values_fall_steeply() -> None:
    left = torch.linalg.qr(random(6, 6, seed=4).double()).Q
    right = torch.linalg.qr(random(PLACES, 6, seed=5).double()).Q
    matrix = (left * torch.logspace(0, -7, 6, dtype=torch.float64)) @ right.T
    vectors = leading(matrix.unsqueeze(0), 6)[0].double()
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(6, dtype=torch.float64), atol=1e-6, rtol=0)


def test_sign_where_the_mean_is_silent() -> None:
    """Opposite rows cancel in the mean: the vector's own sum decides, and where that is zero, too, its larger half."""
    matrix = torch.tensor([[[-3.0, -4.0], [3.0, 4.0]], [[2.0, -2.0], [-2.0, 2.0]]])
    torch.testing.assert_close(leading(matrix, 1)[0, 0], torch.tensor([0.6, 0.8]))
    lopsided = torch.tensor([[[-2.0, 1.0, 1.0], [2.0, -1.0, -1.0]]])
    torch.testing.assert_close(leading(lopsided, 1)[0, 0], torch.tensor([2.0, -1.0, -1.0]) / 6**0.5)


@pytest.mark.parametrize("turned", [1.0, -1.0])
def test_sign_does_not_depend_on_the_sign_that_comes_in(turned: float) -> None:
    silent = torch.zeros(1, 3, dtype=torch.float64)
    by_sum = torch.tensor([[[-2.0, 1.5, 1.0]]], dtype=torch.float64)  # its sum is positive, the sum of its cubes is not
    assert torch.equal(with_sign(turned * by_sum, silent), by_sum)
    by_cubes = torch.tensor([[[2.0, -1.0, -1.0]]], dtype=torch.float64)
    assert torch.equal(with_sign(turned * by_cubes, silent), by_cubes)
    assert torch.equal(with_sign(turned * by_sum, -by_sum[0]), -by_sum), "the reference comes first"


@pytest.mark.parametrize("channels", [5, 40])
def test_eigengradcam(channels: int) -> None:
    a, g = random(N, channels, H, W, seed=6), random(N, channels, H, W, seed=7) + 0.5
    maps = eigengradcam(a, g)
    for n in range(N):
        matrix = (g[n] * a[n]).double().flatten(1)
        v = torch.ones(PLACES, dtype=torch.float64)
        for _ in range(5000):
            v = matrix.T @ (matrix @ v)
            v = v / v.norm()
        v = v if float(v @ matrix.sum(0)) > 0 else -v
        torch.testing.assert_close(maps[n].flatten().double(), v, rtol=1e-4, atol=1e-5)


def kernel_component(a: np.ndarray, kernel: str, gamma: float) -> np.ndarray:
    """Kernel PCA as the textbook has it, entry by entry."""
    x = a.reshape(len(a), -1).T.astype(np.float64)  # (P, K)
    x = x - x.mean(0)
    p = len(x)
    values = np.zeros((p, p))
    for i in range(p):
        for j in range(p):
            if kernel == "sigmoid":
                values[i, j] = np.tanh(gamma * x[i] @ x[j] + 1)
            elif kernel == "rbf":
                values[i, j] = np.exp(-gamma * ((x[i] - x[j]) ** 2).sum())
            else:
                values[i, j] = x[i] @ x[j]
    centre = np.eye(p) - np.full((p, p), 1 / p)
    eigenvalues, vectors = np.linalg.eig(centre @ values @ centre)
    best = eigenvalues.real.argmax()
    u = vectors[:, best].real
    u = u * np.sign(u @ x.mean(1)) / np.linalg.norm(u)
    return (np.sqrt(eigenvalues[best].real) * u).reshape(a.shape[1:])


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "linear"])
@pytest.mark.parametrize("gamma", [None, 0.07])
def test_kpcacam(kernel: str, gamma: float | None) -> None:
    a = random(N, 5, H, W, seed=8)
    maps = kpcacam(a, kernel=kernel, gamma=gamma)
    for n in range(N):
        expected = kernel_component(a[n].numpy(), kernel, 1 / 5 if gamma is None else gamma)
        np.testing.assert_allclose(maps[n].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_linear_kpcacam_is_the_projection_of_centred_activations() -> None:
    a = random(1, 9, H, W, seed=9)
    x = a[0].flatten(1).T  # (P, K)
    x = x - x.mean(0)
    u, s, _ = torch.linalg.svd(x, full_matrices=False)
    expected = u[:, 0] * s[0]
    found = kpcacam(a, kernel="linear").flatten()
    torch.testing.assert_close(found, expected * (expected @ found).sign(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "linear"])
def test_kpcacam_of_equal_places_is_zero(kernel: str) -> None:
    assert (kpcacam(random(20, 7, 1, 1, seed=10).expand(20, 7, 11, 13), kernel=kernel) == 0).all()


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf"])
def test_kpcacam_does_not_draw_rounding(kernel: str) -> None:
    """Places that differ by less than the kernel can tell apart: what is left of it after centring is noise."""
    dither = torch.rand((11, 13), generator=torch.Generator().manual_seed(11), dtype=torch.float64)
    assert (kpcacam(random(20, 7, 1, 1, seed=10) * (1 + 1e-12 * dither), kernel=kernel) == 0).all()


def test_options() -> None:
    with pytest.raises(MethodError, match=r"'kpcacam': kernel='poly'; it is one of sigmoid, rbf, linear"):
        kpcacam(torch.zeros(1, 2, H, W), kernel="poly")
    with pytest.raises(MethodError, match=r"gamma=-1; it is a number, 0 or more"):
        kpcacam(torch.zeros(1, 2, H, W), gamma=-1)


@pytest.mark.parametrize("channels", [2, 30])
def test_nothing_in_nothing_out(channels: int) -> None:
    zero = torch.zeros(N, channels, H, W)
    for maps in (eigencam(zero), eigengradcam(zero, zero), kpcacam(zero), kpcacam(zero, kernel="rbf")):
        assert maps.shape == (N, H, W)
        assert (maps == 0).all()
    assert (leading(zero.flatten(2), 3) == 0).all()


def test_a_picture_does_not_depend_on_its_batch() -> None:
    a, g = random(3, 6, H, W, seed=11), random(3, 6, H, W, seed=12)
    a[1] = 0
    torch.testing.assert_close(eigengradcam(a, g)[2], eigengradcam(a[2:], g[2:])[0])
    torch.testing.assert_close(kpcacam(a)[2], kpcacam(a[2:])[0])


@pytest.mark.parametrize("method", [eigencam, kpcacam])
@pytest.mark.parametrize("seed", range(6))
def test_no_sign_hangs_on_rounding(method: Callable[[Tensor], Tensor], seed: int) -> None:
    """Behind a layer norm channels cancel: their mean is rounding, which is another one on each machine."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randn((1, 49, 64), generator=generator) + torch.randn((1, 49, 1), generator=generator)
    a = torch.nn.functional.layer_norm(tokens, (64,)).transpose(1, 2).reshape(1, 64, 7, 7)
    maps = []
    for machine in range(8):
        rounding = torch.randn(a.shape, generator=torch.Generator().manual_seed(machine))
        maps.append(method(a * (1 + 2e-6 * rounding)))
    for one in maps[1:]:
        torch.testing.assert_close(one, maps[0], rtol=1e-2, atol=1e-3)
