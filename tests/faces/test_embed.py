"""Embedders: directions of length 1, known by a fingerprint, and plain about what they are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, nn

import whylight
from nets import gap_net
from whylight.errors import FaceError, ModelError, WhylightError
from whylight.faces.align import ARCFACE, PORTRAIT
from whylight.faces.embed import Embedder, embedder_of, fingerprint_of, load_embedder, of_timm
from whylight.faces.types import Point, Template
from whylight.images.preprocess import Preprocess
from whylight.models.zoo.files import ModelSpec, save_weights

TEMPLATE = Template((32, 32), Point(0.3, 0.4), Point(0.7, 0.4))


def embedder(seed: int = 0) -> Embedder:
    return embedder_of(whylight.wrap(gap_net(seed=seed), size=32), "small", template=TEMPLATE)


def crops(count: int) -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), np.uint8)
    return [Image.fromarray(one) for one in noise]


def test_embeddings_are_directions_of_the_networks_output() -> None:
    small, given = embedder(), crops(5)
    z = small.embed(given, batch_size=2)
    assert (z.dtype, z.shape, small.dimension) == (np.float32, (5, 3), 3)
    for row, crop in zip(z, given, strict=True):
        out = small.model.logits(small.model.preprocess(crop)[None])[0].numpy()
        assert row == pytest.approx(out / np.linalg.norm(out), abs=1e-6)
    assert small.embed([]).shape == (0, 3)


def test_flip_is_the_mean_direction_of_both() -> None:
    small, given = embedder(), crops(3)
    plain = small.embed(given)
    mirrored = small.embed([crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for crop in given])
    both = plain + mirrored
    assert small.embed(given, flip=True) == pytest.approx(both / np.linalg.norm(both, axis=1, keepdims=True), abs=1e-6)


def test_what_cannot_be_embedded() -> None:
    with pytest.raises(WhylightError, match=r"crop 1 is 30×32 pixels, small takes 32×32"):
        embedder().embed([*crops(1), Image.new("RGB", (30, 32))])
    silent = gap_net()
    nn.init.zeros_(silent[-1].weight)
    nn.init.zeros_(silent[-1].bias)
    with pytest.raises(FaceError, match="an embedding is zero or not finite") as caught:
        embedder_of(whylight.wrap(silent, size=32), "silent", template=TEMPLATE).embed(crops(1))
    assert caught.value.code == 4


def test_the_fingerprint_changes_with_weights_scaling_and_crop_alone() -> None:
    first = embedder()
    assert first.fingerprint == embedder().fingerprint
    assert len(first.fingerprint) == 64
    model = first.model
    assert isinstance(model, whylight.Model)
    assert fingerprint_of(model, TEMPLATE) == first.fingerprint
    shifted = replace(TEMPLATE, left_eye=Point(0.71, 0.4))
    assert fingerprint_of(model, shifted) != first.fingerprint
    other = whylight.Model(model.module, preprocessing=replace(model.preprocessing, mean=(0.5, 0.5, 0.5)))
    assert fingerprint_of(other, TEMPLATE) != first.fingerprint
    assert embedder(seed=1).fingerprint != first.fingerprint
    with torch.no_grad():
        model.module.get_parameter("6.bias")[0] += 1e-6
    assert fingerprint_of(model, TEMPLATE) != first.fingerprint


def test_of_a_classifier_the_features_are_taken() -> None:
    preprocessing = Preprocess(size=(32, 32), mode="crop", crop_pct=0.5)
    model = whylight.wrap(gap_net(channels=6, classes=3), preprocessing=preprocessing)
    made = embedder_of(model, "classifier", output="features", is_identity=False)
    assert made.template == replace(PORTRAIT, size=(32, 32))
    assert made.model.preprocessing == Preprocess(size=(32, 32))  # the whole crop, not its centre
    (crop,) = crops(1)
    pooled = model.features(Preprocess(size=(32, 32))(crop)[None]).mean((2, 3))[0].numpy()
    assert made.embed([crop])[0] == pytest.approx(pooled / np.linalg.norm(pooled), abs=1e-5)
    assert "classifier is not an identity model" in made.caution
    assert model.logits(torch.zeros(1, 3, 32, 32)).shape == (1, 3)  # it was not changed


def test_the_bundled_model_says_that_it_is_no_identity_model() -> None:
    face = load_embedder("face", device="cpu")
    assert (face.is_identity, face.dimension, face.template) == (False, 1280, PORTRAIT)
    assert face.caution.startswith("face is not an identity model")
    assert isinstance(face.model, whylight.Model)
    assert face.model.linear is not None


def test_files_are_told_by_what_is_in_them(tmp_path: Path) -> None:
    spec = ModelSpec("torchvision/mobilenet_v2", ("a", "b"), Preprocess(size=(64, 64)))
    save_weights(tmp_path / "ours.safetensors", spec.build(), spec)
    ours = load_embedder(tmp_path / "ours.safetensors", device="cpu")
    assert (ours.is_identity, ours.dimension, ours.template.size) == (False, 1280, (64, 64))
    torch.save({"a": torch.zeros(1)}, tmp_path / "strange.pt")
    for name in (tmp_path / "strange.pt", f"mobilefacenet:{tmp_path / 'strange.pt'}"):
        with pytest.raises(ModelError, match="no MobileFaceNet that whylight knows"):
            load_embedder(name)
    with pytest.raises(ModelError, match=r"gone\.pt: no such file of weights"):
        load_embedder("mobilefacenet:gone.pt")
    with pytest.raises(ModelError, match="model 'nobody' is not known"):
        load_embedder("nobody")


def test_timm_networks_by_what_they_were_published_as() -> None:
    def made(classes: int, **published: object) -> Embedder:
        module = timm.create_model("resnet10t", num_classes=classes).eval()
        module.pretrained_cfg = {**module.pretrained_cfg, "num_classes": classes, **published}
        return of_timm(module, "hf-hub:somebody/faces", Preprocess(size=(112, 112), mode="crop", crop_pct=0.9))

    face = made(128)
    assert (face.is_identity, face.dimension, face.caution) == (True, 128, "")
    assert face.template == ARCFACE
    assert face.model.preprocessing == Preprocess(size=(112, 112))
    pooled = made(0)  # published without a classifier: what it returns are its features
    assert (pooled.is_identity, pooled.dimension) == (True, 512)
    objects = made(1000)
    assert (objects.is_identity, objects.dimension) == (False, 512)
    named = made(2, label_names=["cat", "dog"])
    assert (named.is_identity, named.dimension) == (False, 512)


def test_a_black_box_needs_a_fingerprint() -> None:
    def outside(x: Tensor) -> Tensor:
        return x.mean((2, 3)) + 1

    box = whylight.wrap_callable(outside, size=32, mean=(0, 0, 0), std=(1, 1, 1))
    with pytest.raises(ModelError, match="needs a fingerprint"):
        embedder_of(box, "outside")
    made = embedder_of(box, "outside", fingerprint="f" * 64)
    (crop,) = crops(1)
    mean = np.asarray(crop, np.float64).mean((0, 1)) / 255 + 1
    assert made.embed([crop])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


@pytest.mark.parametrize("file", ["mobilefacenet_xiaoccer.ckpt", "mobilefacenet_foamliu.pt"])
def test_real_checkpoints_are_found_out(file: str, data_dir: Path) -> None:
    path = data_dir / "weights" / file
    if not path.is_file():
        pytest.skip(f"no {path}")
    made = load_embedder(path, device="cpu")
    assert (made.is_identity, made.dimension, made.caution) == (True, 128, "")
    assert load_embedder(made.name, device="cpu").fingerprint == made.fingerprint


@pytest.mark.parametrize("name", ["hf-hub:somebody/net", "resnet50", "mobilefacenet:/nowhere.ckpt", "hf:somebody/net"])
def test_a_file_does_not_name_what_lies_elsewhere(name: str, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match=r"gallery: its network .* does not make whylight ask the network: name it yourself"
    ):
        load_embedder(name, named_by=tmp_path / "gallery")
    assert load_embedder("face", device="cpu", named_by=tmp_path / "gallery").name == "face"
