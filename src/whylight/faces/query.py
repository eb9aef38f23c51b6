"""From a photograph to a name, the evidence for it, and a sentence: detect, lay on the template, identify, explain, score, say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from whylight.engine import Tick
from whylight.errors import FaceError, ImageError, WhylightError
from whylight.faces.align import crop as lay
from whylight.faces.detect import detector as detector_of
from whylight.faces.detectors.large import enlarge, look_at
from whylight.faces.embed import Embedder
from whylight.faces.facemesh import FaceMesh
from whylight.faces.features.partcascades import PartCascades
from whylight.faces.identify import ByPicture, FaceOnly, Identifier, Identity, check_other, other_of
from whylight.faces.parts import FACIAL, Source, parts_of, within
from whylight.faces.result import FaceResult
from whylight.faces.scores import off_face, score_parts, significant
from whylight.faces.types import Detector, Face, Look, Template
from whylight.faces.words import Facts, say
from whylight.faces.words import read as words_of
from whylight.front.explain import explain_each
from whylight.images import Picture, Read, name_of, read
from whylight.methods import Method
from whylight.methods import get as check_name

THRESHOLD = 0.5  # mean of the grey map in a feature, of 1: from where on it is significant
_ADVICE = "try another detector, or a picture in which the face is larger, upright and in full view"
SHOWN = 224  # pixels: least height of the crop that is shown and divided into parts


class FaceQuery:
    """Asks who is in a photograph, and why; made once, asked many times.

    Args:
        identifier: who says who it is: `ByGallery`, `ByClassifier`, `ByPicture`; default: nobody, only whether it is a face.
        detector: who finds the faces; default: Haar cascades.
        faces: `"largest"`, or `"all"`.
        method: any method of whylight's; default: the identifier's, Grad-CAM for classifiers and LayerCAM for embeddings.
        rather_than: `True`: explain why the nearest is more alike than the runner-up; or than the one of this name.
        parts: what tells where the parts of the face are; see `whylight.faces.parts.parts_of`.
        mesh: FaceMesh's weights for that. `cascades`: a folder with cascades of mouth and nose.
        threshold: the score from which on a feature is significant, in [0, 1].
        language: of the sentence.

    Raises:
        FaceError: code 2, if the cascades cannot be loaded.
        WhylightError: if an argument cannot be used.

    >>> import numpy as np
    >>> FaceQuery()(np.zeros((60, 80, 3), np.uint8))[0].code  # no face
    3
    """

    def __init__(
        self,
        identifier: Identifier | None = None,
        *,
        detector: Detector | None = None,
        faces: Literal["largest", "all"] = "largest",
        method: str | Method | None = None,
        rather_than: str | bool = False,
        parts: Source = "auto",
        mesh: FaceMesh | None = None,
        cascades: Path | None = None,
        threshold: float = THRESHOLD,
        language: str = "en",
    ) -> None:
        if faces not in ("largest", "all"):
            raise WhylightError(f"faces: expected 'largest' or 'all', got {faces!r}")
        if not 0 <= threshold <= 1:
            raise WhylightError(f"threshold: expected a score from 0 to 1, got {threshold}")
        words_of(language)
        self.identifier: Identifier = identifier or FaceOnly()
        self.detector: Detector = detector or detector_of()
        if isinstance(method, str):
            check_name(method)
        check_other(rather_than, self.identifier.names)
        self.largest = faces == "largest"
        self.method, self.rather_than = method or self.identifier.method, rather_than
        self.parts, self.mesh = parts, mesh
        self.cascades = PartCascades(cascades) if cascades is not None else None
        self.threshold, self.language = threshold, language

    def __call__(self, picture: Picture) -> list[FaceResult]:
        """Ask about a path, PIL picture or uint8 array: a result for each face, the largest first; at least one.

        Nothing is raised for what is wrong with the picture or the answer: the result has the error's code and message.
        """
        try:
            whole = opened(picture)
        except FaceError as error:
            return [FaceResult(name_of(picture), error.code, str(error))]
        return self.about(whole, name_of(picture))

    def about(self, whole: Read, name: str, on_step: Tick | None = None) -> list[FaceResult]:
        """Ask about a picture that is open already.

        Args:
            whole: from `opened`.
            name: what to call it.
            on_step: called with (done, total) while a method that takes many forwards is at work.
        """
        picture, size, times = whole
        found = FaceResult(name, picture=picture, times=times)
        try:
            look = look_at(self.detector, picture, largest=self.largest)
            found = replace(found, count=len(look.faces), tried=look.tried)
            check_found(look, self.detector, name)
        except FaceError as error:
            return [replace(found, code=error.code, message=str(error))]
        faces = look.faces[:1] if self.largest else look.faces
        return [
            self._about(picture, face, replace(found, face=enlarge(face, times, size), number=number), on_step)
            for number, face in enumerate(faces)
        ]

    def _about(self, picture: Image.Image, face: Face, found: FaceResult, on_step: Tick | None) -> FaceResult:
        """Everything about one face, in pixels of `picture`, as far as it goes."""
        who = self.identifier
        try:
            seen = lay(picture, face, who.template).picture  # exactly as the network takes it
            crop = lay(picture, face, shown(who.template))
            found = replace(found, crop=crop)
            with failing(4, WhylightError, RuntimeError, what=f"{found.source}: the forward pass failed"):
                identity = who.identify(seen)
                found = replace(found, identity=identity)
            with failing(4, WhylightError, RuntimeError, what=f"{found.source}: no explanation"):
                other = self._other(identity)
                found = replace(found, other=other)
                target = who.target(identity, other)
                ((made,),) = explain_each(who.model, [seen], method=self.method, target=target, on_step=on_step)
                found = replace(found, explanation=replace(made, source=found.source))
            every = parts_of(crop, source=self.parts, mesh=self.mesh, cascades=self.cascades)
            parts = within(every, crop, picture.size)
            cut = any(name in FACIAL and name not in parts for name in every)
            scores = score_parts(found.heatmap(), parts)
            counted = significant(scores, self.threshold)
            found = replace(found, parts=parts, scores=scores, significant=counted, off_face=off_face(scores))
            found = replace(found, sentence=self._say(found, identity, cut))
            self._check_counted(found)
        except FaceError as error:
            return replace(found, code=error.code, message=str(error))
        return found

    def _other(self, identity: Identity) -> str | None:
        """Whom to tell the identity from, if that is asked."""
        if self.rather_than is False:
            return None
        return other_of(identity, None if self.rather_than is True else self.rather_than, self.identifier.names)

    def _say(self, found: FaceResult, identity: Identity, cut: bool) -> str:
        facts = Facts(
            name=identity.name,
            score=identity.score,
            measure=identity.measure,
            limit=identity.limit,
            other=found.other,
            scores=found.scores,
            significant=found.significant,
            off_face=found.off_face,
            blank=found.explanation is not None and found.explanation.is_blank,
            cut=cut,
            of_identity=self.identifier.of_identity,
        )
        return say(facts, self.language)

    def _check_counted(self, found: FaceResult) -> None:
        if found.significant:
            return
        if found.explanation is not None and found.explanation.is_blank:
            raise FaceError(6, f"{found.source}: no feature counts: nothing in the picture speaks for the answer")
        best = max((one for one in found.scores if one.name in FACIAL), key=lambda one: one.score, default=None)
        most = "no feature lies in the crop" if best is None else f"the highest is {best.name} with {best.score:.2f}"
        raise FaceError(
            6, f"{found.source}: no feature reaches the threshold of {self.threshold:g} ({most}); lower the threshold"
        )


def compare(first: Picture, second: Picture, embedder: Embedder, **options: Any) -> tuple[FaceResult, FaceResult]:
    """Two photographs of one match: how alike the largest faces are, and where each is like the other.

    Args:
        first, second: pictures.
        embedder: the network of faces that measures it.
        options: of `FaceQuery`.

    Returns:
        A result for each picture; where one shows no face, both have the error's code and message.

    Raises:
        FaceError, WhylightError: as `FaceQuery` does.
    """
    detector = options.pop("detector", None) or detector_of()
    pictures = (first, second)
    try:
        crops = [_largest(picture, detector, embedder.template) for picture in pictures]
        who = [ByPicture(embedder, crop, name_of(picture)) for crop, picture in zip(crops, pictures, strict=True)]
    except FaceError as error:
        empty = [FaceResult(name_of(picture), error.code, str(error)) for picture in pictures]
        return empty[0], empty[1]
    queries = [FaceQuery(other, detector=detector, **options) for other in who]
    return queries[1](first)[0], queries[0](second)[0]  # each by what the other shows


def opened(picture: Picture) -> Read:
    """A picture decoded, RGB.

    Raises:
        FaceError: code 1, if it cannot be.
    """
    with failing(1, ImageError):
        return read(picture)


def check_found(look: Look, detector: Detector, source: str) -> None:
    """Complain with code 3 where there is no face."""
    if not look.faces:
        ways = f" in {len(look.tried)} ways" if len(look.tried) > 1 else ""
        raise FaceError(3, f"{source}: no face was found by {detector.name}{ways}; {_ADVICE}")


def _largest(picture: Picture, detector: Detector, template: Template) -> Image.Image:
    whole = opened(picture).picture
    look = look_at(detector, whole, largest=True)
    check_found(look, detector, name_of(picture))
    return lay(whole, look.faces[0], template).picture


def shown(template: Template) -> Template:
    """The same view as a template's, so many times its size that the parts of the face can be told apart.

    >>> from whylight.faces.align import ARCFACE
    >>> shown(ARCFACE).size
    (224, 224)
    """
    height, width = template.size
    times = -(-SHOWN // height)
    return replace(template, size=(height * times, width * times))


@contextmanager
def failing(code: int, *kinds: type[Exception], what: str = "") -> Iterator[None]:
    """Give errors of these kinds the code of the step in which they came up."""
    try:
        yield
    except FaceError:
        raise  # has its own
    except kinds as error:
        raise FaceError(code, f"{what}: {error}" if what else str(error)) from error
