"""From folders of photographs, one a person, to a gallery."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from whylight.boxes.box import area
from whylight.errors import FaceError, ImageError, WhylightError
from whylight.faces.align import crop
from whylight.faces.embed import Embedder
from whylight.faces.gallery import Gallery
from whylight.faces.people.file import FILE
from whylight.faces.people.threshold import Calibration
from whylight.faces.types import Detector
from whylight.images import decode
from whylight.images.walking import walk
from whylight.progress import bars

BATCH = 32  # crops that are embedded at once


class Skipped(NamedTuple):
    """A picture that was not enrolled, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Enrolment:
    """What `enroll` did.

    Attributes:
        gallery: the gallery, as it is now.
        added: how many pictures were added for each person; 0 where all were enrolled before.
        known: pictures that were enrolled before, by their content.
        skipped: pictures without a face, or damaged, and folders without pictures.
        crowded: pictures in which several faces were seen: the largest was taken for the person's. A detector that stops at the
            largest may see fewer than there are.
        calibration: how the threshold was chosen; None where too little is enrolled to choose it on.
    """

    gallery: Gallery
    added: dict[str, int] = field(default_factory=dict)
    known: list[Path] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    crowded: list[Path] = field(default_factory=list)
    calibration: Calibration | None = None


def enroll(
    gallery_path: str | os.PathLike[str],
    person_dirs: Sequence[str | os.PathLike[str]],
    detector: Detector,
    embedder: Embedder,
    *,
    thumbnails: bool = True,
    false_rejects: float | None = None,
    false_accepts: float | None = None,
    progress: bool = True,
    on_skip: Callable[[Skipped], None] | None = None,
) -> Enrolment:
    """Enroll people from folders of photographs; a folder's name is the person's.

    Of each picture the largest face counts. A picture that cannot be read or shows no face is passed over and named in the result.
    Each person is on disk when their folder is done: after a kill the same call goes on, and pictures that are enrolled are not
    looked at again. At the end the threshold for "unknown" is chosen on what is enrolled.

    Args:
        gallery_path: the gallery's folder; made where there is none.
        person_dirs: one folder a person; pictures in folders within it count too.
        detector: from `whylight.faces.detect.detector`.
        embedder: from `whylight.faces.embed.load_embedder`.
        thumbnails: keep a small crop of each new person's largest face to show.
        false_rejects: as in `Gallery.calibrate`.
        false_accepts: as in `Gallery.calibrate`.
        progress: show a bar where stderr is a terminal.
        on_skip: called with each picture that is passed over, at once.

    Raises:
        WhylightError: two folders have the same name, or a folder does not exist.
        FaceError: code 5, if the gallery is damaged or was built with another network.
        WriteError: if it cannot be written.
    """
    folders = _named(person_dirs)
    path = Path(gallery_path)
    gallery = Gallery.open(path, embedder) if (path / FILE).exists() else Gallery.create(path, embedder)
    done = Enrolment(gallery)

    def skip(path: Path, reason: str) -> None:
        done.skipped.append(Skipped(path, reason))
        if on_skip is not None:
            on_skip(done.skipped[-1])

    pictures: dict[str, list[Path]] = {}
    for name, folder in folders.items():
        try:
            pictures[name] = walk([folder])
        except ImageError as error:
            skip(folder, str(error))
    with bars(sum(map(len, pictures.values())) if progress else 0, "enrolling") as shown:
        for name, paths in pictures.items():
            seen = _Seen(done, set(gallery.sources(name)), skip)
            new = list(seen.of(paths, detector, embedder, shown.picture))
            done.added[name] = 0
            if new:
                largest = max(new, key=lambda one: one.area)
                done.added[name] = gallery.add(
                    name,
                    embedder.embed([one.crop for one in new], batch_size=BATCH),
                    largest.crop if thumbnails and (name not in gallery or gallery.thumbnail(name) is None) else None,
                    sources=[one.digest for one in new],
                )
    return _calibrated(done, false_rejects, false_accepts)


class _Crop(NamedTuple):
    crop: Image.Image
    area: float
    digest: str


class _Seen:
    """The faces of one person's pictures, with what was passed over written down."""

    def __init__(self, done: Enrolment, digests: set[str], skip: Callable[[Path, str], None]) -> None:
        self._done, self._digests, self._skip = done, digests, skip

    def of(
        self, paths: Sequence[Path], detector: Detector, embedder: Embedder, tick: Callable[[], None]
    ) -> Iterator[_Crop]:
        for path in paths:
            found = self._one(path, detector, embedder)
            if found is not None:
                yield found
            tick()

    def _one(self, path: Path, detector: Detector, embedder: Embedder) -> _Crop | None:
        try:
            digest = digest_of(path)
            if digest in self._digests:
                self._done.known.append(path)
                return None
            picture = decode(path)
            # A detector that stops at its first finds is faster, and surer: later cascades also find large things that are no face.
            faces = detector.find(picture, largest=True)
            if not faces:
                self._skip(path, "no face was found")
                return None
            made = crop(picture, faces[0], embedder.template)
        except (ImageError, FaceError) as error:
            self._skip(path, str(error).removeprefix(f"{path}: "))
            return None
        if len(faces) > 1:
            self._done.crowded.append(path)
        self._digests.add(digest)
        return _Crop(made.picture, float(area(faces[0].box)), digest)


def digest_of(path: Path) -> str:
    """By what a picture is known again: 32 hexadecimal digits of its bytes' SHA-256; nothing of it can be seen in them.

    Raises:
        ImageError: if it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except OSError as error:
        raise ImageError(f"{path}: this file cannot be read: {error.strerror or error}") from error


def _named(person_dirs: Sequence[str | os.PathLike[str]]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for entry in person_dirs:
        folder = Path(entry)
        name = folder.name or folder.resolve().name  # "." has no name of its own
        if not folder.is_dir():
            raise WhylightError(f"{folder}: no such folder; give one folder of pictures for each person")
        if name in folders:
            raise WhylightError(
                f"{folders[name]} and {folder} have the same name, {name!r}: rename one, or put them together"
            )
        folders[name] = folder
    return folders


def _calibrated(done: Enrolment, false_rejects: float | None, false_accepts: float | None) -> Enrolment:
    gallery = done.gallery
    several = any(count > 1 for count in gallery.counts.values())
    asked = false_rejects is not None or false_accepts is not None
    if gallery.is_calibrated and not asked:
        calibration = gallery.calibration
    elif false_rejects is not None and not several:  # nothing to count them on: the limit is chosen by the other kind
        calibration = gallery.calibrate() if len(gallery) > 1 else None
    elif asked or several or len(gallery) > 1:
        calibration = gallery.calibrate(false_rejects=false_rejects, false_accepts=false_accepts)
    else:
        calibration = None
    return Enrolment(gallery, done.added, done.known, done.skipped, done.crowded, calibration)
