"""The people one knows: their faces' embeddings in a folder, who is most alike, and from where on a face is nobody's.

A person's template is the mean direction of their embeddings; a face is compared with templates, by the cosine of the angle.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from whylight.atomic import named_errors
from whylight.errors import FaceError, WhylightError
from whylight.faces.embed import Embedder
from whylight.faces.people import file as galleryfile
from whylight.faces.people.file import FILE, THUMBNAILS, alone
from whylight.faces.people.known import known
from whylight.faces.people.scores import leave_one_out
from whylight.faces.people.state import State, name_of
from whylight.faces.people.threshold import Calibration, calibrate


@dataclass(frozen=True)
class Match:
    """Somebody who is alike.

    Attributes:
        name: who.
        index: their place in `Gallery.people`.
        similarity: cosine of the angle between the face and their template, in [-1, 1].
    """

    name: str
    index: int
    similarity: float


class Gallery:
    """Enrolled people. Made by `Gallery.create` and `Gallery.open`; what is changed is on disk when the call returns.

    Nothing is stored but embeddings, names, the thumbnails that were handed over, and a digest of each picture by which it is
    known again. Several processes may change one gallery: each change is made to what is on disk then.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._folder = galleryfile.Folder(self.path)

    @classmethod
    def create(cls, path: str | os.PathLike[str], embedder: Embedder) -> Self:
        """Make an empty gallery for one network's embeddings.

        Raises:
            FaceError: code 5, if there is a gallery already.
            WriteError: if the folder cannot be written.
        """
        folder = Path(path)
        with named_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            if (folder / FILE).exists():
                raise FaceError(5, f"{folder}: there is a gallery already; open it, or choose another folder")
            empty = np.zeros((0, embedder.dimension), np.float32)
            owners = np.zeros(0, np.int32)
            state = State(embedder.name, embedder.fingerprint, embedder.is_identity, (), empty, owners, ())
            galleryfile.write(folder, state)
        return cls(folder)

    @classmethod
    def open(cls, path: str | os.PathLike[str], embedder: Embedder | None = None) -> Self:
        """Open a gallery, and check that it was built with this network.

        Raises:
            FaceError: code 5, if there is none, it is damaged, or it was built with another network.
        """
        gallery = cls(path)
        if embedder is not None:
            gallery.check(embedder)
        return gallery

    def check(self, embedder: Embedder) -> None:
        """Complain if the gallery was built with another network: its embeddings mean something else.

        Raises:
            FaceError: code 5.
        """
        if embedder.fingerprint != self._state.fingerprint:
            raise FaceError(
                5,
                f"{self.path}: this gallery was built with {self._state.embedder} ({self._state.fingerprint[:12]}), "
                f"not with {embedder.name} ({embedder.fingerprint[:12]}): use that network, or enroll the people again",
            )

    @property
    def people(self) -> tuple[str, ...]:
        """Names, in the order in which they were added."""
        return self._state.people

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures each person has."""
        counts = np.bincount(self._state.owners, minlength=len(self.people))
        return dict(zip(self.people, counts.tolist(), strict=True))

    @property
    def embedder(self) -> str:
        """Name of the network that it was built with; `whylight.faces.embed.load_embedder` takes it."""
        return self._state.embedder

    @property
    def is_identity(self) -> bool:
        """Whether that network was trained to tell people apart."""
        return self._state.is_identity

    @property
    def calibration(self) -> Calibration | None:
        """How the threshold was chosen; None where it was not."""
        return self._state.calibration

    @property
    def is_calibrated(self) -> bool:
        """Whether the threshold was chosen on exactly the pictures that are enrolled now."""
        return self.calibration is not None and self.calibration.state == self._state.digest

    @property
    def threshold(self) -> float | None:
        """The similarity below which a face is nobody's; None before `calibrate`."""
        return None if self.calibration is None else self.calibration.threshold

    def __len__(self) -> int:
        return len(self.people)

    def __contains__(self, person: object) -> bool:
        return isinstance(person, str) and bool(person.strip()) and name_of(person) in self.people

    def __repr__(self) -> str:
        return f"Gallery({os.fspath(self.path)!r}, {len(self)} people, {len(self._state.owners)} pictures, {self.embedder})"

    def add(
        self,
        person: str,
        embeddings: ArrayLike,
        thumbnail: Image.Image | None = None,
        *,
        sources: Sequence[str] | None = None,
    ) -> int:
        """Add pictures of a person, who may be new or enrolled already.

        Args:
            person: any name but a blank one; composed and decomposed accents are the same.
            embeddings: (N, D) or (D,), finite and not zero; brought to length 1 here.
            thumbnail: a picture to show for the person, kept small; replaces the one that was there. None keeps that.
            sources: a digest of each picture; one that is enrolled for this person already is passed over.

        Returns: how many were added.

        Raises:
            WhylightError: a blank name, or embeddings that are none; or if another process keeps writing here.
            WriteError: if it cannot be written; the gallery is as it was.
        """
        name, rows = name_of(person), self._state.rows(embeddings)
        digests = ("",) * len(rows) if sources is None else tuple(sources)
        if len(digests) != len(rows):
            raise WhylightError(f"add: {len(rows)} embeddings, but {len(digests)} sources")
        if not len(rows):
            raise WhylightError(f"add: no embedding of {name!r} was given")
        with self._folder.changing() as state:
            known = {*state.sources_of(name)} - {""}
            new = [i for i, digest in enumerate(digests) if digest not in known and digest not in {*digests[:i]} - {""}]
            if not new and thumbnail is None:
                return 0
            if new:
                state = state.appended({name: rows[new]}, tuple(digests[i] for i in new))
            if thumbnail is not None:
                file = galleryfile.save_thumbnail(self.path, thumbnail)
                state = replace(state, thumbnails={**state.thumbnails, name: file})
            self._folder.write(state)
        return len(new)

    def add_all(self, people: Mapping[str, ArrayLike]) -> None:
        """Add many people in one change: {name: embeddings (N, D) or (D,)}. As `add`, all or none."""
        rows: dict[str, NDArray[np.float32]] = {}
        for person, embeddings in people.items():
            name, own = name_of(person), self._state.rows(embeddings)
            if not len(own):
                raise WhylightError(f"add: no embedding of {name!r} was given")
            rows[name] = np.concatenate([rows[name], own]) if name in rows else own
        with self._folder.changing() as state:
            self._folder.write(state.appended(rows, ("",) * sum(map(len, rows.values()))))

    def remove(self, person: str) -> None:
        """Forget a person: their embeddings, name, digests and thumbnail are gone from the folder.

        Raises:
            WhylightError: if nobody of that name is enrolled.
        """
        with self._folder.changing() as state:
            index = self._index(person, state)
            name = state.people[index]
            # The thumbnail first: a kill in between leaves a person without a picture, not a picture of somebody removed.
            if name in state.thumbnails:
                path = self.path / THUMBNAILS / state.thumbnails[name]
                with named_errors(path):
                    path.unlink(missing_ok=True)
            self._folder.write(state.without(index))

    def search(self, embedding: ArrayLike, k: int = 5) -> list[Match]:
        """The k most alike people, the most alike first; fewer where fewer are enrolled.

        Args:
            embedding: (D,) or (1, D).
            k: at least 1.

        Raises:
            WhylightError: another shape, not finite, zero, or k below 1.
        """
        state = self._state
        rows = state.rows(embedding)
        if len(rows) != 1:
            raise WhylightError(f"search: expected one embedding, got {len(rows)}; search them one by one")
        if k < 1:
            raise WhylightError(f"search: k must be at least 1, not {k}")
        return [Match(state.people[i], i, similarity) for i, similarity in state.nearest(rows[0], k)]

    def similarities(self, embeddings: ArrayLike) -> NDArray[np.float32]:
        """How alike each of (N, D) embeddings is to each person's template: (N, P)."""
        return np.asarray(self._state.rows(embeddings) @ self._state.templates.T, np.float32)

    def template(self, person: str) -> NDArray[np.float32]:
        """A person's template, (D,) of length 1.

        Raises:
            WhylightError: if nobody of that name is enrolled.
        """
        return np.array(self._state.templates[self._index(person, self._state)])

    def embeddings(self, person: str) -> NDArray[np.float32]:
        """A person's embeddings, (N, D). Raises as `template` does."""
        return np.array(self._state.embeddings[self._state.owners == self._index(person, self._state)])

    def sources(self, person: str) -> tuple[str, ...]:
        """Digests of the pictures that a person has; none for somebody who is not enrolled."""
        return self._state.sources_of(name_of(person))

    def thumbnail(self, person: str) -> Path | None:
        """The file of a person's thumbnail, or None. Raises as `template` does."""
        state = self._state
        file = state.thumbnails.get(state.people[self._index(person, state)])
        return None if file is None or not (path := self.path / THUMBNAILS / file).is_file() else path

    def calibrate(self, *, false_rejects: float | None = None, false_accepts: float | None = None) -> Calibration:
        """Choose the threshold on the gallery's own pictures, each left out of its own template, and store it.

        Args:
            false_rejects: the largest share of pictures of enrolled people that may be called unknown.
            false_accepts: instead, the largest share of pictures that may be taken for somebody else while their own person is
                left out. With neither: 5 % false rejects, as long as no more than 10 % are falsely accepted; else 10 % of
                these (5 % where nobody has two pictures), and never so low that more than one stranger in twenty would
                be named, where that was measured for the network (`whylight.faces.people.known`).

        Raises:
            WhylightError: the gallery has no pictures to choose on, or the shares are wrong.
        """
        with self._folder.changing() as state:
            measured, count = known(state.fingerprint), len(state.people)
            made = calibrate(
                leave_one_out(state.embeddings, state.owners, count),
                people=count,
                state=state.digest,
                false_rejects=false_rejects,
                false_accepts=false_accepts,
                floor=None if measured is None else measured.floor(count),
            )
            made = replace(
                made,
                fewest=int(np.bincount(state.owners, minlength=count).min()),
                strangers=None if measured is None else measured.reached(made.threshold, count),
            )
            self._folder.write(replace(state, calibration=made))
        return made

    def refresh(self) -> None:
        """Read again what is on disk, if another process has changed it. Raises as `open` does."""
        self._folder.refresh()

    @property
    def _state(self) -> State:
        return self._folder.state

    def _index(self, person: str, state: State) -> int:
        index = state.index(name_of(person))
        if index is None:
            raise WhylightError(f"{self.path}: nobody called {person!r} is enrolled")
        return index
