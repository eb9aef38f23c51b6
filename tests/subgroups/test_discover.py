"""Groups nobody named: what was planted is found, and where nothing was planted nothing is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from whylight.errors import DataError
from whylight.subgroups.discover import Discovery, discover, traits

Planted = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]


def planted(seed: int, n: int = 1200, share: float = 0.08) -> Planted:
    """Features that hang together, three of which show a patch; in the pictures with it half of the answers are wrong."""
    rng = np.random.default_rng(seed)
    width = 48
    features = rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) / 7 + 0.5 * rng.normal(size=(n, width))
    patch = rng.random(n) < share
    features[np.ix_(patch, rng.choice(width, 3, replace=False))] += 2.0
    return features, rng.random(n) < np.where(patch, 0.5, 0.06), patch


def test_a_planted_group_is_found_and_described() -> None:
    hits, purity = 0, []
    for seed in range(10):
        features, wrong, patch = planted(seed)
        columns = {"patch": patch.tolist(), "coin": np.random.default_rng(seed).integers(0, 2, len(patch)).tolist()}
        told = discover(features, wrong, columns=columns, seed=seed)
        if not told.found:
            continue
        best = told.found[0]
        hits += bool(best.traits) and (best.traits[0].column, best.traits[0].value) == ("patch", "True")
        purity.append(patch[best.members].mean())
        assert best.inside.mean > best.outside.mean
        assert best.p <= 0.05
        assert wrong[best.examples[:5]].all()
    assert hits >= 9
    assert np.mean(purity) > 0.4  # 8 % of all pictures have it


def test_nothing_is_found_where_nothing_was_planted() -> None:
    """400 audits of nothing: at least one finding in at most 5 % of them, but for the luck of 400."""
    wrong_ones = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        features, wrong = rng.normal(size=(500, 16)), rng.random(500) < 0.12
        wrong_ones += bool(discover(features, wrong, seed=seed).found)
    assert wrong_ones <= 28  # 20 expected at most; 29 are passed by chance once in thirty times


def test_people_with_many_pictures_make_no_findings() -> None:
    """Mistakes that go with the person, as her features do: to take pictures for people would find her again and again."""
    naive = careful = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        people = np.repeat(np.arange(60), 10)
        features = rng.normal(size=(60, 12))[people] + 0.2 * rng.normal(size=(600, 12))
        wrong = rng.random(600) < rng.beta(0.3, 2.0, 60)[people]
        careful += bool(discover(features, wrong, people=list(people), seed=seed).found)
        naive += bool(discover(features, wrong, seed=seed).found)
    assert careful <= 10
    assert naive >= 60


def test_what_the_logits_tell_is_no_finding() -> None:
    """Mistakes that depend on how near the boundary a picture lies, and on nothing else."""
    with_logits = without = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        features = rng.normal(size=(800, 12))
        logit = features @ rng.normal(size=12)
        wrong = rng.random(800) < 0.5 / (1 + np.exp(2 * logit))  # one class is missed more often
        logits = np.stack([np.zeros(800), logit], 1)
        with_logits += bool(discover(features, wrong, logits=logits, seed=seed).found)
        without += bool(discover(features, wrong, seed=seed).found)
    assert without >= 35
    assert with_logits <= 6


def pictures(rng: np.random.Generator, n: int, patched: NDArray[np.bool_], label: NDArray[np.int64]) -> torch.Tensor:
    """Noisy pictures 3 × 16 × 16: a bar that lies (0) or stands (1), and a red patch in a corner."""
    x = rng.normal(0, 1.0, (n, 3, 16, 16)).astype(np.float32)
    for i in range(n):
        at = rng.integers(4, 12)
        if label[i]:
            x[i, :, :, at : at + 2] += 1.2
        else:
            x[i, :, at : at + 2, :] += 1.2
        if patched[i]:
            x[i, 0, :4, :4] += 4
            x[i, 1:, :4, :4] -= 4
    return torch.from_numpy(x)


class Net(nn.Module):
    """A small network whose last features are read."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()
        )
        self.last = nn.Linear(32 * 2, 2)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        made = self.body(x)
        return torch.cat([made.mean((2, 3)), made.amax((2, 3))], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.features(x))
        return found


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small lose time over more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def audited(seed: int, *, bias: bool) -> tuple[Discovery, NDArray[np.bool_], float]:
    """Train on pictures in which a patch goes with standing bars, or on none; then audit where it lies on anything."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, 1000)
    x = pictures(rng, 1000, (label == 1) & (rng.random(1000) < 0.5) & bias, label)
    net, y = Net(), torch.from_numpy(label)
    step = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(7):
        for chosen in torch.randperm(1000).split(64):
            step.zero_grad()
            F.cross_entropy(net(x[chosen]), y[chosen]).backward()
            step.step()
    label = rng.integers(0, 2, 1000)
    patch = (rng.random(1000) < 0.12) & bias
    with torch.no_grad():
        features = net.features(pictures(rng, 1000, patch, label))
        logits = net.last(features)
    wrong = logits.argmax(1).numpy() != label
    told = discover(features.numpy(), wrong, logits=logits.numpy(), columns={"patch": patch.tolist()}, seed=seed)
    return told, patch, float(wrong[patch].mean()) if bias else 0.0


def test_a_network_that_follows_a_patch_is_found_out() -> None:
    hits = 0
    for seed in range(4):
        told, patch, missed = audited(seed, bias=True)
        assert missed > 0.3  # the patch does turn answers
        named = [one.traits[0].value for one in told.found if one.traits and one.traits[0].column == "patch"]
        hits += bool(named) and named[0] == "True" and patch[told.found[0].members].mean() > 0.5
    assert hits >= 3


def test_a_network_without_a_patch_has_nothing_to_be_found_by_patch() -> None:
    told, _, _ = audited(0, bias=False)
    assert all(trait.column != "patch" for one in told.found for trait in one.traits)


def test_traits_are_those_values_that_are_more_frequent_inside() -> None:
    inside = np.arange(400) < 50
    hat = np.where(inside, np.arange(400) % 10 < 8, np.arange(400) % 10 < 2)
    columns = {"hat": hat.tolist(), "name": [str(i) for i in range(400)], "one": ["same"] * 400}
    found = traits(columns, inside, np.ones(400, bool))
    assert [(one.column, one.value, one.inside) for one in found] == [("hat", "True", 0.8)]
    with pytest.raises(DataError, match="column 'hat': expected 400"):
        traits({"hat": [1, 2]}, inside, inside)


def test_too_few_pictures_are_said_to_be_too_few() -> None:
    told = discover(np.zeros((30, 3)), np.ones(30, bool))
    assert (told.found, told.tried) == ([], 0)
    assert "too few" in told.why_not
    assert "0 mistakes" in discover(np.random.default_rng(0).normal(size=(500, 3)), np.zeros(500, bool)).why_not


def test_features_that_never_vary_and_odd_input() -> None:
    wrong = np.arange(200) % 4 == 0
    assert discover(np.ones((200, 4)), wrong).found == []
    with pytest.raises(DataError, match="features"):
        discover(np.full((200, 4), np.nan), wrong)
    with pytest.raises(DataError, match="wrong"):
        discover(np.ones((200, 4)), wrong[:5])
