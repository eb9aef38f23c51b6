"""What a gallery is on disk: one safetensors file, which appears whole or not at all, and a folder of thumbnails beside it.

Names, settings and embeddings share one file, so that no kill can leave names without embeddings or the other way round.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from PIL import Image

from whylight.atomic import named_errors, replacing
from whylight.errors import FaceError, WhylightError, WriteError
from whylight.faces.people.state import State
from whylight.faces.people.threshold import Calibration
from whylight.jobs.lock import only_run
from whylight.jsontext import loads
from whylight.shown import shown

FILE = "gallery.safetensors"
THUMBNAILS = "thumbnails"
KEY = "whylight.gallery"  # our entry in the file's metadata
FORMAT = 1
LARGEST = 224  # pixels of a thumbnail's longer side
PATIENCE = 10.0  # seconds to wait for another writer; a change takes a fraction of one

_PART = re.compile(r"\.[0-9a-f]{16}\.part")  # what whylight.atomic writes before it takes its name
_THUMBNAIL = re.compile(r"[0-9a-f]{16}\.jpg")  # made by us, never from a person's name: no name can point elsewhere


def write(folder: Path, state: State) -> None:
    """Put a gallery's file in the place of the one that is there.

    Raises:
        WriteError: if it cannot be written; the old one stays.
    """
    facts = {
        "format": FORMAT,
        "embedder": state.embedder,
        "fingerprint": state.fingerprint,
        "is_identity": state.is_identity,
        "people": list(state.people),
        "sources": list(state.sources),
        "thumbnails": dict(state.thumbnails),
        "calibration": None if state.calibration is None else state.calibration.to_dict(),
        "sha256": state.digest,
    }
    tensors = {"embeddings": np.ascontiguousarray(state.embeddings), "owners": np.ascontiguousarray(state.owners)}
    # ASCII, so that names which are no valid Unicode (odd bytes in a folder's name) pass through too.
    content = safetensors.numpy.save(tensors, metadata={KEY: json.dumps(facts, ensure_ascii=True)})
    with named_errors(folder / FILE), replacing(folder / FILE, durable=True) as file:
        file.write(content)


def read(folder: Path) -> State:
    """Read a gallery.

    Raises:
        FaceError: code 5, if there is none, it is damaged, or it was written by a newer whylight.
    """
    path = folder / FILE
    if not path.is_file():
        raise FaceError(5, f"{folder}: no gallery here ({FILE} is missing); make one with whylight face enroll")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            facts: dict[str, Any] = loads((file.metadata() or {}).get(KEY, "null"))
            if facts is None:
                raise FaceError(5, f"{path}: not a gallery of whylight's; it holds something else")
            if facts["format"] > FORMAT:
                raise FaceError(
                    5, f"{path}: written by a newer whylight (format {facts['format']}); update whylight to read it"
                )
            embeddings, owners = file.get_tensor("embeddings"), file.get_tensor("owners")
        calibration = facts["calibration"]
        state = State(
            embedder=str(facts["embedder"]),
            fingerprint=str(facts["fingerprint"]),
            is_identity=facts["is_identity"] is True,
            people=tuple(map(_text, facts["people"])),
            embeddings=embeddings,
            owners=owners,
            sources=tuple(map(_text, facts["sources"])),
            thumbnails={_text(name): _thumbnail_name(file) for name, file in facts["thumbnails"].items()},
            calibration=None if calibration is None else Calibration.from_dict(calibration),
        )
        _check(state, facts["sha256"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, safetensors.SafetensorError) as error:
        raise FaceError(
            5, f"{path}: this gallery is damaged ({error}); restore a copy of it, or enroll its people again"
        ) from error
    return state


def save_thumbnail(folder: Path, picture: Image.Image) -> str:
    """Write a small copy of a picture, and return its file's name.

    Raises:
        WriteError: if it cannot be written.
    """
    small = picture.convert("RGB")
    small.thumbnail((LARGEST, LARGEST))
    name = f"{secrets.token_hex(8)}.jpg"
    path = _own(folder / THUMBNAILS) / name
    with named_errors(path):
        path.parent.mkdir(exist_ok=True)
        with replacing(path) as file:
            small.save(file, "JPEG", quality=90)
    return name


def _own(folder: Path) -> Path:
    """A folder of the gallery's own: through a link, somebody else's files would be written over and swept."""
    if folder.is_symlink():
        raise WriteError(f"{shown(folder)}: is a link, not a folder of the gallery's; take it away")
    return folder


def sweep(folder: Path, state: State) -> None:
    """Delete what belongs to nobody in the gallery: thumbnails of people who were removed, and what a killed run left.

    For a writer who has the folder to themselves.

    Raises:
        WriteError: if something cannot be deleted.
    """
    kept = set(state.thumbnails.values())
    for path in (*folder.glob(".*.part"), *_own(folder / THUMBNAILS).glob("*")):
        if _PART.fullmatch(path.name) or (_THUMBNAIL.fullmatch(path.name) and path.name not in kept):
            with named_errors(path):
                path.unlink(missing_ok=True)


def stamp(folder: Path) -> tuple[int, ...] | None:
    """What changes whenever the gallery's file is replaced."""
    try:
        found = (folder / FILE).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other writers out, after waiting for one that is at work.

    Raises:
        WhylightError: if another does not finish.
        WriteError: if the folder cannot be written.
    """
    until = time.monotonic() + PATIENCE
    with ExitStack() as stack:
        while True:
            try:
                with named_errors(folder):
                    stack.enter_context(only_run(folder))
                break
            except WhylightError as error:
                if type(error) is not WhylightError:  # not a lock that is taken
                    raise
                if time.monotonic() > until:
                    raise WhylightError(
                        f"{folder}: another process keeps writing into this gallery; try again later"
                    ) from error
                time.sleep(0.02)
        yield


class Folder:
    """A gallery's folder, and the state that it was in when it was last read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read()

    def _read(self) -> None:
        before = stamp(self.path)
        self.state, self._stamp = read(self.path), before

    def refresh(self) -> None:
        """Read again what is on disk, if another process has changed it.

        Raises:
            FaceError: code 5, if there is no gallery any more, it is damaged, or it is another network's.
        """
        if self._stamp != stamp(self.path):
            was = self.state
            self._read()
            if self.state.fingerprint != was.fingerprint:
                raise FaceError(
                    5,
                    f"{self.path}: the gallery was replaced by one of another network, {self.state.embedder}; open it again",
                )

    @contextmanager
    def changing(self) -> Iterator[State]:
        """Have the folder to oneself, and what is on disk."""
        with alone(self.path):
            self.refresh()
            yield self.state

    def write(self, state: State) -> None:
        """Put a new state in place of the old one; for who is `changing` it."""
        write(self.path, state)
        self.state, self._stamp = state, stamp(self.path)
        sweep(self.path, state)


def _check(state: State, sha256: object) -> None:
    """Complain about what does not fit together; ValueError."""
    embeddings, owners, people = state.embeddings, state.owners, len(state.people)
    if embeddings.ndim != 2 or embeddings.dtype != np.float32 or owners.dtype != np.int32:
        raise ValueError(f"embeddings of shape {embeddings.shape}, {embeddings.dtype}")
    if owners.shape != (len(embeddings),) or len(state.sources) != len(embeddings):
        raise ValueError(f"{len(embeddings)} embeddings of {owners.shape} people from {len(state.sources)} pictures")
    if len(set(state.people)) != people or not set(state.thumbnails) <= set(state.people):
        raise ValueError("its names do not fit together")
    if sorted(set(owners.tolist())) != list(range(people)):
        raise ValueError("somebody has no embedding, or an embedding has nobody")
    if state.digest != sha256:
        raise ValueError("its embeddings are not those that were written")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a name is {value!r}")
    return value


def _thumbnail_name(value: object) -> str:
    if not isinstance(value, str) or not _THUMBNAIL.fullmatch(value):
        raise ValueError(f"a thumbnail is {value!r}")
    return value
