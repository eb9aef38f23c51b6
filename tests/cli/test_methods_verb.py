"""`whylight methods`: what is told of each is so, and which suit a model is what the model itself says."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch

import whylight
from cli.conftest import Run
from nets import gap_net
from whylight import engine, methods
from whylight.methods.facts import facts_of
from whylight.methods.naming import ALIASES


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("gradCAM", "gradcam"),
        ("grad-cam", "gradcam"),
        ("Grad_CAM", "gradcam"),
        ("GRAD CAM", "gradcam"),
        ("LayerGradCam", "gradcam"),  # captum
        ("GradCAM++", "gradcam++"),
        ("gradcampp", "gradcam++"),
        ("gradcam_plusplus", "gradcam++"),
        ("GradCAMPlusPlus", "gradcam++"),
        ("Grad-CAM plus plus", "gradcam++"),
        ("SmoothGradCAMpp", "smoothgradcam++"),  # torch-cam
        ("GradCAMElementWise", "elementgradcam"),  # pytorch-grad-cam
        ("KPCA_CAM", "kpcacam"),
        ("DeepFeatureFactorization", "dff"),
        ("Score-CAM", "scorecam"),
        ("integrated gradients", "integrated-gradients"),
        ("IntegratedGradients", "integrated-gradients"),
        ("IG", "integrated-gradients"),
        ("InputXGradient", "inputxgradient"),
        ("Input × Gradient", "inputxgradient"),
        ("GuidedGradCam", "guided-gradcam"),
        ("guided_gradcam", "guided-gradcam"),
        ("augmented_gradcam", "augmented-gradcam"),
        ("Attention Rollout", "rollout"),
        ("RISE", "rise"),
    ],
)
def test_a_method_however_it_is_written(written: str, name: str) -> None:
    assert methods.meant(written) == methods.get(written).name == name


def test_no_name_means_two_methods() -> None:
    by_plain = Counter(methods.naming.plain(name) for name in methods.names())
    assert set(by_plain.values()) == {1}
    assert not by_plain.keys() & ALIASES.keys()
    assert all(methods.meant(alias) in methods.names() for alias in ALIASES)
    for name in ("gradcam2", "guided_backprop", "sscam", "", "++"):  # other methods, and none
        assert methods.meant(name) is None
        with pytest.raises(whylight.errors.MethodError, match=r"is not known\. Near it: "):
            methods.get(name)
    with pytest.raises(whylight.errors.MethodError, match="a method 'gradcam' is registered already"):
        methods.register("Grad-CAM", units="")(methods.gradcam)


def test_a_method_is_called_the_same_in_all_records(run: Run, good: object, model: str) -> None:
    outcome = run(
        "explain", f"{good}/a.jpg", "--model", model, "--method", "Grad-CAM,RISE,gradcam", "--option", "Rise.masks=9",
        "-o", "out", "--json", "-",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert [line["method"] for line in outcome.lines] == ["gradcam", "rise"]
    assert outcome.lines[1]["details"]["masks"] == 9
    assert all(
        line["file"].endswith(f"a.{line['method']}.{line['label'].replace(' ', '_')}.png") for line in outcome.lines
    )
    again = run("explain", f"{good}/a.jpg", "--model", model, "--method", "GRADCAM", "-o", "plain", "--json", "-")
    again = run("explain", f"{good}/a.jpg", "--model", model, "--method", "grad_cam", "-o", "plain", "--json", "-")
    assert [line["skipped"] for line in again.lines] == [True]
    twice = run(
        "explain", f"{good}/a.jpg", "--model", model, "--method", "rise", "--option", "rise.masks=9",
        "--option", "RISE.masks=8", "-o", "out",
    )  # fmt: skip
    assert twice.code == 2
    assert "rise.masks is given twice, under two names of the method" in twice.err


def test_forwards_and_backwards_are_as_many_as_told() -> None:
    """Counted on a network whose head is linear, and on one whose head is not."""
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def cost(net: torch.nn.Module, name: str, **options: object) -> tuple[int, bool]:
        counted = {"forwards": 0, "whole": False}
        first = next(module for module in net.modules() if isinstance(module, torch.nn.Conv2d))

        def count(module: torch.nn.Module, given: tuple[torch.Tensor], found: torch.Tensor) -> None:
            counted["forwards"] += len(given[0])
            if found.requires_grad and given[0].requires_grad:
                counted["whole"] = True

        model = whylight.wrap(net, size=32)
        assert model.why_not(name) is None  # found by running, which is not counted
        handle = first.register_forward_hook(count)
        try:
            engine.maps(model, x, [methods.get(name, **options)], [0], precision="fp32")
        finally:
            handle.remove()
        return counted["forwards"], counted["whole"]

    for name in ("gradcam", "layercam", "cam", "eigencam", "ablationcam", "shapleycam", "finercam"):
        assert facts_of(methods.get(name), linear=True).cost == "one forward"
        assert cost(gap_net(), name) == (1, False)
    assert "whole network" in facts_of(methods.get("saliency")).cost
    assert cost(gap_net(), "saliency") == (2, True)  # the prediction's on top
    assert facts_of(methods.get("smoothgrad", copies=5)).cost.startswith("5 forwards and backwards")
    assert cost(gap_net(), "smoothgrad", copies=5) == (6, True)
    assert facts_of(methods.get("smoothgradcam++", copies=4), linear=True).cost == "4 forwards"
    assert cost(gap_net(), "smoothgradcam++", copies=4) == (5, False)


def test_the_sign_is_as_told() -> None:
    """Maps that tell only what speaks for a class never go below zero, and those that tell more do, on random weights."""
    model = whylight.wrap(gap_net(), size=32)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    few = {"rise": {"masks": 20}, "augmented-gradcam": {"copies": 4}}
    for name in model.applicable_methods():
        facts = facts_of(methods.get(name))
        lowest = float(engine.maps(model, x, [methods.get(name, **few.get(name, {}))], [0, 1]).min())
        if facts.signed is False:
            assert lowest >= 0, name
        elif name in ("cam", "hirescam", "occlusion", "inputxgradient", "integrated-gradients"):
            assert facts.signed, name
            assert lowest < 0, name


def test_all_are_listed(run: Run) -> None:
    listed = run("methods")
    assert listed.code == 0
    for name in methods.names():
        assert f"  {name} " in listed.out
    assert max(map(len, listed.out.splitlines())) <= 118
    facts = json.loads(run("methods", "--json").out)["methods"]
    assert [one["name"] for one in facts] == methods.names()
    for one in facts:
        assert all(one[key] for key in ("does", "cost", "source", "units", "needs")), one["name"]


def test_one_is_described(run: Run) -> None:
    card = run("methods", "Grad-CAM++")
    assert card.code == 0
    assert card.out.startswith("gradcam++\n")
    assert "WACV 2018" in card.out
    assert "masks=4000" in run("methods", "rise").out
    unknown = run("methods", "grdcam")
    assert unknown.code == 2
    assert "method 'grdcam' is not known. Near it: gradcam" in unknown.err


def test_which_suit_a_model(run: Run, model: str) -> None:
    loaded = whylight.load(model, device="cpu")
    found = json.loads(run("methods", "--model", model, "--json").out)
    assert [one["name"] for one in found["methods"] if one["why_not"] is None] == loaded.applicable_methods()
    assert {one["name"]: one["why_not"] for one in found["methods"]}["legrad"] == loaded.why_not("legrad")
    said = run("methods", "--model", model)
    assert said.code == 0
    assert f"{len(loaded.applicable_methods())} of {len(methods.names())} methods suit {model}." in said.out
    assert "Not for this model" in said.out
    assert "needs attention over all places" in " ".join(said.out.split())
    one = run("methods", "rollout", "-m", model)
    assert "suits it  no: method 'rollout' needs attention" in one.out
    assert "of which model" in run("methods", "--layer", "layer2").err
    assert run("methods", "--model", "resnet81").code == 2
