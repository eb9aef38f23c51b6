"""Methods at the input: loops over pixels, finite differences, and the identities that their papers prove."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from whylight.errors import MethodError
from whylight.methods.fullgrad import fullgrad
from whylight.methods.gradcam import gradcam
from whylight.methods.guided_gradcam import guided_gradcam
from whylight.methods.inputxgradient import inputxgradient
from whylight.methods.integrated_gradients import gauss_legendre, integrated_gradients
from whylight.methods.parts.noise import noisy_copies
from whylight.methods.saliency import saliency
from whylight.methods.smoothgrad import smoothgrad

N, H, W = 2, 8, 6


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Scored:
    """A small smooth or rectified network, and the score of a class of each picture."""

    def __init__(self, classes: list[int], *, smooth: bool = True, bias: bool = True) -> None:
        torch.manual_seed(0)
        act = nn.Softplus if smooth else nn.ReLU
        self.net = nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1, bias=bias),
            act(),
            nn.Conv2d(5, 4, 3, padding=1, bias=bias),
            act(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 3, bias=False),
        )
        self.classes = torch.tensor(classes)

    def score(self, x: Tensor, pictures: Tensor) -> Tensor:
        return self.net(x).gather(1, self.classes[pictures].unsqueeze(1)).squeeze(1)

    def __call__(self, x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = x.detach().requires_grad_()
        scores = self.score(x, pictures)
        return scores.detach(), torch.autograd.grad(scores.sum(), x)[0]


def test_saliency() -> None:
    g = random(N, 3, H, W, seed=1)
    expected = [[[max(abs(float(v)) for v in g[n, :, i, j]) for j in range(W)] for i in range(H)] for n in range(N)]
    assert torch.equal(saliency(g), torch.tensor(expected))


def test_inputxgradient() -> None:
    x, g = random(N, 3, H, W, seed=2), random(N, 3, H, W, seed=3)
    maps = inputxgradient(x, g)
    for n in range(N):
        for i in range(H):
            for j in range(W):
                total = sum(float(x[n, c, i, j]) * float(g[n, c, i, j]) for c in range(3))
                assert float(maps[n, i, j]) == pytest.approx(total, rel=1e-4, abs=1e-6)
    assert (maps < 0).any(), "it is signed"


def test_inputxgradient_adds_up_to_the_logit_without_biases() -> None:
    scored, x = Scored([0, 2], smooth=False, bias=False), random(N, 3, H, W, seed=4)
    scores, gradients = scored(x, torch.arange(N))
    torch.testing.assert_close(inputxgradient(x, gradients).sum((1, 2)), scores)


@pytest.mark.parametrize("points", [1, 2, 5, 12])
def test_gauss_legendre_integrates_polynomials_exactly(points: int) -> None:
    at, share = gauss_legendre(points)
    for degree in range(2 * points):
        assert float((share * at**degree).sum()) == pytest.approx(1 / (degree + 1), abs=1e-12)


def test_integrated_gradients_against_a_fine_riemann_sum() -> None:
    scored, x = Scored([1, 0]), random(N, 3, H, W, seed=5)
    found = integrated_gradients(x, scored(x, torch.arange(N))[0], scored, steps=16, baseline=(0.1, -0.2, 0.3))
    start = torch.tensor([0.1, -0.2, 0.3]).reshape(3, 1, 1)
    for n in range(N):
        total = torch.zeros(3, H, W)
        for step in range(500):
            point = start + (step + 0.5) / 500 * (x[n] - start)
            total += scored(point.unsqueeze(0), torch.tensor([n]))[1][0] / 500
        torch.testing.assert_close(found.values[n], ((x[n] - start) * total).sum(0), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("baseline", [0.0, -1.5])
def test_integrated_gradients_is_complete(baseline: float) -> None:
    scored, x = Scored([1, 0]), random(N, 3, H, W, seed=6)
    scores = scored(x, torch.arange(N))[0]
    found = integrated_gradients(x, scores, scored, baseline=baseline)
    before = scored(torch.full_like(x, baseline), torch.arange(N))[0]
    torch.testing.assert_close(found.values.sum((1, 2)), scores - before, rtol=1e-4, atol=1e-5)
    for n in range(N):
        assert found.details[n]["score_difference"] == pytest.approx(float(scores[n] - before[n]), abs=1e-6)
        assert abs(found.details[n]["completeness_error"]) < 1e-4


def test_integrated_gradients_says_how_incomplete_it_is() -> None:
    """One step on a rectified network with large inputs: the sum is off, and the error reported is what it is off by."""
    scored, x = Scored([1, 0], smooth=False), 30 * random(N, 3, H, W, seed=7)
    scores = scored(x, torch.arange(N))[0]
    found = integrated_gradients(x, scores, scored, steps=1, baseline=2.0)
    before = scored(torch.full_like(x, 2.0), torch.arange(N))[0]
    off = found.values.sum((1, 2)) - (scores - before)
    assert float(off.abs().min()) > 1e-3
    assert [d["completeness_error"] for d in found.details] == pytest.approx(off.tolist(), rel=1e-3)


@pytest.mark.parametrize("average", ["gradient", "absolute"])
def test_smoothgrad(average: str) -> None:
    scored, x = Scored([1, 0]), random(N, 3, H, W, seed=8)
    maps = smoothgrad(x, scored, copies=5, noise=0.3, seed=2, average=average)
    for n in range(N):
        found = [scored(c.unsqueeze(0), torch.tensor([n]))[1][0] for c in noisy_copies(x[n], 5, 0.3, 2)]
        for i in range(H):
            for j in range(W):
                values = [[float(f[c, i, j]) for f in found] for c in range(3)]
                if average == "absolute":
                    values = [[abs(v) for v in row] for row in values]
                assert float(maps[n, i, j]) == pytest.approx(
                    max(abs(sum(row) / 5) for row in values), rel=1e-4, abs=1e-7
                )


def test_smoothgrad_without_noise_is_saliency_and_batches_do_not_matter() -> None:
    scored, x = Scored([1, 1]), random(N, 3, H, W, seed=9)
    torch.testing.assert_close(smoothgrad(x, scored, noise=0), saliency(scored(x, torch.arange(N))[1]))
    torch.testing.assert_close(smoothgrad(x, scored)[1:], smoothgrad(x[1:], scored))
    assert not torch.equal(smoothgrad(x, scored), smoothgrad(x, scored, seed=1))


def upsample(image: Tensor, height: int, width: int) -> Tensor:
    """Bilinear with half-pixel centres, one pixel at a time."""
    h, w = image.shape
    out = torch.zeros(height, width)
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * h / height - 0.5, 0.0), h - 1.0)
            x = min(max((j + 0.5) * w / width - 0.5, 0.0), w - 1.0)
            y0, x0 = int(y), int(x)
            y1, x1 = min(y0 + 1, h - 1), min(x0 + 1, w - 1)
            top = (1 - (x - x0)) * float(image[y0, x0]) + (x - x0) * float(image[y0, x1])
            bottom = (1 - (x - x0)) * float(image[y1, x0]) + (x - x0) * float(image[y1, x1])
            out[i, j] = (1 - (y - y0)) * top + (y - y0) * bottom
    return out


def test_guided_gradcam() -> None:
    a, g, guided = random(N, 5, 4, 3, seed=10), random(N, 5, 4, 3, seed=11), random(N, 3, H, W, seed=12)
    maps, coarse = guided_gradcam(a, g, guided), gradcam(a, g)
    for n in range(N):
        fine = upsample(coarse[n], H, W)
        expected = sum(guided[n, c] * fine for c in range(3))
        torch.testing.assert_close(maps[n], expected, rtol=1e-4, atol=1e-6)
    assert (maps < 0).any(), "it is signed"


def scaled(channels: list[Tensor], together: bool) -> list[Tensor]:
    sizes = [c.abs() for c in channels]
    groups = [sizes] * len(sizes) if together else [[s] for s in sizes]
    out = []
    for size, group in zip(sizes, groups, strict=True):
        low, high = min(float(s.min()) for s in group), max(float(s.max()) for s in group)
        out.append((size - low) / (high - low) if high > low else torch.zeros_like(size))
    return out


@pytest.mark.parametrize("rescale", ["layer", "channel"])
def test_fullgrad(rescale: str) -> None:
    x, g = random(N, 3, H, W, seed=13), random(N, 3, H, W, seed=14)
    biases = (random(N, 4, 4, 3, seed=15), random(N, 2, 1, 1, seed=16), 100 * random(N, 3, 2, 6, seed=17))
    maps = fullgrad(x, g, biases, rescale=rescale)
    for n in range(N):
        expected = sum(scaled(list(x[n] * g[n]), rescale == "layer"))
        for layer in (biases[0], biases[2]):  # the one between has a single place
            for channel in scaled(list(layer[n]), rescale == "layer"):
                expected = expected + upsample(channel, H, W)
        torch.testing.assert_close(maps[n], expected, rtol=1e-4, atol=1e-5)


def test_fullgrad_of_a_picture_does_not_depend_on_its_batch() -> None:
    x, g, b = random(N, 3, H, W, seed=18), random(N, 3, H, W, seed=19), random(N, 4, 4, 3, seed=20)
    b[0] *= 1000
    torch.testing.assert_close(fullgrad(x, g, (b,))[1:], fullgrad(x[1:], g[1:], (b[1:],)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, s: integrated_gradients(x, x[:, 0, 0, 0], s, steps=0), "steps=0; it is a whole number, 1 or more"),
        (
            lambda x, s: integrated_gradients(x, x[:, 0, 0, 0], s, baseline=(1, 2)),
            r"baseline=\(1, 2\); it is a number, or 3",
        ),
        (
            lambda x, s: integrated_gradients(x, x[:, 0, 0, 0], s, baseline="black"),
            "baseline='black'; it is a number, or 3",
        ),
        (lambda x, s: smoothgrad(x, s, noise=-0.1), "noise=-0.1; it is a number, 0 or more"),
        (lambda x, s: smoothgrad(x, s, seed=0.5), "seed=0.5; it is a whole number, 0 or more"),
        (lambda x, s: smoothgrad(x, s, average="square"), "average='square'; it is one of gradient, absolute"),
        (lambda x, s: fullgrad(x, x, (), rescale="batch"), "rescale='batch'; it is one of layer, channel"),
    ],
)
def test_options(call: Callable[[Tensor, Scored], object], message: str) -> None:
    with pytest.raises(MethodError, match=message):
        call(random(N, 3, H, W, seed=21), Scored([0, 0]))


def test_nothing_in_nothing_out() -> None:
    zero, coarse = torch.zeros(N, 3, H, W), torch.zeros(N, 5, 4, 3)

    def silent(x: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(x)), torch.zeros_like(x)

    every = [
        saliency(zero),
        inputxgradient(zero, zero),
        integrated_gradients(zero, torch.zeros(N), silent).values,
        smoothgrad(zero, silent),
        guided_gradcam(coarse, coarse, zero),
        fullgrad(zero, zero, (coarse, coarse)),
        fullgrad(zero, zero, (), rescale="channel"),
    ]
    for maps in every:
        assert maps.shape == (N, H, W)
        assert (maps == 0).all()
