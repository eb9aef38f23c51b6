"""Methods of activations and gradients against their equations in plain loops."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import nets
from whylight.errors import MethodError
from whylight.methods.elementgradcam import elementgradcam
from whylight.methods.finercam import finercam
from whylight.methods.gradcam import gradcam
from whylight.methods.gradcam_plusplus import gradcam_plusplus
from whylight.methods.parts.noise import noisy_copies
from whylight.methods.shapleycam import shapleycam
from whylight.methods.smoothgradcam_plusplus import smoothgradcam_plusplus

N, K, H, W = 2, 5, 3, 4
CHANNELS, PLACES = range(K), [(i, j) for i in range(H) for j in range(W)]


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def oracle(pixel: Callable[[int, int, int], float]) -> Tensor:
    return torch.tensor([[[pixel(n, i, j) for j in range(W)] for i in range(H)] for n in range(N)])


def test_elementgradcam() -> None:
    a, g = random(N, K, H, W, seed=1), random(N, K, H, W, seed=2)

    def pixel(n: int, i: int, j: int) -> float:
        return sum(max(float(g[n, k, i, j]) * float(a[n, k, i, j]), 0.0) for k in CHANNELS)

    torch.testing.assert_close(elementgradcam(a, g), oracle(pixel))


def test_shapleycam() -> None:
    a, g, c = (random(N, K, H, W, seed=s) for s in (3, 4, 5))

    def pixel(n: int, i: int, j: int) -> float:
        total = 0.0
        for k in CHANNELS:
            weight = sum(float(g[n, k, p, q]) - 0.5 * float(c[n, k, p, q]) for p, q in PLACES) / (H * W)
            total += weight * float(a[n, k, i, j])
        return max(total, 0.0)

    torch.testing.assert_close(shapleycam(a, g, c), oracle(pixel))
    torch.testing.assert_close(shapleycam(a, g, torch.zeros_like(g)), gradcam(a, g))


def test_shapleycam_of_a_quadratic_score() -> None:
    """s = Σ_p (mean channel at p)²: the Hessian is known, and H·A = g, so the weights are half of Grad-CAM's."""
    a = random(1, K, H, W, seed=6).abs()
    g = (2 * a.mean(1, keepdim=True) / K).expand_as(a)
    torch.testing.assert_close(shapleycam(a, g, g), gradcam(a, g) / 2)


class Head:
    """A small curved head, logits (N, 4) from activations, with its gradients by autograd."""

    def __init__(self, a: Tensor) -> None:
        self.weight = random(4, K * H * W, seed=7) / 5
        self.a = a

    def logits(self, a: Tensor) -> Tensor:
        return (a.flatten(1) @ self.weight.T).tanh() * 3

    def gradients_of(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        a = self.a.clone().requires_grad_()
        return torch.autograd.grad(function(self.logits(a)).sum(), a)[0]


def finercam_oracle(head: Head, n: int, c: int, others: list[int], alpha: float) -> Tensor:
    """Grad-CAM weights of each class apart, then combined: the gradient is linear in the score."""
    weight = {d: head.gradients_of(lambda logits, d=d: logits[:, d])[n].mean((1, 2)) for d in [c, *others]}
    combined = weight[c] - alpha * sum(weight[d] for d in others) / max(len(others), 1)
    return torch.einsum("k,khw->hw", combined, head.a[n]).relu()


def test_finercam() -> None:
    a = random(N, K, H, W, seed=8)
    head, indices = Head(a), torch.tensor([2, 0])
    logits = head.logits(a)
    found = finercam(a, logits, indices, head.gradients_of, alpha=0.7, comparisons=2)
    for n, c in enumerate([2, 0]):
        others = sorted((d for d in range(4) if d != c), key=lambda d: abs(float(logits[n, d] - logits[n, c])))[:2]
        assert found.details[n] == {"compared_with": others}
        torch.testing.assert_close(found.values[n], finercam_oracle(head, n, c, others, 0.7))


def test_finercam_with_named_classes() -> None:
    a = random(N, K, H, W, seed=9)
    head = Head(a)
    found = finercam(a, head.logits(a), torch.tensor([1, 3]), head.gradients_of, alpha=1.0, comparisons=(3, 0, 3))
    assert [d["compared_with"] for d in found.details] == [[3, 0], [0]], "never the target itself, none twice"
    torch.testing.assert_close(found.values[0], finercam_oracle(head, 0, 1, [3, 0], 1.0))
    torch.testing.assert_close(found.values[1], finercam_oracle(head, 1, 3, [0], 1.0))


def test_finercam_with_fewer_classes_than_comparisons() -> None:
    a = random(N, K, H, W, seed=10)
    head = Head(a)
    indices = torch.tensor([0, 0])
    assert (
        finercam(a, head.logits(a), indices, head.gradients_of, comparisons=9).details[0]["compared_with"].__len__()
        == 3
    )
    alone = finercam(a, head.logits(a)[:, :1], indices, head.gradients_of)
    assert alone.details == [{"compared_with": []}] * 2
    plain = gradcam(a, head.gradients_of(lambda logits: logits[:, 0]))
    torch.testing.assert_close(alone.values, plain)
    torch.testing.assert_close(finercam(a, head.logits(a), indices, head.gradients_of, alpha=0).values, plain)


class Looking:
    """`look_at` of a small network: activations behind its rectifier, gradients of one class of each picture."""

    def __init__(self, classes: list[int]) -> None:
        self.net, self.classes = nets.deep_head_net().eval(), torch.tensor(classes)
        self.seen: list[Tensor] = []

    def __call__(self, x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(x)
        a = self.net[0](x).relu().detach().requires_grad_()
        chosen = self.net[2:](a).gather(1, self.classes[pictures].unsqueeze(1))
        return a.detach(), torch.autograd.grad(chosen.sum(), a)[0]


def test_smoothgradcam_plusplus() -> None:
    looking, x = Looking([2, 0]), random(2, 3, 20, 20, seed=11)
    a, _ = looking(x, torch.arange(2))
    maps = smoothgradcam_plusplus(a, x, looking, copies=4, noise=0.2, seed=5)
    for n in range(2):
        copies = noisy_copies(x[n], 4, 0.2, 5)
        gradients = [looking(c.unsqueeze(0), torch.tensor([n]))[1][0] for c in copies]
        weights = []
        for k in range(6):
            weight, total = 0.0, float(a[n, k].sum())
            for i in range(a.shape[2]):
                for j in range(a.shape[3]):
                    d = [float(g[k, i, j]) for g in gradients]
                    d1, d2, d3 = (sum(v**p for v in d) / 4 for p in (1, 2, 3))
                    below = 2 * d2 + total * d3
                    weight += (d2 / below if below != 0 else 0.0) * max(d1, 0.0)
            weights.append(weight)
        expected = torch.einsum("k,khw->hw", torch.tensor(weights), a[n]).relu()
        assert expected.any()
        torch.testing.assert_close(maps[n], expected, rtol=1e-4, atol=1e-6)


def test_smoothgradcam_plusplus_without_noise_is_gradcam_plusplus() -> None:
    looking, x = Looking([1, 1]), random(2, 3, 20, 20, seed=12)
    a, g = looking(x, torch.arange(2))
    torch.testing.assert_close(smoothgradcam_plusplus(a, x, looking, noise=0.0, copies=3), gradcam_plusplus(a, g))


def test_smoothgradcam_plusplus_keeps_tiny_gradients() -> None:
    looking, x = Looking([1, 1]), random(2, 3, 20, 20, seed=13)
    a, _ = looking(x, torch.arange(2))

    def tiny(x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        a, g = looking(x, pictures)
        return a, g * 1e-25

    def small(x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        a, g = looking(x, pictures)
        return a, g * 1e-12

    maps = smoothgradcam_plusplus(a, x, tiny)
    assert (maps > 0).any()
    torch.testing.assert_close(maps, smoothgradcam_plusplus(a, x, small) * 1e-13, rtol=1e-4, atol=0)


def test_noise_is_that_of_the_seed_in_any_batch() -> None:
    looking, x = Looking([1, 1, 1]), random(3, 3, 20, 20, seed=14)
    a, _ = looking(x, torch.arange(3))
    together = smoothgradcam_plusplus(a, x, looking, seed=3)
    torch.testing.assert_close(together[2:], smoothgradcam_plusplus(a[2:], x[2:], looking, seed=3))
    assert not torch.equal(together, smoothgradcam_plusplus(a, x, looking, seed=4))


def test_noise_is_as_strong_as_was_asked() -> None:
    x = random(3, 40, 40, seed=15)
    spread = (noisy_copies(x, 20, 0.1, 0) - x).std()
    assert float(spread) == pytest.approx(0.1 * float(x.max() - x.min()), rel=0.01)


def test_options() -> None:
    a = torch.zeros(1, K, H, W)
    looking = Looking([0])
    with pytest.raises(MethodError, match=r"'smoothgradcam\+\+': copies=0; it is a whole number, 1 or more"):
        smoothgradcam_plusplus(a, torch.zeros(1, 3, 8, 8), looking, copies=0)
    with pytest.raises(MethodError, match="comparisons has 4; classes are whole numbers, 0 to 3"):
        finercam(a, torch.zeros(1, 4), torch.tensor([0]), Head(a).gradients_of, comparisons=[4])
    with pytest.raises(MethodError, match="comparisons=True"):
        finercam(a, torch.zeros(1, 4), torch.tensor([0]), Head(a).gradients_of, comparisons=True)


def test_nothing_in_nothing_out() -> None:
    zero = torch.zeros(N, K, H, W)
    finer = finercam(zero, torch.zeros(N, 4), torch.tensor([0, 1]), lambda _: zero).values
    smooth = smoothgradcam_plusplus(zero, torch.zeros(N, 3, 8, 8), lambda x, p: (torch.zeros(len(x), K, H, W),) * 2)
    for maps in (elementgradcam(zero, zero), shapleycam(zero, zero, zero), finer, smooth):
        assert maps.shape == (N, H, W)
        assert (maps == 0).all()
