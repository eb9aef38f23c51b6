"""Who is it? Three answers behind one interface: a classifier of names, one's own gallery, or no name at all."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from PIL import Image
from torch import Tensor

from whylight.errors import FaceError, WhylightError
from whylight.faces.align import PORTRAIT
from whylight.faces.embed import Embedder
from whylight.faces.gallery import Gallery, Match
from whylight.faces.people.known import known
from whylight.faces.types import Template
from whylight.faces.words import SURE, Measure
from whylight.methods import Method, tta
from whylight.models.adapters.blackbox import BlackBox
from whylight.models.model import Model
from whylight.models.zoo.load import load
from whylight.targets import Target, difference

TOP = 5


@dataclass(frozen=True)
class Identity:
    """Whom a face is taken for.

    Attributes:
        top: the nearest, the best first; at least one. Their `similarity` is a cosine, or the probability of a classifier's name.
        measure: which of the two; see `whylight.faces.words.Facts`.
        limit: the similarity from which on somebody is known; None where there is none.
        strangers: share of strangers who are so alike, to the nearest of so many people or to one picture; None where that was not
            measured for the network (`whylight.faces.people.known`).
        same: share of pairs of pictures of one person who are so alike; likewise, of a pair.
    """

    top: tuple[Match, ...]
    measure: Measure
    limit: float | None = None
    strangers: float | None = None
    same: float | None = None

    @property
    def name(self) -> str:
        """The nearest name, believed or not."""
        return self.top[0].name

    @property
    def index(self) -> int:
        """Its place among the classifier's labels, or the people of the gallery."""
        return self.top[0].index

    @property
    def score(self) -> float:
        """Its probability or similarity."""
        return self.top[0].similarity

    @property
    def known(self) -> bool | None:
        """Whether the score is enough to believe the name; None where no limit tells."""
        if self.measure in ("similarity", "pair"):
            return None if self.limit is None else self.score >= self.limit
        return self.score >= SURE


class Identifier(Protocol):
    """Says who it is, and what an explanation of that has to explain."""

    model: Model | BlackBox
    template: Template
    of_identity: bool
    method: str | Method  # the one that explains it best

    @property
    def names(self) -> Sequence[str]:
        """Everybody it can name."""
        ...

    def identify(self, crop: Image.Image) -> Identity:
        """Whom a crop, cut to `template`, shows."""
        ...

    def target(self, identity: Identity, other: str | None = None) -> Target:
        """What speaks for this identity; with `other`, rather than for that name."""
        ...


class FaceOnly:
    """No name: whether it is a face, by the bundled model.

    >>> FaceOnly().identify(Image.new("RGB", (224, 224))).name
    'face'
    """

    of_identity = False
    method: str | Method = "gradcam"
    template = PORTRAIT

    def __init__(self) -> None:
        self.model: Model | BlackBox = load("face")
        self.names: Sequence[str] = ()

    def identify(self, crop: Image.Image) -> Identity:
        index = self.model.classes.index("face")
        share = float(self.model.predict(self.model.preprocess(crop)[None])[0, index])
        return Identity((Match("face", index, share),), "face")

    def target(self, identity: Identity, other: str | None = None) -> Target:
        if other is not None:
            raise WhylightError("rather than: without a gallery or a classifier of names there is nobody to tell from")
        return "face"


class ByClassifier:
    """A classifier with one label a person, such as VGG-Face: the score is the label's probability, its logit is explained.

    Args:
        model: its classes are the names.
        template: how its crops are cut.
    """

    of_identity = True
    method: str | Method = "gradcam"

    def __init__(self, model: Model, template: Template) -> None:
        self.model: Model | BlackBox = model
        self.template = template
        self.names: Sequence[str] = model.classes

    def identify(self, crop: Image.Image) -> Identity:
        p = self.model.predict(self.model.preprocess(crop)[None])[0]  # (C,)
        if not p.isfinite().all():
            raise FaceError(4, "the network's scores are not finite: its weights are damaged")
        best = p.topk(min(TOP, len(p)))
        names = self.model.classes
        top = [Match(names[i], i, float(share)) for share, i in zip(best.values, best.indices.tolist(), strict=True)]
        if not top[0].name.strip():
            raise FaceError(
                5, f"the names file has no name for label {top[0].index}: its line {top[0].index + 1} is empty"
            )
        return Identity(tuple(top), "probability")

    def target(self, identity: Identity, other: str | None = None) -> Target:
        return identity.index if other is None else difference(identity.index, other)


class ByGallery:
    """The people one has enrolled: the score is the similarity to a person's template, and it is explained.

    Args:
        gallery: the people.
        embedder: the network that the gallery was built with.

    Raises:
        FaceError: code 5, if the gallery is empty or was built with another network.
    """

    def __init__(self, gallery: Gallery, embedder: Embedder) -> None:
        gallery.check(embedder)
        if not gallery.people:
            raise FaceError(5, f"{gallery.path}: nobody is enrolled; add people with `whylight face enroll`")
        self.gallery, self.embedder = gallery, embedder
        self.model = embedder.model
        self.template = embedder.template
        self.of_identity = embedder.is_identity
        self.method = method_for(embedder)

    @property
    def names(self) -> Sequence[str]:
        return self.gallery.people

    def identify(self, crop: Image.Image) -> Identity:
        top = self.gallery.search(self.embedder.embed([crop]), TOP)
        measured = known(self.embedder.fingerprint)
        strangers = None if measured is None else measured.reached(top[0].similarity, len(self.gallery))
        return Identity(tuple(top), "similarity", self.gallery.threshold, strangers)

    def target(self, identity: Identity, other: str | None = None) -> Target:
        mine = torch.from_numpy(self.gallery.template(identity.name))
        if other is None:
            return likeness(mine, identity.name)
        return likeness(mine, f"{identity.name} rather than {other}", torch.from_numpy(self.gallery.template(other)))


class ByPicture:
    """One other picture: the score is the similarity to the face in it.

    Args:
        embedder: a network of faces.
        crop: the other face, cut to the network's template.
        name: what to call it.
    """

    def __init__(self, embedder: Embedder, crop: Image.Image, name: str) -> None:
        self.embedder, self.name = embedder, name
        self.model = embedder.model
        self.template = embedder.template
        self.of_identity = embedder.is_identity
        self.method = method_for(embedder)
        self.names: Sequence[str] = (name,)
        self.reference = torch.from_numpy(embedder.embed([crop])[0])  # (D,)

    def identify(self, crop: Image.Image) -> Identity:
        alike = float(self.embedder.embed([crop])[0] @ self.reference.numpy())
        measured = known(self.embedder.fingerprint)
        same, strangers = (None, None) if measured is None else measured.pair(alike)
        return Identity((Match(self.name, 0, alike),), "pair", None, strangers, same)

    def target(self, identity: Identity, other: str | None = None) -> Target:
        if other is not None:
            raise WhylightError("rather than: two pictures are compared with each other, with nobody else")
        return likeness(self.reference, self.name)


def likeness(mine: Tensor, name: str, other: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """The target cos(z, a), or cos(z, a) − cos(z, b): what makes the output z like a, or like a rather than like b.

    The length of z counts as given: it is not differentiated. Else what lengthens z in all directions would cancel what turns it
    towards a, and the evidence for a likeness would add up to nothing; so it adds up to the likeness itself.

    Args:
        mine: a, (D,). `other`: b, (D,). Neither may be zero.
        name: what to call it.

    >>> target = likeness(torch.tensor([1.0, 0]), "a rather than b", torch.tensor([0, 1.0]))
    >>> float(target(torch.tensor([[3.0, 4.0]])))  # 3/5 − 4/5
    -0.2...
    """
    direction = mine / mine.norm() - (0 if other is None else other / other.norm())

    def score(z: Tensor) -> Tensor:
        z = z.float()  # (N, D)
        similarity: Tensor = z @ direction.to(z.device) / z.detach().norm(dim=1).clamp(min=1e-12)
        return similarity  # (N,)

    score.__name__ = name
    return score


def method_for(embedder: Embedder) -> str | Method:
    """The method for an embedding's likeness: LayerCAM, as a network of faces weighs each place of its last grid by itself.

    Grad-CAM, which takes the mean of the gradients over all places, is often blank there (`benchmarks/faces/maps.py`). The map of
    the mirrored face is averaged in: strided convolutions look a little to one side, and left eyes would win over right ones.
    """
    return "rise" if isinstance(embedder.model, BlackBox) else tta("layercam", flip=True)


def check_other(name: str | bool, names: Sequence[str]) -> None:
    """Complain about a question that no picture can answer: from whom to tell a face, where there is nobody of that name.

    Raises:
        WhylightError: if nobody has the name, or there is nobody to tell from.
    """
    if name is not False and len(names) < 2:
        raise WhylightError(
            "rather than: there is nobody to tell from; it needs a gallery or a classifier of two people or more"
        )
    if isinstance(name, str) and name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        raise WhylightError(
            f"rather than: nobody is called {name!r}" + (f"; near it: {', '.join(near)}" if near else "")
        )


def other_of(identity: Identity, name: str | None, names: Sequence[str]) -> str:
    """Whom to tell an identity from: the runner-up, or the name that was asked for.

    Raises:
        WhylightError: if it is the same person, or there is nobody else.
    """
    check_other(True if name is None else name, names)
    if name is None:
        return identity.top[1].name
    if name == identity.name:
        raise WhylightError(f"rather than: {name} is whom the face is taken for; name somebody else")
    return name
