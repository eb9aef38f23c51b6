"""Spreading a map over places that look alike, and refining it along the picture's edges, against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import whylight
from nets import gap_net
from whylight import engine, methods
from whylight.errors import MethodError
from whylight.methods.wrappers.refine import guided_filter
from whylight.methods.wrappers.spread import likeness, spread_by
from whylight.models.model import Model


@pytest.fixture
def model() -> Model:
    return whylight.wrap(gap_net(), size=32)


@pytest.fixture
def x() -> Tensor:
    return torch.randn((2, 3, 32, 32), generator=torch.Generator().manual_seed(0))


def run(model: Model, x: Tensor, method: str | methods.Method) -> Tensor:
    return engine.maps(model, x, [method], [1])[0, 0]


def shares(m: Tensor) -> Tensor:
    return m / m.max() if m.max() > 0 else m


@pytest.mark.parametrize("power", [1, 2, 5])
def test_spread_in_plain_loops(power: int) -> None:
    generator = torch.Generator().manual_seed(power)
    a, m = torch.randn((1, 4, 2, 3), generator=generator), torch.rand((1, 2, 3), generator=generator)
    places = [a[0, :, i // 3, i % 3].double() for i in range(6)]
    mean = torch.stack(places).mean(0)
    places = [place - mean for place in places]
    flat = m[0].flatten().tolist()
    moved = []
    for i in range(6):
        near = [
            max(0.0, float(places[i] @ places[j]) / float(places[i].norm() * places[j].norm())) ** power
            for j in range(6)
        ]
        moved.append(sum(t * v for t, v in zip(near, flat, strict=True)) / sum(near))
    s = torch.tensor([v - min(moved) for v in moved]).reshape(2, 3)
    expected = (shares(m[0]) + shares(s)) / 2
    torch.testing.assert_close(spread_by(m, a, power)[0], expected, rtol=1e-4, atol=1e-6)


def test_evidence_reaches_the_same_stuff_and_nothing_else() -> None:
    a = torch.zeros((1, 2, 1, 6))
    a[0, 0, 0, :3], a[0, 1, 0, 3:] = 1, 1  # two kinds of stuff
    m = torch.tensor([[[1.0, 0, 0, 0, 0, 0]]])
    found = spread_by(m, a, 2)[0, 0]
    torch.testing.assert_close(found, torch.tensor([1.0, 0.5, 0.5, 0, 0, 0]))


def test_places_are_as_alike_as_themselves() -> None:
    near = likeness(torch.randn((5, 4, 4), generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(near.diagonal(), torch.ones(16))
    torch.testing.assert_close(near, near.T)
    assert float(near.min()) >= 0


def test_spread_compares_the_activations_of_the_layer(model: Model, x: Tensor) -> None:
    layer = "1"
    expected = spread_by(
        run(model, x, "layercam").relu(), model.at(layer).split.encode(model.prepare(x))[0].detach(), 2
    )
    torch.testing.assert_close(run(model, x, methods.spread("layercam", layer)), expected, rtol=1e-4, atol=1e-6)


def test_a_layer_that_was_looked_at_is_not_run_again(model: Model, x: Tensor) -> None:
    runs = 0

    def count(*_: object) -> None:
        nonlocal runs
        runs += 1

    both = methods.layers("layercam", ["1", "3"], fusion="mean")
    run(model, x, both)  # finds the splits
    handle = model.module.register_forward_hook(count)
    run(model, x, methods.spread(both, "1"))
    handle.remove()
    assert runs == 1


def test_no_evidence_stays_none(x: Tensor) -> None:
    assert not spread_by(torch.zeros((1, 2, 2)), torch.randn((1, 3, 2, 2)), 2).any()
    model = whylight.wrap(gap_net(), size=32)
    model.module[-1].weight.data.zero_()
    for method in (methods.spread("gradcam"), methods.refine("gradcam")):
        assert not run(model, x, method).any()


def test_very_fine_grids_are_compared_on_coarser_ones() -> None:
    found = spread_by(torch.rand((1, 90, 120)), torch.randn((1, 2, 90, 120)), 2)
    assert found.shape == (1, 28, 37)


def test_guided_filter_in_plain_loops() -> None:
    generator = np.random.default_rng(0)
    h, w, radius, eps = 5, 6, 2, 0.05
    guide, p = generator.normal(size=(3, h, w)), generator.random((h, w))
    windows = {
        (y, x): [
            (v, u)
            for v in range(max(0, y - radius), min(h, y + radius + 1))
            for u in range(max(0, x - radius), min(w, x + radius + 1))
        ]
        for y in range(h)
        for x in range(w)
    }
    lines = {}
    for place, window in windows.items():
        colours = np.array([guide[:, v, u] for v, u in window])
        values = np.array([p[v, u] for v, u in window])
        mean = colours.mean(0)
        covariance = (colours - mean).T @ (colours - mean) / len(window)
        a = np.linalg.solve(covariance + eps * np.eye(3), (colours - mean).T @ (values - values.mean()) / len(window))
        lines[place] = (a, values.mean() - a @ mean)
    expected = np.array(
        [
            [
                np.mean([lines[k][0] for k in windows[y, x]], 0) @ guide[:, y, x]
                + np.mean([lines[k][1] for k in windows[y, x]])
                for x in range(w)
            ]
            for y in range(h)
        ]
    )
    found = guided_filter(torch.from_numpy(p)[None, None].float(), torch.from_numpy(guide)[None].float(), radius, eps)
    np.testing.assert_allclose(found[0, 0].numpy(), expected, rtol=1e-4, atol=1e-5)


def test_refine_moves_a_blurred_border_onto_the_edge_of_the_picture() -> None:
    picture = torch.zeros((1, 3, 64, 64))
    picture[..., 32:] = 1
    blurred = ((torch.arange(64) - 31.5) / 12).sigmoid().expand(1, 1, 64, 64)
    sharp = guided_filter(blurred, picture, 9, 1e-4)[0, 0, 32]
    step = float(sharp[34] - sharp[29])
    assert step > 2 * float(blurred[0, 0, 32, 34] - blurred[0, 0, 32, 29])


def test_refine_is_the_mean_of_the_map_and_the_filtered_one_at_half_resolution(model: Model, x: Tensor) -> None:
    found = run(model, x, methods.refine("gradcam"))
    assert found.shape == (2, 16, 16)
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1


def test_refine_does_not_depend_on_the_units_of_the_input() -> None:
    model = whylight.wrap(gap_net(), size=32)
    fixed = methods.Function(
        "fixed", lambda activations: torch.rand((1, 8, 8), generator=torch.Generator().manual_seed(3)), ""
    )
    x = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(
        run(model, x, methods.refine(fixed)), run(model, 255 * x - 100, methods.refine(fixed)), rtol=1e-3, atol=1e-4
    )


def test_wrong_options() -> None:
    with pytest.raises(MethodError, match="power: expected a whole number, 1 or more, got 0"):
        methods.spread("gradcam", power=0)
    with pytest.raises(MethodError, match=r"spread: method 'rise' looks at no layer"):
        methods.spread("rise")
    with pytest.raises(MethodError, match="reach: expected a share"):
        methods.refine("gradcam", reach=math.inf)
    with pytest.raises(MethodError, match="weight: expected a number above 0"):
        methods.refine("gradcam", weight=-1)
    with pytest.raises(MethodError, match="eps: expected a number above 0"):
        methods.refine("gradcam", eps=0)
