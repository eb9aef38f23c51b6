"""Carry `whylight face` out: load what it needs, ask about each photograph, write, and keep account of what is done."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import typer

from whylight.atomic import named_errors, replacing
from whylight.cli.ledger import Ledger, Record, stamp
from whylight.cli.naming import root_of, stems
from whylight.cli.plan import check_folder, without_results
from whylight.cli.report import JsonOut, calm_warnings
from whylight.errors import FaceError, ImageError, WhylightError
from whylight.jobs.lock import only_run
from whylight.progress import bars

if TYPE_CHECKING:
    from whylight.faces.embed import Embedder
    from whylight.faces.identify import Identifier
    from whylight.faces.parts import Source
    from whylight.faces.query import FaceQuery
    from whylight.faces.result import FaceResult
    from whylight.faces.types import Detector
    from whylight.faces.weightfiles import Channels

# What a limit for strangers was chosen for, where nobody said: else the same is asked for again when people are taken out.
BY_ITSELF = (("false_rejects", 0.05), ("false_accepts", 0.1), ("false_accepts", 0.05))
NAME = "faces.jsonl"
RESULT = "face.json"


@dataclass(frozen=True)
class Asked:
    """What a result depends on besides the photograph; files by their paths."""

    gallery: str | None
    vggface: str | None
    names: str | None
    channels: str | None
    model: str | None
    detector: str
    detector_weights: str | None
    cascades: str | None
    landmarks: str | None
    faces: str
    method: str | None
    rather_than: str | bool
    parts: str
    threshold: float
    language: str
    device: str
    files: tuple[str, ...] = ()
    colormap: str = "plasma"

    def settings(self) -> dict[str, Any]:
        """The same as plain values, with what tells whether the files are still the same."""
        files = [self.vggface, self.names, self.detector_weights, self.landmarks, self.model]
        if self.gallery is not None:
            files.append(os.path.join(self.gallery, "gallery.safetensors"))
        stamps = [stamp(file) for file in files if file is not None and os.path.isfile(file)]
        return dict(json.loads(json.dumps({**asdict(self), "stamps": stamps})))


def run(inputs: Sequence[str], out: Path | None, asked: Asked, *, json_to: str | None, overwrite: bool) -> int:
    """Ask about each photograph; returns the code of the first that failed, or 0."""
    import whylight
    from whylight import images
    from whylight.faces.result import FaceResult

    try:
        pictures = images.walk(inputs)
    except ImageError as error:
        raise FaceError(1, str(error)) from error
    if out is not None:
        check_folder(out)
        pictures = without_results(pictures, {os.path.abspath(entry) for entry in inputs}, out, NAME)
    if not pictures:
        raise FaceError(1, f"{', '.join(inputs)}: holds only results of earlier runs; give the photographs")
    alone = len(pictures) == 1 and os.path.isfile(inputs[0])
    places = {os.path.abspath(pictures[0]): ""} if alone else stems(pictures, root_of(inputs))
    with ExitStack() as stack:
        stack.enter_context(calm_warnings())
        output = JsonOut(json_to)
        stack.callback(output.close)
        ledger = None
        if out is not None:
            stack.enter_context(only_run(out))
            ledger = stack.enter_context(Ledger(out, NAME))
        settings = asked.settings()
        before: dict[str, Record] = {}
        if ledger is not None and not overwrite:
            for path in (os.path.abspath(picture) for picture in pictures if picture.is_file()):
                done = ledger.done(stamp(path), "face", None, settings)
                if done is not None and all(file.is_file() for file in _files(done, ledger.folder)):
                    before[path] = done
        missing = [picture for picture in pictures if os.path.abspath(picture) not in before]
        whylight.tune_allocator()
        query = None
        if missing:
            try:
                query = make_query(asked)
            except FaceError as error:  # in the JSON, too
                for picture in missing:
                    output.put({**FaceResult(str(picture), error.code, str(error)).to_dict(), "files": {}})
                raise
        codes, faces, started = [], 0, time.perf_counter()
        with bars(len(missing), "faces") as bar:
            for picture in pictures:
                path = os.path.abspath(picture)
                if path in before:
                    records = before[path]["results"]
                else:
                    assert query is not None
                    results = query(picture)
                    place = None if out is None else out / places[path]
                    if ledger is not None and place is not None:
                        earlier = ledger.owner(os.path.relpath(place / RESULT, out))
                        for file in _files(earlier, ledger.folder) if earlier is not None else []:
                            file.unlink(
                                missing_ok=True
                            )  # of another answer: old names and faces are not left lying about
                    records = [_kept(result, place, asked) for result in results]
                    if ledger is not None and place is not None and results[0].code != 1:
                        file = _summary(place / RESULT, records)
                        ledger.add(_record(path, settings, os.path.relpath(file, out), records))
                    bar.picture()
                for record in records:
                    output.put(record)
                    _tell(record, output)
                    codes.append(record["code"])
                    faces += record["face"] is not None
        if len(pictures) > 1:
            rate = f", {len(missing) / max(1e-9, time.perf_counter() - started):.3g} pictures/s" if missing else ""
            failed = sum(code != 0 for code in codes)
            said = f"; {failed} without an answer" if failed else ""
            where = "" if out is None else f" → {out}/"
            output.say(f"{faces} faces in {len(pictures)} pictures ({len(before)} done before{rate}){where}{said}")
    return next((code for code in codes if code), 0)


def run_pair(first: str, second: str, out: Path | None, asked: Asked, *, json_to: str | None) -> int:
    """Compare two photographs; returns the code of the error, or 0."""
    from whylight.faces.card import pair
    from whylight.faces.query import compare
    from whylight.faces.result import write_picture

    if out is not None:
        check_folder(out)
    with calm_warnings():
        embedder, options = _embedder(asked.model or "face", asked.device), _options(asked)
        results = compare(first, second, embedder, detector=_detector(asked), **options)
        output = JsonOut(json_to)
        for number, result in enumerate(results, start=1):
            record = _kept(result, None if out is None else out / str(number), asked)
            output.put(record)
            if result.code == 0 or number == 1:
                _tell(record, output)
        if out is not None and "card" in asked.files and all(result.explanation is not None for result in results):
            output.say(f"both → {write_picture(out / 'both.png', pair(*results))}")
        output.close()
    return next((result.code for result in results if result.code), 0)


def make_query(asked: Asked) -> FaceQuery:
    """Load everything that a query needs.

    Raises:
        WhylightError: naming what cannot be loaded.
    """
    from whylight.faces.query import FaceQuery

    return FaceQuery(
        _identifier(asked),
        detector=_detector(asked),
        faces=cast("Literal['largest', 'all']", asked.faces),
        rather_than=asked.rather_than,
        **_options(asked),
    )


def _options(asked: Asked) -> dict[str, Any]:
    from whylight.faces.facemesh import FaceMesh

    return {
        "method": asked.method,
        "parts": cast("Source", asked.parts),
        "mesh": FaceMesh.load(asked.landmarks) if asked.landmarks is not None else None,
        "cascades": Path(asked.cascades) if asked.cascades is not None else None,
        "threshold": asked.threshold,
        "language": asked.language,
    }


def _detector(asked: Asked) -> Detector:
    from whylight.faces.detect import detector

    weights = None if asked.detector_weights is None else Path(asked.detector_weights)
    # A folder of cascades may hold those of the features alone; the detector takes what it finds of its own there.
    return detector(asked.detector, cascades=None if asked.cascades is None else Path(asked.cascades), weights=weights)


def _identifier(asked: Asked) -> Identifier:
    from whylight.faces.identify import ByClassifier, ByGallery, FaceOnly

    if asked.vggface is not None:
        from whylight.faces.vggface import TEMPLATE, load_vggface

        channels = cast("Channels | None", asked.channels)

        return ByClassifier(load_vggface(asked.vggface, asked.names, channels=channels, device=asked.device), TEMPLATE)
    if asked.gallery is not None:
        from whylight.faces.gallery import Gallery

        gallery = Gallery.open(asked.gallery)
        return ByGallery(gallery, _embedder(asked.model or gallery.embedder, asked.device))
    return FaceOnly()


def _embedder(name: str, device: str) -> Embedder:
    from whylight.faces.embed import load_embedder

    return load_embedder(name, device=device)


def _kept(result: FaceResult, folder: Path | None, asked: Asked) -> Record:
    """A result as plain values, its files written."""
    paths: dict[str, Path] = {}
    if folder is not None:
        stem = f"face{result.number + 1}_" if result.number else ""
        paths = result.save(folder, asked.files, stem=stem, colormap=asked.colormap)
    return {**result.to_dict(), "files": {name: os.fspath(path) for name, path in paths.items()}}


def _summary(path: Path, records: list[Record]) -> Path:
    """Everything about one photograph, as JSON."""
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(json.dumps(records, ensure_ascii=False, indent=1).encode() + b"\n")
    return path


def _record(path: str, settings: dict[str, Any], file: str, records: list[Record]) -> Record:
    return {
        "file": Path(file).as_posix(),
        "map": None,
        "method": "face",
        "asked": None,
        "settings": settings,
        "stamp": stamp(path),
        "results": records,
    }


def _files(record: Record, out: Path) -> list[Path]:
    """The pictures that were written for one photograph, wherever the output folder lies now."""
    place = out / Path(record["file"]).parent
    return [place / Path(file).name for result in record["results"] for file in result["files"].values()]


def _tell(record: Record, output: JsonOut) -> None:
    """The sentence on stdout, the error on stderr."""
    if record["sentence"]:
        which = f" (face {record['number'] + 1} of {record['faces']})" if record["faces"] > 1 else ""
        shown = record["files"].get("card") or next(iter(record["files"].values()), None)
        output.say(f"{record['picture']}{which}: {record['sentence']}" + (f" → {shown}" if shown else ""))
    if record["code"]:
        typer.echo(f"whylight: error {record['code']}: {record['message']}", err=True)


def enrolled(
    gallery: str, folders: Sequence[str], asked: Asked, *, thumbnails: bool, false_rejects: float | None
) -> bool:
    """Enroll people; returns whether every picture could be used."""
    from whylight.faces.enrolment import enroll
    from whylight.faces.gallery import Gallery

    there = os.path.exists(os.path.join(gallery, "gallery.safetensors"))
    name = asked.model or (Gallery.open(gallery).embedder if there else "face")
    with calm_warnings():
        embedder = _embedder(name, asked.device)
        done = enroll(
            gallery,
            folders,
            _detector(asked),
            embedder,
            thumbnails=thumbnails,
            false_rejects=false_rejects,
            on_skip=lambda skipped: typer.echo(f"whylight: {skipped.path}: {skipped.reason}; passed over", err=True),
        )
    for line in _said(done.gallery, sum(done.added.values()), len(done.known), embedder):
        typer.echo(line)
    return not done.skipped


def _said(gallery: Any, added: int, known: int, embedder: Embedder) -> Iterator[str]:
    before = f", {known} were there" if known else ""
    yield f"{added} pictures added{before}: {len(gallery)} people in {gallery.path}"
    yield str(gallery.calibration) if gallery.calibration is not None else "No limit for strangers: too few pictures."
    if embedder.caution:
        yield f"Careful: {embedder.caution}."


def forget(gallery: str, people: Sequence[str]) -> None:
    """Take people out of a gallery; all names are checked first."""
    from whylight.faces.gallery import Gallery

    there = Gallery.open(gallery)
    for person in people:
        if person not in there:
            raise WhylightError(
                f"{gallery}: nobody called {person!r} is enrolled; see `whylight face people {gallery}`"
            )
    chosen = there.calibration
    for person in people:
        there.remove(person)
        typer.echo(f"{person}: removed from {gallery}")
    if there.calibration is not None and not there.is_calibrated and len(there) > 1:
        by_itself = chosen is None or (chosen.aim, chosen.allowed) in BY_ITSELF
        typer.echo(str(there.calibrate(**({} if by_itself or chosen is None else {chosen.aim: chosen.allowed}))))
