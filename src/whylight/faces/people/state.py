"""What a gallery holds, and how it changes: values only, no files."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from whylight.errors import WhylightError
from whylight.faces.people.scores import directions, sums_of
from whylight.faces.people.threshold import Calibration


@dataclass(frozen=True, eq=False)
class State:
    """All that a gallery holds.

    Attributes:
        embedder: the name of the network that made the embeddings.
        fingerprint: what tells that network from others.
        is_identity: whether it was trained to tell people apart.
        people: their names, in the order in which they were added.
        embeddings: (N, D) float32, rows of length 1.
        owners: (N,) int32, whose each is: an index into `people`.
        sources: for each a digest by which the same picture is known again; "" where there is none.
        thumbnails: names of files, by person.
        calibration: how the threshold was chosen; None where it was not.
    """

    embedder: str
    fingerprint: str
    is_identity: bool
    people: tuple[str, ...]
    embeddings: NDArray[np.float32]
    owners: NDArray[np.int32]
    sources: tuple[str, ...]
    thumbnails: Mapping[str, str] = field(default_factory=dict)
    calibration: Calibration | None = None

    @cached_property
    def templates(self) -> NDArray[np.float32]:
        """(P, D): the mean direction of each person's embeddings, of length 1."""
        sums, _ = sums_of(self.embeddings, self.owners, len(self.people))
        return directions(sums).astype(np.float32)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the embeddings and whose they are."""
        digest = hashlib.sha256(f"{self.embeddings.shape} {len(self.people)}\n".encode())
        digest.update(np.ascontiguousarray(self.embeddings, "<f4").tobytes())
        digest.update(np.ascontiguousarray(self.owners, "<i4").tobytes())
        return digest.hexdigest()

    def index(self, name: str) -> int | None:
        """Where a person is in `people`; None for somebody who is not enrolled."""
        return self.people.index(name) if name in self.people else None

    def sources_of(self, name: str) -> tuple[str, ...]:
        """The digests of a person's pictures; none for somebody who is not enrolled."""
        index = self.index(name)
        return () if index is None else tuple(self.sources[i] for i in np.flatnonzero(self.owners == index))

    def appended(self, rows: Mapping[str, NDArray[np.float32]], sources: tuple[str, ...]) -> State:
        """With embeddings (N, D) more for people who may be new, and the digests of all of them in the same order."""
        people = dict.fromkeys((*self.people, *rows))
        index = {name: i for i, name in enumerate(people)}
        owners = [np.full(len(own), index[name], np.int32) for name, own in rows.items()]
        return replace(
            self,
            people=tuple(people),
            embeddings=np.concatenate([self.embeddings, *rows.values()]),
            owners=np.concatenate([self.owners, *owners]),
            sources=(*self.sources, *sources),
        )

    def without(self, index: int) -> State:
        """Without a person; those behind move up."""
        name, others = self.people[index], self.owners != index
        owners = self.owners[others]
        return replace(
            self,
            people=(*self.people[:index], *self.people[index + 1 :]),
            embeddings=self.embeddings[others],
            owners=np.where(owners > index, owners - 1, owners).astype(np.int32),
            sources=tuple(source for source, kept in zip(self.sources, others, strict=True) if kept),
            thumbnails={key: file for key, file in self.thumbnails.items() if key != name},
        )

    def nearest(self, row: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """The k people nearest to a row (D,) of length 1, the nearest first: index and cosine; fewer where there are fewer."""
        similarities = self.templates @ row  # (P,)
        k = min(k, len(similarities))
        if not k:
            return []
        best = np.argpartition(-similarities, k - 1)[:k]
        best = best[np.lexsort((best, -similarities[best]))]  # equal ones in the order of people
        return [(int(i), float(similarities[i])) for i in best]

    def rows(self, embeddings: ArrayLike) -> NDArray[np.float32]:
        """Embeddings (N, D) or (D,) from outside as (N, D) float32, rows of length 1.

        Raises:
            WhylightError: another shape, or a row without a direction.
        """
        rows = np.asarray(embeddings, np.float64)
        rows = rows[None] if rows.ndim == 1 else rows
        dimension = self.embeddings.shape[1]
        if rows.ndim != 2 or rows.shape[1] != dimension:
            raise WhylightError(
                f"embeddings of shape {rows.shape}: this gallery holds embeddings of {dimension} numbers, from {self.embedder}"
            )
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not (lengths > 0).all():
            raise WhylightError("embeddings must be finite and not zero, or they have no direction")
        return np.asarray(rows / lengths, np.float32)


def name_of(person: str) -> str:
    """A person's name as it is kept: composed and decomposed accents are the same.

    Raises:
        WhylightError: if it is blank.
    """
    name = unicodedata.normalize("NFC", person)
    if not name.strip():
        raise WhylightError(f"person: a name must not be blank, got {person!r}")
    return name
