"""Hugging Face's classifiers: tiny random networks of the real classes, wrapped, loaded from a folder, and out of a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

import whylight
from whylight.cli import app
from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.huggingface import preprocess_of
from whylight.models.attention import AttentionMaps, find_attention

transformers = pytest.importorskip("transformers")

NAMES = {0: "cat", 1: "dog", 2: "owl"}
KNOWN: dict[str, Any] = {"id2label": NAMES, "label2id": {name: i for i, name in NAMES.items()}}
VIT = {
    **KNOWN,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 32,
    "image_size": 64,
    "patch_size": 16,
}
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
STAGES = {**KNOWN, "hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1]}


def _made(kind: str, **config: Any) -> nn.Module:
    torch.manual_seed(0)
    config_class = getattr(transformers, f"{kind}Config")
    model: nn.Module = getattr(transformers, f"{kind}ForImageClassification")(config_class(**config))
    for name, value in model.named_parameters():  # new networks attend evenly, and all their tokens are alike
        if value.ndim > 1 or "bias" in name:
            nn.init.normal_(value, std=0.3)
    return model.eval()


MAKERS: dict[str, Callable[[], nn.Module]] = {
    "vit": lambda: _made("ViT", **VIT),
    "deit": lambda: _made("DeiT", **VIT),
    "beit": lambda: _made("Beit", **VIT, use_relative_position_bias=True),
    "dinov2": lambda: _made("Dinov2", **VIT),
    "resnet": lambda: _made("ResNet", **STAGES, embedding_size=8),
    "convnext": lambda: _made("ConvNext", **STAGES),
    "swin": lambda: _made(
        "Swin", **KNOWN, image_size=64, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2], window_size=4
    ),
}
ATTENDING = ("vit", "deit", "beit", "dinov2")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (80, 100, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    MAKERS["vit"]().save_pretrained(tmp_path / "vit")
    processor = transformers.ViTImageProcessor(
        size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.25] * 3
    )
    processor.save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


@pytest.mark.parametrize("family", MAKERS)
def test_every_family_is_explained_under_its_own_names(family: str, picture: np.ndarray) -> None:
    network = MAKERS[family]()
    model = whylight.wrap(network, size=64)
    assert model.classes == ("cat", "dog", "owl")
    ex = whylight.explain(model, picture, target="dog", method="gradcam")
    assert ex.label == "dog"
    assert ex.map.shape[-2:] == torch.Size(model.grid)
    x = model.preprocess(picture)[None]
    with torch.no_grad():
        torch.testing.assert_close(model.logits(x), network(x).logits, rtol=1e-4, atol=1e-5)
    assert (model.why_not("rollout") is None) == (model.why_not("legrad") is None) == (family in ATTENDING)


@pytest.mark.parametrize("family", ATTENDING)
def test_attention_is_what_their_eager_attention_returns(family: str) -> None:
    """Theirs is fused and never forms the matrix; loaded with eager attention it returns it."""
    network, x = MAKERS[family](), torch.randn(2, 3, 64, 64)
    maps = find_attention(network, x[:1])
    assert isinstance(maps, AttentionMaps), maps
    with torch.no_grad():
        logits, found = maps.run(x)
        network.set_attn_implementation("eager")
        theirs = network(x, output_attentions=True)
        again, eager = find_attention(network, x[:1]).run(x)  # type: ignore[union-attr]
    torch.testing.assert_close(logits, theirs.logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(again, theirs.logits, rtol=1e-4, atol=1e-5)
    assert len(found) == len(eager) == 2
    for a, b, c in zip(found, theirs.attentions, eager, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(c, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ATTENDING)
def test_gradients_of_the_last_block_are_the_networks(family: str) -> None:
    """Behind the last block lies the network's own tail: its gradient is that of the whole network's logit."""
    network, x = MAKERS[family](), torch.randn(2, 3, 64, 64)
    maps = find_attention(network, x[:1])
    assert isinstance(maps, AttentionMaps), maps
    gradients = maps.gradients(x, lambda logits: logits[:, 1])
    logits, attentions = maps.run(x)
    (whole,) = torch.autograd.grad(logits[:, 1].sum(), attentions[-1])
    torch.testing.assert_close(gradients[-1], whole, rtol=1e-3, atol=1e-6)
    assert gradients[0].shape == whole.shape
    assert gradients[0].abs().sum() > 0
    assert "forward" not in {key for part in network.modules() for key in part.__dict__}


def test_legrad_of_one_logit_too(picture: np.ndarray) -> None:
    network = _made("ViT", **{**VIT, "id2label": {0: "tumour"}, "label2id": {"tumour": 0}})
    model = whylight.wrap(network, size=64)
    assert model.classes == ("not tumour", "tumour")
    assert model.why_not("legrad") is None
    yes, no = (whylight.explain(model, picture, target=name, method="legrad").map for name in ("tumour", "not tumour"))
    assert not torch.allclose(yes, no)


def test_names_judged_one_by_one() -> None:
    network = _made("ViT", **VIT, problem_type="multi_label_classification")
    model = whylight.wrap(network, size=64)
    assert model.multilabel


def test_a_folder_says_all(folder: Path, picture: np.ndarray, tmp_path: Path) -> None:
    model = whylight.load(f"hf:{folder}", device="cpu")
    assert model.classes == ("cat", "dog", "owl")
    assert model.preprocessing == Preprocess((64, 64), mean=(0.5,) * 3, std=(0.25,) * 3)
    loaded = transformers.AutoModelForImageClassification.from_pretrained(folder)
    assert whylight.wrap(loaded).preprocessing == model.preprocessing
    assert whylight.wrap(loaded, size=64, mean=(0, 0, 0), std=(1, 1, 1)).preprocessing.mean == (0, 0, 0)
    Image.fromarray(picture).save(tmp_path / "a.png")
    out = CliRunner().invoke(
        app, ["explain", str(tmp_path / "a.png"), "--model", f"hf:{folder}", "--out", str(tmp_path / "out")]
    )
    assert out.exit_code == 0, out.output
    assert any((tmp_path / "out").glob("a.*.png"))


def test_pictures_are_prepared_as_theirs(folder: Path, picture: np.ndarray) -> None:
    """The same numbers as their processor's, but for the filter's rounding to whole pixels."""
    model = whylight.load(f"hf:{folder}", device="cpu")
    theirs = transformers.AutoImageProcessor.from_pretrained(folder)(Image.fromarray(picture), return_tensors="pt")
    torch.testing.assert_close(model.preprocess(picture), theirs["pixel_values"][0], rtol=0, atol=0.04)


def test_a_pipeline_is_taken_whole(folder: Path, picture: np.ndarray) -> None:
    pipeline = transformers.pipeline("image-classification", model=str(folder))
    model = whylight.wrap(pipeline)
    assert model.preprocessing.std == (0.25,) * 3
    theirs = {one["label"]: one["score"] for one in pipeline(Image.fromarray(picture))}
    found = model.predict(model.preprocess(picture)[None])[0].tolist()
    assert dict(zip(model.classes, found, strict=True)) == pytest.approx(theirs, abs=0.02)


def test_a_pipeline_for_something_else_is_refused() -> None:
    class Other:
        task = "object-detection"
        model = nn.Linear(1, 1)

    with pytest.raises(ModelError, match="'object-detection' is no image classifier"):
        whylight.wrap(Other())


@pytest.mark.parametrize(
    ("make", "wanted"),
    [
        (
            lambda: transformers.ConvNextImageProcessor(
                size={"shortest_edge": 224}, crop_pct=0.875, resample=2, image_mean=CLIP[0], image_std=CLIP[1]
            ),
            Preprocess((224, 224), "crop", 0.875, "bilinear", *CLIP),
        ),
        (
            lambda: transformers.BitImageProcessor(
                size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}
            ),
            Preprocess(
                (224, 224),
                "crop",
                0.875,
                "bicubic",
                *CLIP,
            ),
        ),
        (
            lambda: transformers.ViTImageProcessor(do_normalize=False, size={"height": 32, "width": 48}),
            Preprocess((32, 48), mean=(0, 0, 0), std=(1, 1, 1)),
        ),
        (
            lambda: transformers.ViTImageProcessor(rescale_factor=1 / 127.5, image_mean=[1.0] * 3, image_std=[1.0] * 3),
            Preprocess((224, 224), mean=(0.5,) * 3, std=(0.5,) * 3),
        ),
    ],
)
def test_processors_in_our_words(make: Callable[[], Any], wanted: Preprocess) -> None:
    found = preprocess_of(make())
    assert (found.size, found.mode, found.interpolation) == (wanted.size, wanted.mode, wanted.interpolation)
    assert found.crop_pct == pytest.approx(wanted.crop_pct)
    assert (*found.mean, *found.std) == pytest.approx((*wanted.mean, *wanted.std))


def test_what_cannot_be_said_in_our_words_is_refused() -> None:
    with pytest.raises(ModelError, match=r"blue first.*x\.flip\(1\)"):
        preprocess_of(transformers.MobileViTImageProcessor())
    with pytest.raises(ModelError, match="does not resize"):
        preprocess_of(transformers.ViTImageProcessor(do_resize=False))


def test_names_that_cannot_be_had(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="hf:nobody/nothing: this model of the Hugging Face hub could not be loaded"):
        whylight.load("hf:nobody/nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"this folder could not be loaded.*save_pretrained"):
        whylight.load(f"hf:{tmp_path / 'empty'}")
    with pytest.raises(ModelError, match="nowhere: no such folder"):
        whylight.load(f"hf:{tmp_path / 'nowhere'}")
    with pytest.raises(ModelError, match="needs a name"):
        whylight.load("hf:")
    with pytest.raises(ModelError, match="leave weights="):
        whylight.load(f"hf:{folder}", weights="x.pth")
    (folder / "preprocessor_config.json").unlink()
    loaded = transformers.AutoModelForImageClassification.from_pretrained(folder)
    with pytest.raises(ModelError, match=r"the image processor of .* could not be had.*size=, mean=, std="):
        whylight.wrap(loaded)
    assert whylight.wrap(loaded, size=64, mean=(0.5,) * 3, std=(0.5,) * 3).classes == ("cat", "dog", "owl")


def test_attention_of_a_users_own_softmax(picture: np.ndarray) -> None:
    """A transformer written by hand, with nn.Softmax over a square of tokens: attention is found by running."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.qkv, self.softmax = nn.LayerNorm(12), nn.Linear(12, 36), nn.Softmax(dim=-1)

        def forward(self, tokens: Tensor) -> Tensor:
            n, t, _ = tokens.shape
            q, k, v = self.qkv(self.norm(tokens)).reshape(n, t, 3, 2, 6).permute(2, 0, 3, 1, 4)
            return tokens + (self.softmax(q @ k.transpose(-2, -1) / 6**0.5) @ v).transpose(1, 2).reshape(n, t, 12)

    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.blocks = nn.Conv2d(3, 12, 8, 8), nn.Sequential(Block(), Block())
            self.fc = nn.Linear(12, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.blocks(self.patches(x).flatten(2).transpose(1, 2)).mean(1))

    torch.manual_seed(0)
    model = whylight.wrap(Own().eval(), size=48)
    assert model.why_not("rollout") is None
    assert model.why_not("legrad") is None
    assert whylight.explain(model, picture, method="legrad").map.shape[-2:] == (6, 6)
