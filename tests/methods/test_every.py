"""What holds for every registered method, whatever it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import whylight
from nets import deep_head_net, gap_net
from whylight import methods
from whylight.errors import ImageError, ModelError
from whylight.methods import makers
from whylight.models.model import Model

# Fewer perturbations than anybody would ask for: these tests look at what comes out, not at how good it is.
FEW: dict[str, dict[str, Any]] = {
    "augmented-gradcam": {"copies": 2},
    "integrated-gradients": {"steps": 2},
    "rise": {"masks": 8},
    "smoothgrad": {"copies": 2},
    "smoothgradcam++": {"copies": 2},
}
NAMES = methods.names()


def few(name: str) -> methods.Method:
    return methods.get(name, **FEW.get(name, {}))


@pytest.fixture(scope="module")
def model() -> Model:
    return whylight.wrap(gap_net(), size=32)


def applies(model: Model, name: str) -> methods.Method:
    if model.why_not(name) is not None:
        pytest.skip(str(model.why_not(name)))
    return few(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (900, 2), (5, 4)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_pictures_of_odd_shapes(model: Model, name: str, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    ex = whylight.explain(model, picture, method=applies(model, name), target=1)
    assert ex.map.isfinite().all()
    assert ex.heatmap().shape == size
    assert ex.overlay().size == (size[1], size[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_no_size_is_named(model: Model, name: str) -> None:
    with pytest.raises(ImageError, match=r"<array>"):
        whylight.explain(model, np.zeros((0, 5, 3), np.uint8), method=applies(model, name))


@pytest.mark.parametrize("name", NAMES)
def test_activations_that_are_not_finite_are_named(name: str) -> None:
    network = gap_net()
    model = whylight.wrap(network, size=32)
    method = applies(model, name)
    with torch.no_grad():
        network[0].bias.fill_(float("nan"))  # type: ignore[union-attr,operator]
    with pytest.raises(ModelError, match=r"<array>: .*not finite \(NaN or infinity\)"):
        whylight.explain(model, np.zeros((8, 8, 3), np.uint8), method=method, target=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_has_the_same_map_alone_and_among_others(name: str) -> None:
    model = whylight.wrap(deep_head_net(), size=32)
    method = applies(model, name)
    x = torch.randn((3, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    together = whylight.explain(model, x, method=method, batch_size=3)
    for i, ex in enumerate(together):
        alone: Tensor = whylight.explain(model, x[i], method=method).map
        torch.testing.assert_close(ex.map, alone, rtol=1e-3, atol=1e-4 * float(alone.abs().max()))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_twice(model: Model, name: str) -> None:
    """What is random in a method comes from its seed."""
    method = applies(model, name)
    x = torch.randn((3, 32, 32), generator=torch.Generator().manual_seed(2))
    torch.manual_seed(1)
    first = whylight.explain(model, x, method=method, target=0).map
    torch.manual_seed(2)
    assert torch.equal(whylight.explain(model, x, method=method, target=0).map, first)


def test_every_method_has_a_maker_and_every_maker_a_method() -> None:
    made = {make().name for make in vars(makers).values() if getattr(make, "func", None) is methods.get}
    assert made == set(NAMES)
    assert methods.Rise(masks=40, tolerance=0.2).options == {"masks": 40, "tolerance": 0.2}
