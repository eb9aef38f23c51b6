"""Each method against its equation in plain loops over Python floats."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from whylight import methods

N, K, H, W = 2, 5, 3, 4
CHANNELS, PLACES = range(K), [(i, j) for i in range(H) for j in range(W)]


@pytest.fixture
def a() -> Tensor:
    """Activations with negative values, and one channel that is dead."""
    a = torch.randn((N, K, H, W), generator=torch.Generator().manual_seed(1))
    a[:, 2] = 0
    return a


@pytest.fixture
def g() -> Tensor:
    """Gradients, some of them exactly zero."""
    g = torch.randn((N, K, H, W), generator=torch.Generator().manual_seed(2))
    g[:, 1, 0] = 0
    return g


def relu(x: float) -> float:
    return max(x, 0.0)


def oracle(pixel: Callable[[int, int, int], float]) -> Tensor:
    return torch.tensor([[[pixel(n, i, j) for j in range(W)] for i in range(H)] for n in range(N)])


def test_cam(a: Tensor) -> None:
    w = torch.randn((N, K), generator=torch.Generator().manual_seed(3))
    expected = oracle(lambda n, i, j: sum(float(w[n, k]) * float(a[n, k, i, j]) for k in CHANNELS))
    torch.testing.assert_close(methods.cam(a, w), expected)
    assert (expected < 0).any(), "cam is signed"


def test_gradcam(a: Tensor, g: Tensor) -> None:
    def pixel(n: int, i: int, j: int) -> float:
        weights = [sum(float(g[n, k, p, q]) for p, q in PLACES) / (H * W) for k in CHANNELS]
        return relu(sum(weights[k] * float(a[n, k, i, j]) for k in CHANNELS))

    torch.testing.assert_close(methods.gradcam(a, g), oracle(pixel))


def test_gradcam_plusplus(a: Tensor, g: Tensor) -> None:
    def weight(n: int, k: int) -> float:
        total = 0.0
        for p, q in PLACES:
            d = float(g[n, k, p, q])
            below = 2 * d**2 + sum(float(a[n, k, i, j]) for i, j in PLACES) * d**3
            total += (d**2 / below if below != 0 else 0.0) * relu(d)
        return total

    weights = [[weight(n, k) for k in CHANNELS] for n in range(N)]
    expected = oracle(lambda n, i, j: relu(sum(weights[n][k] * float(a[n, k, i, j]) for k in CHANNELS)))
    torch.testing.assert_close(methods.gradcam_plusplus(a, g), expected, rtol=1e-4, atol=1e-5)


def test_gradcam_plusplus_keeps_tiny_gradients(a: Tensor, g: Tensor) -> None:
    """g² underflows long before g does; the ratio α must not turn into 0/0."""
    tiny = methods.gradcam_plusplus(a.abs(), g.abs() * 1e-25)
    torch.testing.assert_close(tiny, methods.gradcam_plusplus(a.abs(), g.abs() * 1e-12) * 1e-13, rtol=1e-4, atol=0)
    assert (tiny > 0).any()


def test_hirescam(a: Tensor, g: Tensor) -> None:
    expected = oracle(lambda n, i, j: sum(float(g[n, k, i, j]) * float(a[n, k, i, j]) for k in CHANNELS))
    torch.testing.assert_close(methods.hirescam(a, g), expected)


def test_layercam(a: Tensor, g: Tensor) -> None:
    expected = oracle(lambda n, i, j: relu(sum(relu(float(g[n, k, i, j])) * float(a[n, k, i, j]) for k in CHANNELS)))
    torch.testing.assert_close(methods.layercam(a, g), expected)


def test_xgradcam(a: Tensor, g: Tensor) -> None:
    def weight(n: int, k: int) -> float:
        below = sum(float(a[n, k, p, q]) for p, q in PLACES)
        above = sum(float(g[n, k, p, q]) * float(a[n, k, p, q]) for p, q in PLACES)
        return above / below if below != 0 else 0.0

    weights = [[weight(n, k) for k in CHANNELS] for n in range(N)]
    expected = oracle(lambda n, i, j: relu(sum(weights[n][k] * float(a[n, k, i, j]) for k in CHANNELS)))
    torch.testing.assert_close(methods.xgradcam(a, g), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("channels", [5, 40], ids=["more places than channels", "more channels than places"])
def test_eigencam(channels: int) -> None:
    a = torch.randn((N, channels, H, W), generator=torch.Generator().manual_seed(4)) + 0.3
    maps = methods.eigencam(a)
    for n in range(N):
        matrix = a[n].reshape(channels, H * W)
        # By power iteration, which shares nothing with a decomposition: v ← AᵀA v / |AᵀA v|.
        v = torch.ones(H * W, dtype=torch.float64)
        for _ in range(2000):
            v = matrix.double().T @ (matrix.double() @ v)
            v = v / v.norm()
        v = v if float(v @ matrix.double().mean(0)) > 0 else -v
        torch.testing.assert_close(maps[n].flatten().double(), v, rtol=1e-4, atol=1e-5)


def test_eigencam_sign_does_not_flip() -> None:
    """Scaling or permuting the channels changes nothing about the sign; turning the activations round turns the map round."""
    a = torch.rand((1, 8, H, W), generator=torch.Generator().manual_seed(5)) + 0.1
    first = methods.eigencam(a)
    assert (first > 0).all(), "positive activations, positive map"
    torch.testing.assert_close(methods.eigencam(a.flip(1) * 3), first)
    torch.testing.assert_close(methods.eigencam(-a), -first)


def test_ablationcam(a: Tensor) -> None:
    s = torch.tensor([2.0, -0.5])
    without = torch.randn((N, K), generator=torch.Generator().manual_seed(6))

    def pixel(n: int, i: int, j: int) -> float:
        weights = [(float(s[n]) - float(without[n, k])) / abs(float(s[n])) for k in CHANNELS]
        return relu(sum(weights[k] * float(a[n, k, i, j]) for k in CHANNELS))

    torch.testing.assert_close(methods.ablationcam(a, s, without), oracle(pixel), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["cam", "gradcam", "gradcam++", "hirescam", "layercam", "xgradcam", "eigencam", "ablationcam"]
)
def test_nothing_in_nothing_out(name: str) -> None:
    """Zero activations, zero gradients, zero scores: a map of zeros, never NaN."""
    method = methods.get(name)
    shapes = {"activations": (N, K, H, W), "gradients": (N, K, H, W), "class_weights": (N, K), "scores": (N,)}
    shapes["ablated_scores"] = (N, K)
    maps = method(**{need: torch.zeros(shapes[need]) for need in method.needs})
    assert maps.shape == (N, H, W)
    assert (maps == 0).all()
