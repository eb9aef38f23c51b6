"""Carry `whylight locate` out: find, draw, write, and keep account of what is done."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from whylight.atomic import named_errors
from whylight.cli.exporting import NUMBERED, export
from whylight.cli.ledger import Ledger, Record, stamp
from whylight.cli.naming import root_of, stems
from whylight.cli.plan import check_folder, without_results
from whylight.cli.report import JsonOut, calm_warnings, percent, show_errors
from whylight.cli.run import ERRORS, Errors
from whylight.cli.source import Source
from whylight.errors import WhylightError
from whylight.jobs.lock import only_run
from whylight.progress import bars

if TYPE_CHECKING:
    from whylight.engine import Precision
    from whylight.localize.erase import Eraser
    from whylight.localize.location import Location
    from whylight.models.base import Classifier

NAME = "boxes.jsonl"


@dataclass(frozen=True)
class Settings:
    """What boxes depend on besides picture and model; the fields are `whylight.locate`'s arguments."""

    target: str | None
    sequential: bool
    max_objects: int
    fast: bool
    method: str | None
    threshold: float | None
    largest: bool
    iou: float
    eraser: str


def run(
    inputs: Sequence[str],
    out: Path,
    source: Source,
    asked: Settings,
    *,
    forms: Sequence[str],
    strips: bool,
    json_to: str | None,
    batch_size: int | None,
    overwrite: bool,
) -> bool:
    """Find what has not been found yet; returns whether every picture could be read."""
    import whylight
    from whylight import images

    pictures = images.walk(inputs)
    check_folder(out)
    pictures = without_results(pictures, {os.path.abspath(entry) for entry in inputs}, out, NAME)
    if not pictures:
        raise WhylightError(f"{', '.join(inputs)}: holds only results of earlier runs; give the pictures to search")
    settings = {**source.identity(), **asdict(asked), "strips": strips}
    stamps = {os.path.abspath(picture): stamp(str(picture)) for picture in pictures if picture.is_file()}
    places = stems(pictures, root_of(inputs))
    with ExitStack() as stack:
        stack.enter_context(calm_warnings())
        stack.enter_context(only_run(out))
        ledger = stack.enter_context(Ledger(out, NAME))
        output = JsonOut(json_to)
        stack.callback(output.close)
        errors = Errors(out / ERRORS)
        records: dict[str, Record] = {}
        for picture in pictures:
            path = os.path.abspath(picture)
            found = (
                None if overwrite or path not in stamps else ledger.done(stamps[path], "locate", asked.target, settings)
            )
            if found is not None:
                records[path] = found
        missing = [picture for picture in pictures if os.path.abspath(picture) not in records]
        before, classes = len(records), tuple[str, ...]()
        if missing or any(form in NUMBERED for form in forms):
            whylight.tune_allocator()
            model = source.load()
            classes = model.classes
        started = time.perf_counter()
        if missing:
            for location in stack.enter_context(closing(_find(model, missing, source, asked, batch_size, errors))):
                path = os.path.abspath(location.source)
                place = _free(places[path], path, ledger)
                record = _record(location, source, asked, settings, stamps[path], place)
                _write(location, out, record, strips)
                ledger.add(record)
                records[path] = record
        done = [records[path] for path in map(os.path.abspath, pictures) if path in records]
        for record in done:
            output.put({key: value for key, value in record.items() if key not in ("settings", "stamp", "map")})
        if forms:
            export(ledger, forms, root_of(inputs), classes)
        if len(pictures) == 1 and done:
            output.say(_sentence(done[0], out))
    show_errors(errors.found, errors.path)
    if len(pictures) > 1:
        boxes = sum(len(record["boxes"]) for record in done)
        new = len(done) - before
        rate = f", {new / max(1e-9, time.perf_counter() - started):.3g} pictures/s" if new else ""
        failed = f"; {len(errors.found)} failed, see {out / ERRORS}" if errors.found else ""
        what = f"{boxes} {'box' if boxes == 1 else 'boxes'} in {len(done)} picture{'' if len(done) == 1 else 's'}"
        output.say(f"{what} ({before} done before{rate}) → {out}/{_background(done)}{failed}")
    return not errors.found


def _find(
    model: Classifier,
    pictures: list[Path],
    source: Source,
    asked: Settings,
    batch_size: int | None,
    errors: Errors,
) -> Generator[Location]:
    """Find in pictures, one after another; those that cannot be read go to `errors`."""
    import whylight
    from whylight.targets import parse

    target = parse(asked.target, model.classes)[0] if asked.target is not None else None
    with bars(len(pictures), source.name) as bar:

        def failed(picture: Any, error: WhylightError) -> None:
            errors.add(picture, error)
            bar.picture()

        for location in whylight.locate_each(
            model,
            pictures,
            target,
            sequential=asked.sequential,
            max_objects=asked.max_objects,
            method=asked.method,
            fast=asked.fast,
            threshold=asked.threshold,
            largest=asked.largest,
            iou=asked.iou,
            eraser=cast("Eraser", asked.eraser),
            precision=cast("Precision", source.precision),
            batch_size=batch_size,
            on_error=failed,
        ):
            yield location
            bar.picture()


def _free(place: str, path: str, ledger: Ledger) -> str:
    """A picture's place under the output folder; with `-2`, `-3`, … where another picture, of an earlier run, has it."""
    free, taken = place, 1
    while (owner := ledger.owner(f"{free}.boxes.png")) and owner["stamp"]["path"] != path:
        if not os.path.exists(owner["stamp"]["path"]):
            break
        taken += 1
        free = f"{place}-{taken}"
    return free


def _record(
    location: Location, source: Source, asked: Settings, settings: dict[str, Any], stamped: dict[str, Any], stem: str
) -> Record:
    facts = location.to_dict()
    return {
        **facts,
        "method": "locate",
        "map_method": facts["method"],
        "model": source.name,
        "asked": asked.target,
        "file": f"{Path(stem).as_posix()}.boxes.png",
        "map": None,
        "settings": settings,
        "stamp": stamped,
    }


def _write(location: Location, out: Path, record: Record, strips: bool) -> None:
    file = out / record["file"]
    with named_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    location.save(file)
    if strips:
        location.save(file.with_suffix("").with_suffix(".looks.png"), view="strip")
        location.save(file.with_suffix("").with_suffix(".looks.webp"), view="strip")


def _sentence(record: Record, out: Path) -> str:
    from whylight.localize.location import NOTHING

    boxes = record["boxes"]
    if record["stopped"].startswith(NOTHING):
        what = f"{record['label']}: {record['stopped']}"
    elif not boxes:
        what = f"no {record['label']} found ({record['stopped']})"
    else:
        where = ", ".join(f"x={box['x0']}…{box['x1']} y={box['y0']}…{box['y1']}" for box in boxes[:5])
        more = f" and {len(boxes) - 5} more" if len(boxes) > 5 else ""
        what = f"{len(boxes)} × {record['label']} at {where}{more}"
    first, last = record["steps"][0]["probability_before"], record["steps"][-1]["probability_after"]
    sure = (
        f" ({percent(first)}" + (f", {percent(last)} once erased)" if last is not None else ")")
        if first is not None
        else ""
    )
    return f"{record['picture']}: {what}{sure} → {out / record['file']}"


def _background(records: Sequence[Record]) -> str:
    """How many pictures show a background class, in words."""
    from whylight.localize.location import NOTHING

    labels = [record["label"] for record in records if record["stopped"].startswith(NOTHING)]
    if not labels:
        return ""
    return f"; {NOTHING} in {len(labels)} ({', '.join(sorted(set(labels)))}; --target asks all the same)"
