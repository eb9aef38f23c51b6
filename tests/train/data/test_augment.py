"""What augmentation keeps, and what it depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from whylight.errors import DataError
from whylight.images.preprocess import Preprocess
from whylight.train import TrainConfig
from whylight.train.data.augment import Augment, cover, soft_edge
from whylight.train.data.folders import find
from whylight.train.data.pictures import Pictures

STILL = {"shift": 0.0, "shear": 0.0, "rotate": 0.0, "zoom": 0.0, "flip": 0.0, "colour": 0.0}


def pictures(config: TrainConfig) -> Pictures:
    data = find(config.data)
    items = data.splits["train"]
    return Pictures(items, Preprocess(size=(config.size, config.size)), Augment(config, items, data.classes))


def test_with_everything_off_the_picture_is_what_the_model_sees(settings: Callable[..., TrainConfig]) -> None:
    changed = pictures(settings(**STILL))
    plain = Pictures(changed.items, changed.preprocess)
    for index in (0, 20):
        x, label, where = changed[index]
        expected, same_label, _ = plain[index]
        assert label == same_label
        assert where.min() == 1
        assert torch.allclose(x, expected, atol=1e-5)


def test_depends_on_seed_epoch_and_place_alone(settings: Callable[..., TrainConfig]) -> None:
    first = pictures(settings(background="empty", paste=0.5, erase=0.5, jpeg=0.5, blur=0.5, grey=0.3))
    again = pictures(settings(background="empty", paste=0.5, erase=0.5, jpeg=0.5, blur=0.5, grey=0.3))
    for k in (30, 3, 17):
        torch.rand(k)  # whatever else was drawn before
        assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in zip(first[k], again[k], strict=True))
    again.epoch = 1
    assert not torch.equal(first[3][0], again[3][0])


def test_a_picture_leaves_the_random_state_alone(settings: Callable[..., TrainConfig]) -> None:
    data = pictures(settings())
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    data[0]
    assert torch.equal(torch.rand(1), expected)


def test_pastes_say_where_and_background_says_nowhere(settings: Callable[..., TrainConfig], tree: Path) -> None:
    data = pictures(settings(background="empty", paste=1.0, **STILL))
    for index, item in enumerate(data.items):
        x, _, where = data[index]
        assert set(where.unique().tolist()) <= {0.0, 1.0}
        if item.name.startswith("disc/"):
            assert 0 < where.mean() < 1
            rgb = x * torch.tensor(data.preprocess.std).view(3, 1, 1) + torch.tensor(data.preprocess.mean).view(3, 1, 1)
            red = (rgb[0] - rgb[2]) > 0.55  # the disc's colour, which noise below 120 cannot reach
            assert not (red & (where == 0)).any()
        else:
            assert where.max() == 0


def test_paste_from_keeps_others_whole(settings: Callable[..., TrainConfig]) -> None:
    data = pictures(settings(background="empty", paste=1.0, paste_from=("disc/1*",), **STILL))
    for index, item in enumerate(data.items):
        if item.name.startswith("disc/"):
            pasted = item.name.startswith("disc/1")
            assert (data[index][2].min() == 0) == pasted


def test_cover_hides_a_part_and_no_more() -> None:
    torch.manual_seed(0)
    picture = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    for _ in range(20):
        share = (cover(picture) != picture).any(0).float().mean()
        assert 0 < share < 0.6


def test_soft_edge_is_opaque_inside() -> None:
    torch.manual_seed(0)
    edge = soft_edge(20, 30)
    assert edge[10, 15] == 1
    assert edge[0, 0] == 0


def test_patterns_that_match_nothing_are_named(settings: Callable[..., TrainConfig]) -> None:
    for pattern in ("nothing/*", "empty/*"):  # background pictures are not what is pasted
        with pytest.raises(DataError, match=r"paste_from: .*called '" + pattern.replace("*", r"\*")):
            pictures(settings(background="empty", paste=0.5, paste_from=("disc/*", pattern)))
