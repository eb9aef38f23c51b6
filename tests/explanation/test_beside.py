"""Side by side: what differs lies on rows and columns, and maps share a scale only where their numbers can be compared."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import whylight
from nets import gap_net
from whylight.errors import WhylightError
from whylight.explanation import Explanation
from whylight.explanation.arranging import Arrangement, arrange
from whylight.explanation.scales import scales
from whylight.images.preprocess import Region

SIZE = (80, 60)


def make(
    method: str = "gradcam",
    label: str = "tabby",
    source: str = "cat.jpg",
    model: str = "resnet",
    high: float = 8.0,
    level: float = 0.0,
    raw: Tensor | None = None,
    target: int | None = 2,
    units: str = "logit",
) -> Explanation:
    if raw is None:
        raw = torch.full((3, 4), level)
        raw[1, 2] = high
    colour = tuple(zlib.crc32(source.encode()) >> shift & 127 for shift in (0, 8, 16))
    return Explanation(
        map=raw,
        score=3.25,
        probability=0.75,
        target=target,
        label=label,
        method=method,
        units=units,
        picture=Image.new("RGB", SIZE, colour),  # type: ignore[arg-type]
        region=Region(0, 0, *SIZE),
        source=source,
        level=level,
        model=model,
    )


def table(plan: Arrangement) -> list[list[str]]:
    """What lies where, as "method label source model"."""
    rows = []
    for place in plan.row_places():
        cells = [plan.at(place, column) for column in range(len(plan.words[plan.columns]))]
        exs = [cell.explanation if cell is not None else None for cell in cells]
        rows.append(["" if ex is None else f"{ex.method} {ex.label} {ex.source} {ex.model}" for ex in exs])
    return rows


def test_methods_lie_on_columns_and_classes_on_rows() -> None:
    plan = arrange([make(method, label) for method in ("gradcam", "rise") for label in ("tabby", "dog")], 64)
    assert (plan.columns, plan.rows, plan.words["method"]) == ("method", ("target",), ["gradcam", "rise"])
    assert table(plan) == [
        ["gradcam tabby cat.jpg resnet", "rise tabby cat.jpg resnet"],
        ["gradcam dog cat.jpg resnet", "rise dog cat.jpg resnet"],
    ]


def test_three_that_vary_are_nested_and_any_can_lie_on_columns() -> None:
    exs = [make(m, t, model=n) for n in ("vit", "cnn") for m in ("gradcam", "rise") for t in ("tabby", "dog")]
    plan = arrange(exs, 64)
    assert (plan.columns, plan.rows) == ("method", ("model", "target"))
    assert [row[0] for row in table(plan)] == [
        f"gradcam {label} cat.jpg {model}" for model in ("vit", "cnn") for label in ("tabby", "dog")
    ]
    turned = arrange(exs, 64, "model")
    assert (turned.columns, turned.rows) == ("model", ("target", "method"))
    assert table(turned)[0] == ["gradcam tabby cat.jpg vit", "gradcam tabby cat.jpg cnn"]
    with pytest.raises(WhylightError, match="columns: expected one of picture, model, target, method, got 'layer'"):
        arrange(exs, 64, "layer")  # type: ignore[arg-type]


def test_each_pictures_own_classes_are_no_columns() -> None:
    """The most probable class differs from picture to picture: a column for each would be nearly empty."""
    plan = arrange([make(label=label, source=f"{label}.jpg") for label in ("tabby", "dog", "car")], 64)
    assert not plan.varies("target")
    assert not plan.named
    assert plan.columns == "picture"
    top = arrange([make(label=one, source=two) for one, two in (("a", "x"), ("b", "x"), ("b", "y"), ("c", "y"))], 64)
    assert top.words["target"] == ["target 1", "target 2"]
    assert table(top) == [["gradcam a x resnet", "gradcam b x resnet"], ["gradcam b y resnet", "gradcam c y resnet"]]


def test_what_has_the_same_name_is_told_apart() -> None:
    again = arrange([make(), make(high=2.0), make("rise")], 64)
    assert again.words["method"] == ["gradcam", "gradcam (2)", "rise"]
    assert len(again.cells) == 3
    assert arrange([make(label="crane", target=1), make(label="crane", target=2)], 64).words["target"] == [
        "crane [1]",
        "crane [2]",
    ]
    names = [make(source=one) for one in ("a/x.jpg", "b/x.jpg", "b/y.jpg")]
    assert arrange(names, 64).words["picture"] == ["a/x.jpg", "b/x.jpg", "y.jpg"]
    other = replace(make(source="<array>"), picture=Image.new("RGB", SIZE, "white"))
    assert arrange([make(source="<array>"), other], 64).words["picture"] == ["<array>", "<array> (2)"]
    assert len(arrange([make("gradcam"), make("rise")], 64).words["picture"]) == 1, "two copies of one picture are one"


def shares(exs: Sequence[Explanation], scaling: object = "shared") -> tuple[list[object], str]:
    found, legend = scales(exs, [ex.method for ex in exs], scaling)  # type: ignore[arg-type]
    return [one.scale for one in found], " ".join(legend.notes)


def test_maps_of_one_method_and_model_are_on_one_scale() -> None:
    exs = [make(label="tabby", high=8.0), make(label="dog", high=2.0)]
    scale, words = shares(exs)
    assert scale[0] == scale[1] == pytest.approx(exs[0].limits()[1])  # type: ignore[index]
    assert words == "All 2 maps are on this one scale."
    faint = float(exs[1].heatmap(scale=scale[1]).max())  # type: ignore[arg-type]
    assert faint == pytest.approx(0.25), "a quarter of the evidence is a quarter of the heat"


@pytest.mark.parametrize(
    "other",
    [
        make("rise", high=2.0),
        make(model="vit", high=2.0),
        make(units="probability", high=2.0),
        make(target=None, label="tabby >> dog", high=2.0),
        replace(make(high=2.0), scale="minmax"),
    ],
    ids=["method", "model", "units", "function", "own display"],
)
def test_what_cannot_be_compared_is_not_on_one_scale(other: Explanation) -> None:
    scale, words = shares([make(), other])
    assert scale == [None, None]
    assert words.startswith("Each map is on a scale of its own")


def test_maps_that_norm_themselves_are_each_on_their_own() -> None:
    scale, _ = shares([make(units="share of the maximum"), make(units="share of the maximum", label="dog")])
    assert scale == [None, None]


def test_two_scales_are_told_apart() -> None:
    exs = [make(m, t, high=h) for m, t, h in (("a", "x", 8), ("a", "y", 2), ("b", "x", 4), ("b", "y", 1))]
    scale, words = shares(exs)
    assert scale[0] == scale[1] != scale[2] == scale[3]
    assert "a: 2 maps on one scale, up to" in words
    assert "b: 2 maps on one scale, up to" in words
    assert words.endswith("Colours compare within a scale, not between two.")


def test_evidence_above_different_levels_is_shared_above_them() -> None:
    """RISE's maps start from each picture's mean score: what is compared is what lies above."""
    exs = [make("rise", high=0.9, level=0.5), make("rise", label="dog", high=0.3, level=0.1)]
    scale, _ = shares(exs)
    reach = exs[0].limits()[1] - 0.5  # type: ignore[index]
    assert scale == [pytest.approx(0.5 + reach), pytest.approx(0.1 + reach)]


def test_blank_and_faint_maps_are_said_to_be() -> None:
    exs = [make(), make(label="dog", raw=torch.zeros(3, 4)), make(label="car", high=0.1)]
    found, legend = scales(exs, ["gradcam"] * 3, "shared")
    assert legend.notes[-1] == "1 of the maps is empty, and said to be."
    assert [one.told[:6] for one in found] == ["", "", "faint:"]
    drawn = np.asarray(whylight.grid(exs))
    assert drawn.ndim == 3
    scale, words = shares([make(raw=torch.zeros(3, 4)), make(label="dog", raw=torch.zeros(3, 4))])
    assert scale == [None, None]
    assert words == "2 of the maps are empty, and said to be."


def test_each_and_a_number() -> None:
    exs = [make(high=8.0), make(label="dog", high=2.0)]
    assert shares(exs, "each")[0] == [None, None]
    assert shares(exs, 4.0)[0] == [4.0, 4.0]
    with pytest.raises(WhylightError, match="scale: expected 'shared', 'each' or a number, got 'max'"):
        whylight.grid(exs, scale="max")  # type: ignore[arg-type]
    with pytest.raises(WhylightError, match="scale: a number must be above 0"):
        whylight.grid(exs, scale=-1.0)


def test_a_tile_is_the_overlay_on_that_scale() -> None:
    exs = [make(label="tabby", high=8.0), make(label="dog", high=2.0)]
    drawn = np.asarray(whylight.grid(exs, tile=80))
    scale = exs[0].limits()[1]  # type: ignore[index]
    for ex in exs:
        wanted = np.asarray(ex.overlay(scale=scale))
        places = np.argwhere((drawn == wanted[30, 50]).all(axis=2))
        assert any(
            np.array_equal(drawn[y - 30 : y + 30, x - 50 : x + 30], wanted) for y, x in places if y >= 30 and x >= 50
        )


def test_models_by_name_and_lists_of_lists() -> None:
    one, other = make(model="Sequential"), make(model="Sequential", high=2.0)
    both = {"before": [one], "after": other}
    assert (
        whylight.grid(both).size
        == whylight.grid([[replace(one, model="before")], [replace(other, model="after")]]).size
    )
    assert one.model == "Sequential", "what was given stays as it was"
    for wrong, word in ((3, "int"), ("cat.jpg", "str"), ([one, "cat.jpg"], "str")):
        with pytest.raises(WhylightError, match=f"expected explanations, as whylight.explain returns them, got {word}"):
            whylight.grid(wrong)  # type: ignore[arg-type]
    with pytest.raises(WhylightError, match="grid: there are no explanations to draw"):
        whylight.grid([])
    with pytest.raises(WhylightError, match="grid: 401 maps do not fit into one picture; give at most 400"):
        whylight.grid([one] * 401)
    with pytest.raises(WhylightError, match="tile: expected a side from 32 to 2000 pixels, got 0"):
        whylight.grid(one, tile=0)


def test_a_real_photograph_by_two_real_networks(photo: Path) -> None:
    models = {}
    for seed in (0, 1):
        torch.manual_seed(seed)
        models[f"net {seed}"] = whylight.wrap(gap_net(), classes=["cat", "dog", "car"], size=64)
    found = {
        name: whylight.explain(model, photo, methods=["gradcam", "eigencam"], targets=["cat", "dog"])
        for name, model in models.items()
    }
    plan = arrange([replace(ex, model=name) for name, exs in found.items() for ex in exs], 64)
    assert (plan.rows, plan.words["model"], plan.named) == (("model", "target"), ["net 0", "net 1"], True)
    assert len(plan.words["picture"]) == 1
    width, height = whylight.grid(found).size
    assert height > width > 600
