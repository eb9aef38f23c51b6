"""From a face crop to numbers that are alike for one person and unlike for others, by whichever network does that."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from whylight.errors import FaceError, ModelError, WhylightError
from whylight.faces.align import ARCFACE, PORTRAIT
from whylight.faces.networks.mobilefacenet import read_mobilefacenet
from whylight.faces.types import Template
from whylight.images.preprocess import Preprocess
from whylight.models.adapters.blackbox import BlackBox
from whylight.models.device import resolve_device
from whylight.models.model import Model
from whylight.models.surgery import classifier_of
from whylight.models.zoo import bundled
from whylight.models.zoo.architectures import build
from whylight.models.zoo.files import own_spec
from whylight.models.zoo.load import load
from whylight.models.zoo.published import timm_preprocessing
from whylight.shown import shown

PREFIX = "mobilefacenet:"
HUB = "hf-hub:"

# Numbers of classes that only classifiers of objects have (ImageNet-1k, -12k, -21k, -22k), not embeddings of faces.
_CLASSIFIERS = (1000, 11821, 21841, 21843)


@dataclass(frozen=True, eq=False)
class Embedder:
    """A network that turns aligned face crops into embeddings. Made by `load_embedder` or `embedder_of`.

    Attributes:
        name: what to call it; `load_embedder` takes it again.
        model: its "logits" are the embedding, not normalised, so that `whylight.targets.similarity(reference)` explains it.
        template: how its crops are cut; the crop is its whole input.
        fingerprint: tells its embeddings from those of any other network, weights or crop: 64 hexadecimal digits.
        is_identity: it was trained to tell people apart. Where it was not, `caution` says so.
    """

    name: str
    model: Model | BlackBox
    template: Template
    fingerprint: str
    is_identity: bool

    @property
    def dimension(self) -> int:
        """How many numbers an embedding has."""
        return len(self.model.classes)

    @property
    def caution(self) -> str:
        """What to know before believing it, one sentence; empty for a network that was trained to tell people apart."""
        if self.is_identity:
            return ""
        return (
            f"{self.name} is not an identity model: it was not trained to tell people apart, "
            "and similar faces, poses or lighting look alike to it"
        )

    def embed(self, crops: Sequence[Image.Image], *, flip: bool = False, batch_size: int = 32) -> NDArray[np.float32]:
        """Embed crops that were cut to `template`: (N, D) float32, rows of length 1.

        Args:
            crops: RGB pictures of the template's size.
            flip: embed the mirrored crop too, and take the mean direction of both; twice the time.
            batch_size: how many crops run at once.

        Raises:
            WhylightError: if a crop has another size.
            FaceError: code 4, if an embedding is not finite or zero.
        """
        height, width = self.template.size
        for index, crop in enumerate(crops):
            if crop.size != (width, height):
                raise WhylightError(
                    f"embed: crop {index} is {crop.width}×{crop.height} pixels, {self.name} takes {width}×{height}: "
                    "cut it with whylight.faces.align.crop(picture, face, embedder.template)"
                )
        rows = [np.zeros((0, self.dimension), np.float32)]
        for start in range(0, len(crops), batch_size):
            x = torch.stack([self.model.preprocess(crop) for crop in crops[start : start + batch_size]])  # (n, 3, H, W)
            z = self._directions(x)
            rows.append(unit(z + self._directions(x.flip(3)), self.name) if flip else z)
        return np.concatenate(rows)

    def _directions(self, x: torch.Tensor) -> NDArray[np.float32]:
        return unit(self.model.logits(x).float().cpu().numpy(), self.name)


def unit(z: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """Rows (N, D) brought to length 1.

    Raises:
        FaceError: code 4, if one has no direction.
    """
    lengths = np.linalg.norm(z.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise FaceError(4, f"{name}: an embedding is zero or not finite, so it has no direction; the network is broken")
    return np.asarray(z / lengths, np.float32)


def load_embedder(
    name: str | os.PathLike[str] = "face",
    *,
    device: str | torch.device = "auto",
    named_by: str | os.PathLike[str] | None = None,
) -> Embedder:
    """Get an embedder by name.

    Args:
        name: a MobileFaceNet checkpoint's file ("mobilefacenet:FILE" or just its path); "hf-hub:OWNER/NAME" of a timm face network,
            whose output is taken for the embedding; "face", which ships with whylight and is no identity model; or anything else
            that `whylight.load` takes, whose features before the classifier are taken then, and which is no identity model either.
        device: as in `whylight.load`.
        named_by: the file that says the name, where no person does. It may name what is bundled, or a file on this machine: a file
            from elsewhere does not make whylight ask the network.

    Raises:
        ModelError: the name is not known, or the file is damaged or another network's.

    >>> load_embedder("face", device="cpu").is_identity
    False
    """
    text = os.fspath(name)
    if named_by is not None and bundled.file_of(text) is None and not Path(text.removeprefix(PREFIX)).exists():
        raise ModelError(
            f"{shown(named_by)}: its network {shown(text)} is neither bundled nor a file on this machine, and a file does not make "
            f"whylight ask the network: name it yourself, --model {shown(text)}"
        )
    if text.startswith(PREFIX):
        return _mobilefacenet(text.removeprefix(PREFIX), device)
    if text.startswith(HUB):
        return _from_hub(text, device)
    path = Path(text)
    if bundled.file_of(text) is None and path.is_file():
        if path.suffix.lower() == ".onnx":
            onnx = load(text, device=device)
            return embedder_of(onnx, text, fingerprint=hashlib.sha256(path.read_bytes()).hexdigest())
        if own_spec(path) is None:
            return _mobilefacenet(text, device)
    return embedder_of(load(text, device=device), text, output="features", is_identity=False)


def embedder_of(
    model: Model | BlackBox,
    name: str,
    *,
    template: Template | None = None,
    output: Literal["logits", "features"] = "logits",
    is_identity: bool = True,
    fingerprint: str | None = None,
) -> Embedder:
    """Make an embedder of any wrapped model.

    Args:
        model: from `whylight.wrap`, `whylight.load`, ….
        name: what to call it.
        template: how its crops are cut; default: as for ArcFace where it is an identity model, else the whole head; of the model's
            own input size.
        output: `"logits"`: what the network returns is the embedding. `"features"`: it is a classifier, and what its last layer
            reads is the embedding.
        is_identity: whether it was trained to tell people apart.
        fingerprint: for a black box, whose weights cannot be read: what tells it from others.

    Raises:
        ModelError: if the network has no last layer whose input could be taken, or a black box has no fingerprint.
    """
    if template is None:
        template = replace(ARCFACE if is_identity else PORTRAIT, size=model.preprocessing.size)
    if isinstance(model, BlackBox):
        if fingerprint is None or output == "features":
            raise ModelError(
                f"{name}: of a black box only the output can be taken, and it needs a fingerprint=, such as its file's SHA-256"
            )
        return Embedder(name, model, template, fingerprint, is_identity)
    module = _without_classifier(model.module) if output == "features" else model.module
    # The crop is all that the network shall see: a centre crop would cut it once more.
    preprocessing = replace(model.preprocessing, size=template.size, mode="squash", crop_pct=1.0)
    embedding = Model(module, preprocessing=preprocessing, ends_in="logits")
    return Embedder(name, embedding, template, fingerprint or fingerprint_of(embedding, template), is_identity)


def fingerprint_of(model: Model, template: Template) -> str:
    """SHA-256 over the weights, the preprocessing and the crop: the same numbers wherever and however they are stored."""
    digest = hashlib.sha256()
    for name, value in sorted(model.module.state_dict().items()):
        if not name.endswith("num_batches_tracked"):
            value = value.detach().cpu().contiguous()
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.flatten().view(torch.uint8).numpy().tobytes())
    facts: dict[str, Any] = {"preprocess": model.preprocessing.to_dict(), "template": asdict(template)}
    digest.update(json.dumps(facts, sort_keys=True, default=dict).encode())
    return digest.hexdigest()


def _mobilefacenet(path: str, device: str | torch.device) -> Embedder:
    model, checkpoint = read_mobilefacenet(path, device)
    name, template = PREFIX + path, checkpoint.template
    return Embedder(name, model, template, fingerprint_of(model, template), is_identity=True)


def _from_hub(name: str, device: str | torch.device) -> Embedder:
    module = build(name, pretrained=True)
    module.requires_grad_(False).eval().to(resolve_device(device))
    return of_timm(module, name, timm_preprocessing(module))


def of_timm(module: nn.Module, name: str, preprocessing: Preprocess) -> Embedder:
    """The embedder of a timm network: what it returns, unless it is a classifier of objects, as its published settings tell."""
    published: dict[str, Any] = getattr(module, "pretrained_cfg", None) or {}
    classifier = bool(published.get("label_names")) or published.get("num_classes", 1000) in _CLASSIFIERS
    return embedder_of(
        Model(module, preprocessing=preprocessing),
        name,
        output="features" if classifier else "logits",
        is_identity=not classifier,
    )


def _without_classifier(module: nn.Module) -> nn.Module:
    """A copy of a classifier that returns what its last layer reads."""
    last, _ = classifier_of(module)
    if not last:
        raise ModelError(f"{type(module).__name__} is one layer: there are no features before its classifier")
    features = copy.deepcopy(module)
    parent, _, own = last.rpartition(".")
    setattr(features.get_submodule(parent), own, nn.Identity())
    return features
