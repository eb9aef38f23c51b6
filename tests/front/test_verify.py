"""The receipt of one explanation: what it says where the answer is known."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import whylight
from nets import gap_net
from whylight import methods
from whylight.errors import MethodError, TargetError, WhylightError
from whylight.evaluate.findings.sanity import verdict
from whylight.evaluate.measures.similarity import spearman
from whylight.explanation.receipt import Receipt
from whylight.front.verify import Networks
from whylight.pipeline.explain import explain_each

SIZE = 32


class Quarter(nn.Module):
    """Class 1 is the brightness of the upper left quarter; a convolution first, so that there is a grid to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        self.head = nn.Linear(128, 2)
        with torch.no_grad():
            self.conv.weight.fill_(1 / 48)
            self.conv.weight[1].mul_(torch.rand((3, 4, 4), generator=torch.Generator().manual_seed(0)))
            self.head.bias.zero_()
            weight = torch.zeros(2, 2, 8, 8)
            weight[1, 0, :4, :4] = 0.5
            self.head.weight.copy_(weight.flatten(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.conv(x).relu().flatten(1))


@pytest.fixture(scope="module")
def model() -> whylight.Model:
    return whylight.wrap(Quarter(), size=SIZE, mean=(0, 0, 0), std=(1, 1, 1), layer="conv", classes=["dark", "bright"])


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """A bright upper left quarter on noise."""
    pixels = np.random.default_rng(0).integers(0, 60, (SIZE, SIZE, 3), dtype=np.uint8)
    pixels[:16, :16] += 190
    return pixels


def test_explanations_from_below_the_front_cannot_verify_themselves(model: whylight.Model, picture: np.ndarray) -> None:
    ((ex,),) = explain_each(model, [picture], target="bright")
    with pytest.raises(WhylightError, match="does not know the model it came from"):
        ex.verify()


def test_the_hot_part_matters_more_than_chance(model: whylight.Model, picture: np.ndarray) -> None:
    ex = whylight.explain(model, picture, target="bright", method="hirescam")
    receipt = ex.verify(share=0.25)
    x = model.preprocess(picture)
    assert receipt.score == pytest.approx(ex.probability, abs=1e-2)
    gone = x.clone()
    gone[:, :16, :16] = x.mean(
        (1, 2), keepdim=True
    )  # the map is positive in the quarter alone: a quarter of the picture
    assert receipt.removed == pytest.approx(float(model.predict(gone[None])[0, 1]), abs=0.03)
    assert receipt.removed < receipt.random < receipt.score
    assert receipt.lower >= 95
    assert receipt.percentile is not None
    assert receipt.lower <= receipt.percentile <= 100
    assert receipt.draws == 100
    assert receipt.sentence.startswith(
        f"removing the hottest 25 % of the picture drops the score from {receipt.score:.2f} to {receipt.removed:.2f}, "
        f"more than {receipt.lower} of 100 random removals of the same size ({receipt.random:.2f} on average); "
    )
    assert str(receipt) == receipt.sentence == receipt.to_dict()["sentence"]


def test_it_is_the_same_every_time(model: whylight.Model, picture: np.ndarray) -> None:
    ex = whylight.explain(model, picture, target=1)
    first, second, other = ex.verify(), ex.verify(), ex.verify(seed=1)
    assert first == second
    assert first.random != other.random


def test_a_map_that_points_elsewhere_fails(model: whylight.Model, picture: np.ndarray) -> None:
    """The same explanation turned round: the coldest part comes first."""
    from dataclasses import replace

    ex = whylight.explain(model, picture, target="bright", method="hirescam")
    receipt = replace(ex, map=ex.map.flip(0, 1) + 1e-6).verify(share=0.25)
    assert receipt.percentile is not None
    assert receipt.percentile < 30
    assert not receipt.holds


def test_random_places_keep_area_and_shape() -> None:
    from whylight.front.verify import _moved

    hot = torch.zeros(20, 30, dtype=torch.bool)
    hot[2:7, 3:13] = True
    hot[4, 13] = True
    found = _moved(hot, 200, 0)
    edges = (hot != hot.roll(1, 0)).sum() + (hot != hot.roll(1, 1)).sum()
    for one in found:
        assert int(one.sum()) == 51
        assert int((one != one.roll(1, 0)).sum() + (one != one.roll(1, 1)).sum()) == int(edges)
    everywhere = torch.stack(found).double().mean(0)
    assert float(everywhere.min()) > 0.02
    assert float(everywhere.max()) < 0.17  # 51 of 600 pixels: 0.085


def test_a_map_that_ignores_the_weights_is_told(picture: np.ndarray) -> None:
    @methods.register("edges", units="contrast")
    def edges(inputs: Tensor) -> Tensor:
        return inputs.mean(1).diff(dim=2).abs()

    try:
        model = whylight.wrap(gap_net(), size=SIZE)
        receipt = whylight.explain(model, picture, method="edges", target=0).verify(draws=3)
        assert receipt.rank == pytest.approx(1)
        assert receipt.ssim == pytest.approx(1)
        assert receipt.survives is False
        assert not receipt.holds
        assert receipt.sentence.endswith(
            "but the map does not follow the weights: it changes hardly when they are "
            "randomised (rank correlation 1.00); do not trust it."
        )
    finally:
        methods.unregister("edges")


def test_a_blank_map_says_so(picture: np.ndarray) -> None:
    net = gap_net()
    with torch.no_grad():
        net[-1].weight.copy_(-net[-1].weight.abs())
    receipt = whylight.explain(whylight.wrap(net, size=SIZE), picture, method="gradcam", target=0).verify()
    assert receipt.blank
    assert receipt.removed is None
    assert not receipt.holds
    assert receipt.sentence.startswith("the map has no positive evidence anywhere: there is no hottest part to remove")


def test_a_map_that_is_the_same_everywhere_says_so(picture: np.ndarray) -> None:
    from dataclasses import replace

    ex = whylight.explain(whylight.wrap(gap_net(), size=SIZE), picture, target=0)
    receipt = replace(ex, map=torch.ones(8, 8)).verify()
    assert not receipt.blank
    assert receipt.score is None
    assert receipt.sentence.startswith("the map is the same everywhere: there is no hottest part to remove")


def test_a_black_box_goes_as_far_as_it_can(picture: np.ndarray) -> None:
    black = whylight.wrap_callable(lambda x: torch.stack([x.mean((1, 2, 3)), 1 - x.mean((1, 2, 3))], 1), size=SIZE)
    method = methods.get("occlusion", patch=8, stride=8)
    receipt = whylight.explain(black, picture, method=method, target=0).verify(draws=20)
    assert receipt.draws == 20
    assert receipt.score is not None
    assert receipt.rank is None
    assert receipt.survives is None
    assert "was not checked: it is a black box, whose weights cannot be seen" in receipt.sentence


def test_a_function_of_the_logits(model: whylight.Model, picture: np.ndarray) -> None:
    def gap(logits: Tensor) -> Tensor:
        return logits[:, 1] - logits[:, 0]

    ex = whylight.explain(model, picture, target=gap)
    receipt = ex.verify()
    assert not receipt.is_probability
    assert receipt.score == pytest.approx(ex.score, rel=0.02)
    with pytest.raises(TargetError, match="'gap' is no class but a function of the logits"):
        whylight.verify(model, copy.copy(ex))


def test_a_preprocessed_input_is_verified_as_it_was(model: whylight.Model) -> None:
    """Restored to a picture it would be cut to 0 … 1."""
    x = 3 * torch.rand((3, SIZE, SIZE), generator=torch.Generator().manual_seed(0)) - 1
    ex = whylight.explain(model, x, target=1)
    assert ex.verify(draws=2).score == pytest.approx(ex.probability, abs=1e-2)


def test_copies_and_pickles_do_not_take_the_model_along(model: whylight.Model, picture: np.ndarray) -> None:
    ex = whylight.explain(model, picture, target=1)
    for other in (copy.copy(ex), copy.deepcopy(ex), pickle.loads(pickle.dumps(ex))):
        with pytest.raises(WhylightError, match=r"does not know the model it came from.*whylight.verify\(model"):
            other.verify()
        assert whylight.verify(model, other) == ex.verify()
    assert "verifier" not in repr(ex)
    assert ex.verify(draws=1).draws == 1


def test_a_method_that_is_more_than_a_name(model: whylight.Model, picture: np.ndarray) -> None:
    method = methods.tta("gradcam", flip=True)
    ex = whylight.explain(model, picture, method=method, target=1)
    assert ex.verify(draws=2).rank is not None
    with pytest.raises(MethodError, match="how the map was made is not known"):
        whylight.verify(model, copy.copy(ex), draws=2)
    assert whylight.verify(model, copy.copy(ex), method=method, draws=2) == ex.verify(draws=2)


@pytest.mark.parametrize("options", [{"share": 0}, {"share": 1}, {"draws": 0}])
def test_what_cannot_be_asked(model: whylight.Model, picture: np.ndarray, options: dict[str, float]) -> None:
    with pytest.raises(MethodError, match="share must lie between 0 and 1, and draws be at least 1"):
        whylight.explain(model, picture, target=1).verify(**options)


def test_the_model_is_handed_back_as_it_came(picture: np.ndarray) -> None:
    net = gap_net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    model = whylight.wrap(net, size=SIZE)
    whylight.explain(model, picture, target=0).verify(draws=2)
    assert net.training
    assert all(part.training for part in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in net.modules())
    assert all(p.grad is None and p.requires_grad for p in net.parameters())


@pytest.mark.parametrize(
    ("rank", "word", "words"),
    [
        (0.34, "follows the weights", "the map follows the weights: it changes when they are randomised."),
        (
            0.35,
            "follows the weights in part",
            "only in part when they are randomised (rank correlation 0.35); take it with care.",
        ),
        (
            0.7,
            "does not follow the weights",
            "hardly when they are randomised (rank correlation 0.70); do not trust it.",
        ),
    ],
)
def test_three_words_for_the_weights(rank: float, word: str, words: str) -> None:
    """The same rule and the same words as the sanity check's."""
    receipt = Receipt("cat", "own", False, 0.1, 0.9, 0.1, 0.8, 100, 100.0, 0.5, 100, rank=rank, ssim=0.0, networks=3)
    assert receipt.follows == word
    assert receipt.holds == receipt.survives == (word == "follows the weights")
    assert receipt.sentence.endswith(words)
    assert verdict(rank).startswith(word)


def test_networks_are_made_once(picture: np.ndarray) -> None:
    model = whylight.wrap(gap_net(), size=SIZE)
    networks = Networks(model)
    first = networks(2)
    assert [a is b for a, b in zip(networks(3), first, strict=False)] == [True, True]
    ex = whylight.explain(model, picture, target=0)
    assert ex.verify(networks=networks) == ex.verify()


def test_words_for_scores_that_rise() -> None:
    receipt = Receipt("cat", "gradcam", False, 0.1, 0.5, 0.75, 0.5, 3, 3.0, 0.5, 100, rank=0.1, ssim=0.0, networks=3)
    assert receipt.sentence == (
        "removing the hottest 10 % of the picture raises the score from 0.50 to 0.75; after 3 of 100 random removals of the same "
        "size it is higher (0.50 on average); the map follows the weights: it changes when they are randomised."
    )


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (
            (0.971, 0.119, 0.908),
            "drops the score from 0.97 to 0.12, more than 9 of 10 random removals of the same size (0.91 ",
        ),
        (
            (0.004, 0.0031, 0.0038),
            "drops the score from 0.004 to 0.0031, more than 9 of 10 random removals of the same size (0.0",
        ),
        ((0.00251, 0.00249, 0.0025), "drops the score from 0.00251 to 0.00249, more than"),
        ((0.99999, 0.9993, 0.9999), "drops the score from 1.000 to 0.999, more than"),
        ((3e-9, 0.0, 1e-9), "drops the score from 3e-09 to 0.00, more than"),
        (
            (1.0, 1.0, 1.0),
            "leaves the score at 1.00; after 9 of 10 random removals of the same size it is higher (1.00 ",
        ),
    ],
)
def test_digits_tell_scores_apart(scores: tuple[float, float, float], words: str) -> None:
    sentence = Receipt("cat", "gradcam", False, 0.1, *scores, lower=9, percentile=90.0, draws=10).sentence
    assert sentence.startswith(f"removing the hottest 10 % of the picture {words}")


def only(model: whylight.Model, *signs: int) -> Networks:
    """Copies with random weights, of which nothing speaks for any class in those of sign -1, and everything in others."""
    networks = Networks(model)
    for sign, network in zip(signs, networks(len(signs)), strict=True):
        with torch.no_grad():
            network.module[-1].weight.copy_(sign * network.module[-1].weight.abs())
    return networks


def test_blank_maps_of_random_networks_are_left_out(picture: np.ndarray) -> None:
    """Grad-CAM's map is zero where nothing speaks for the class: that says nothing about the method."""
    net = gap_net()
    with torch.no_grad():
        net[-1].weight.copy_(net[-1].weight.abs())
    model = whylight.wrap(net, size=SIZE)
    ex = whylight.explain(model, picture, method="gradcam", target=0)
    whole = ex.verify(draws=2, networks=only(model, 1, 1, 1))
    assert (whole.networks, whole.blank_networks) == (3, 0)
    some = ex.verify(draws=2, networks=only(model, 1, -1, -1))
    assert (some.networks, some.blank_networks) == (1, 2)
    (shown,) = only(model, 1)(1)
    after = whylight.explain(shown, picture, method="gradcam", target=0).map
    assert some.rank == pytest.approx(float(spearman(ex.map[None], after[None])), abs=1e-3)
    assert "when they are randomised (2 of 3 left out: blank maps)" in some.sentence
    none = ex.verify(draws=2, networks=only(model, -1, -1, -1))
    assert (none.rank, none.ssim, none.survives, none.blank_networks) == (None, None, None, 3)
    assert none.sentence.endswith(
        "whether it changes when the weights are randomised cannot be told: the maps of all 3 networks with random weights "
        "show nothing."
    )


def test_a_saturated_probability_is_judged_by_its_logit(picture: np.ndarray) -> None:
    """Both probabilities are 1 in float32; the logits are far apart, and the hot part is what they differ by."""
    found = {}
    for scale in (1.0, 4000.0):
        net = gap_net(classes=2)  # of two classes the log-odds are scaled as the logits are
        with torch.no_grad():
            head = net[-1]
            assert isinstance(head, torch.nn.Linear)
            head.weight.mul_(scale)
        model = whylight.wrap(net, size=SIZE)
        ex = whylight.explain(
            model, picture, method="hirescam", target=int(model.predict(model.preprocess(picture)[None]).argmax())
        )
        found[scale] = ex.verify()
    sure, plain = found[4000.0], found[1.0]
    assert sure.score == sure.removed == 1.0
    assert sure.odds is not None
    assert sure.odds_removed is not None
    assert (sure.odds > sure.odds_removed) == (plain.score > plain.removed)  # type: ignore[operator]
    assert sure.lower == pytest.approx(plain.lower, abs=3)
    assert "log-odds (its probability stays at 1.00) from" in sure.sentence
    assert (sure.score, plain.score) == tuple(
        pytest.approx(float(torch.tensor(one.odds).sigmoid())) for one in (sure, plain)
    )


def test_an_absence_has_no_place(picture: np.ndarray) -> None:
    model = whylight.wrap(gap_net(classes=2), size=SIZE, classes=["face", "no face"])
    receipt = whylight.explain(model, picture, target="no face").verify()
    assert (receipt.absent, receipt.holds, receipt.score) == (True, None, None)
    assert receipt.sentence == (
        "'no face' says that something is not there, and an absence has no place: there is nothing to check."
    )
    assert not whylight.explain(model, picture, target="face").verify(draws=2).absent
