"""Say who is in photographs and why: cards and pictures of the evidence, their answers in JSON, a line each in `faces.jsonl`."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from typing_extensions import TypedDict

from whylight.errors import FaceError, ImageError, WhylightError, WhylightWarning, WriteError
from whylight.jobs.folder import place_in, put
from whylight.jobs.job import Job
from whylight.jobs.pictures import Picture
from whylight.jobs.results import Written, stamp
from whylight.jsontext import dumps
from whylight.models.zoo.choice import ModelChoice
from whylight.models.zoo.keeping import made
from whylight.schema import Schema, Text
from whylight.shown import shown
from whylight.work.asked import read_part
from whylight.work.facefiles import ENDING, Settings, files_of, keep
from whylight.work.results import WritesResults

if TYPE_CHECKING:
    from whylight.faces.identify import Identifier
    from whylight.faces.query import FaceQuery
    from whylight.faces.result import FaceResult
    from whylight.faces.types import Detector
    from whylight.images import Read
    from whylight.jobs.lines import Record
    from whylight.jobs.runner import Answer, Question
    from whylight.pipeline.ahead import Source
    from whylight.pipeline.workers import Workers
    from whylight.work.gallery.faced import Faced

UNREADABLE = 1  # the code of a photograph that cannot be loaded: nothing to remember


@dataclass(frozen=True)
class Questions:
    """What is asked about each photograph, and what answers it; files and folders by their paths.

    Attributes:
        gallery, vggface, names, channels: who can be named: one's own people, or VGG-Face's.
        model: the network of a gallery's embeddings; default: the one it was built with.
        detector, detector_weights, cascades: what finds the faces, see `whylight.faces.detector`.
        landmarks: FaceMesh's weights.
        faces, method, rather_than, parts, threshold, language: as for `whylight.faces.FaceQuery`.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    gallery: Text | None = None
    vggface: Text | None = None
    names: Text | None = None
    channels: Literal["bgr", "rgb"] | None = None
    model: Text | None = None
    detector: Text = "haar"
    detector_weights: Text | None = None
    cascades: Text | None = None
    landmarks: Text | None = None
    faces: Literal["largest", "all"] = "largest"
    method: Text | None = None
    rather_than: Text | bool = False
    parts: Literal["auto", "landmarks", "haar", "geometry"] = "auto"
    threshold: float = 0.5
    language: Text = "en"

    def check(self) -> None:
        """Complain about what does not go together, in the command line's words."""
        if self.gallery is not None and self.vggface is not None:
            raise WhylightError("--gallery and --vggface are two ways to name people: leave one out")
        if self.names is not None and self.vggface is None:
            raise WhylightError("--names: belongs to --vggface; a gallery has its own names")

    @property
    def names_people(self) -> bool:
        """Whether it is asked whose face it is."""
        return self.gallery is not None or self.vggface is not None

    def stamps(self) -> list[Any]:
        """What tells whether the files behind all this are still the same."""
        files = [self.vggface, self.names, self.detector_weights, self.landmarks, self.model]
        files += [] if self.gallery is None else [os.path.join(self.gallery, "gallery.safetensors")]
        return [stamp(file) for file in files if file is not None and os.path.isfile(file)]

    def query(self, device: str) -> FaceQuery:
        """Load everything that asking takes.

        Raises:
            WhylightError: naming what cannot be loaded.
        """
        from whylight.faces.query import FaceQuery

        return FaceQuery(
            self._identifier(device),
            detector=self.finder(),
            faces=self.faces,
            rather_than=self.rather_than,
            **self.options(),
        )

    def finder(self) -> Detector:
        """What finds the faces."""
        from whylight.faces.detect import detector

        weights = None if self.detector_weights is None else Path(self.detector_weights)
        # A folder of cascades may hold those of the features alone; the detector takes what it finds of its own there.
        return detector(self.detector, cascades=None if self.cascades is None else Path(self.cascades), weights=weights)

    def options(self) -> dict[str, Any]:
        """Arguments of `FaceQuery` that two photographs are compared with, too."""
        from whylight.faces.facemesh import FaceMesh

        return {
            "method": self.method,
            "parts": self.parts,
            "mesh": FaceMesh.load(self.landmarks) if self.landmarks is not None else None,
            "cascades": Path(self.cascades) if self.cascades is not None else None,
            "threshold": self.threshold,
            "language": self.language,
        }

    def _identifier(self, device: str) -> Identifier:
        from whylight.faces.identify import ByClassifier, ByGallery, FaceOnly

        if self.vggface is not None:
            from whylight.faces.vggface import TEMPLATE, load_vggface

            model = load_vggface(self.vggface, self.names, channels=self.channels, device=device)
            return ByClassifier(model, TEMPLATE)
        if self.gallery is not None:
            from whylight.faces.embed import load_embedder
            from whylight.faces.gallery import Gallery

            gallery = Gallery.open(self.gallery)
            named_by = self.gallery if self.model is None else None
            return ByGallery(gallery, load_embedder(self.model or gallery.embedder, device=device, named_by=named_by))
        return FaceOnly()


class _Face(TypedDict):
    """One face's answer, as far as anything is read from it again."""

    picture: Text
    code: Literal[0, 1, 2, 3, 4, 5, 6]
    message: Text
    faces: int
    number: int
    face: dict[Any, Any] | None
    sentence: Text
    files: dict[Text, Text]


class FaceRecord(Written):
    """A line of `faces.jsonl`."""

    results: list[_Face]


class Face(WritesResults):
    """The kind `face`."""

    name, schema, needs_folder = "faces.jsonl", Schema(FaceRecord), False
    page: Faced | None

    def __init__(self, job: Job) -> None:
        self.asked = read_part(job, "questions", Questions)
        self.look = read_part(job, "settings", Settings)
        self.asked.check()
        self.look.check()
        if replace(job.choice, device="auto") != ModelChoice():
            raise WhylightError("job face: model: only its device counts; questions has the network's name as `model`")
        try:
            super().__init__(job)
        except ImageError as error:
            raise FaceError(UNREADABLE, str(error)) from error
        if self.look.html and self.folder is None:
            raise WhylightError("--html: the page goes into the folder of the results; give --out FOLDER")
        look = {name: value for name, value in asdict(self.look).items() if name != "html"}
        self.settings = {**asdict(self.asked), "device": self.choice.device, **look}
        self.settings["stamps"] = self.asked.stamps()

    @staticmethod
    def files(record: Record) -> list[str]:
        """The pictures written for a photograph."""
        return files_of(record)

    @property
    def questions(self) -> list[Question]:
        """One: who is it, and why?"""
        return [("face", None)]

    def prepare(self) -> None:
        """Load networks, gallery and cascades."""
        from whylight.methods import get

        key = dumps([asdict(self.asked), self.settings["stamps"], self.choice.device])
        self._query = made(("face", key), lambda: self.asked.query(self.choice.device))
        method = self._query.method
        self.patient = (get(method) if isinstance(method, str) else method).is_slow

    def shelf(self) -> Faced | None:
        """The page, where one is wanted."""
        if not self.look.html:
            return None
        from whylight.work.gallery.faced import Faced

        return Faced(self.out, self.pictures.root, self._session)

    def finish(self) -> None:
        """Write the page of all results."""
        if self.page is not None:
            self.page.write_all(self.results, self.settings)

    def ask(
        self, items: Sequence[Picture], questions: Sequence[Question], workers: Workers
    ) -> Generator[Answer[Picture]]:
        """Find the faces of one photograph after another, and ask about each."""
        from whylight.faces.result import FaceResult
        from whylight.jobs.runner import Answer
        from whylight.pipeline.ahead import ahead

        self._workers = workers
        for opened in ahead([item.source for item in items], _open, workers, workers.count, self.failed):
            if opened is None:  # what was given is asked about already, and let go when it is written
                continue
            place, picture, pixels = opened
            item, results = items[place], list[FaceResult]()
            del opened
            with self.watch.guarding(item.path), workers.at("model"):
                if isinstance(picture, FaceError):
                    results = [FaceResult(str(item.path), picture.code, str(picture))]
                else:
                    results = self._query.about(picture, str(item.path), self.watch.step)
            del picture
            if results:
                yield Answer(item, [(item, self.free_stem(item, ENDING), results)], pixels)
            del results  # nothing of one picture is held while the next is made
            workers.give(pixels)

    def write(self, part: tuple[Picture, str, list[FaceResult]]) -> Record:
        """Draw and write what belongs to one photograph."""
        item, stem, results = part
        file = Path(stem + ENDING).as_posix()
        with self._workers.at("draw"):
            records = [keep(result, self.folder, stem, self.look, named=self.asked.names_people) for result in results]
        if self.folder is not None and results[0].code != UNREADABLE:
            with self._workers.at("write"):
                put(self.folder, file, (dumps(records, indent=1) + "\n").encode())
        record = {"file": file, "map": None, "method": "face", "asked": None, "settings": self.settings}
        return {**record, "stamp": item.stamp or {"path": item.key}, "results": records}

    def note(self, part: Record) -> None:
        """One line more, unless the photograph could not be loaded; only then goes what there was of another answer."""
        if self.folder is None or part["results"][0]["code"] == UNREADABLE:
            self.watch.noted(part)
            return
        before = self.results.owner(part["file"])
        super().note(part)
        for name in set(self.files(before)) - set(self.files(part)) if before is not None else ():
            try:
                place_in(self.folder, name).unlink(missing_ok=True)
            except (OSError, WriteError) as error:
                said = f"{shown(self.folder / name)}: belongs to an earlier answer, and cannot be deleted: {error}"
                warnings.warn(said, WhylightWarning, stacklevel=2)


def _open(place: int, source: Source, pixels: int) -> tuple[int, Read | FaceError, int]:
    """A photograph decoded, or why it cannot be, with its place in the list and how many pixels are held for it."""
    from whylight.faces.query import opened

    try:
        return place, opened(source), pixels  # type: ignore[arg-type]  # no tensors here
    except FaceError as error:
        return place, error, pixels
