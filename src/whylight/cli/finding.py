"""Carry `whylight locate` out: find, draw, write, and keep account of what is done."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from whylight.atomic import named_errors, replacing
from whylight.cli.ledger import Ledger, Record, stamp
from whylight.cli.lock import only_run
from whylight.cli.naming import root_of, stems
from whylight.cli.plan import check_folder, without_results
from whylight.cli.report import JsonOut, calm_warnings, percent, show_errors
from whylight.cli.run import ERRORS, Errors
from whylight.cli.source import Source
from whylight.errors import WhylightError
from whylight.progress import bars

if TYPE_CHECKING:
    from whylight.engine import Precision
    from whylight.localize.erase import Eraser
    from whylight.localize.formats import Found
    from whylight.location import Location

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
        before, started = len(records), time.perf_counter()
        if missing:
            started = _find(
                missing, out, source, asked, settings, stamps, places, strips, batch_size, ledger, errors, records
            )
        done = [records[path] for path in map(os.path.abspath, pictures) if path in records]
        for record in done:
            output.put({key: value for key, value in record.items() if key not in ("settings", "stamp", "map")})
        _export(done, out, forms)
        if len(pictures) == 1 and done:
            output.say(_sentence(done[0], out))
    show_errors(errors.found, errors.path)
    if len(pictures) > 1:
        boxes = sum(len(record["boxes"]) for record in done)
        new = len(done) - before
        rate = f", {new / max(1e-9, time.perf_counter() - started):.3g} pictures/s" if new else ""
        failed = f"; {len(errors.found)} failed, see {out / ERRORS}" if errors.found else ""
        output.say(f"{boxes} boxes in {len(done)} pictures ({before} done before{rate}) → {out}/{failed}")
    return not errors.found


def _find(
    missing: list[Path],
    out: Path,
    source: Source,
    asked: Settings,
    settings: dict[str, Any],
    stamps: dict[str, dict[str, Any]],
    places: dict[str, str],
    strips: bool,
    batch_size: int | None,
    ledger: Ledger,
    errors: Errors,
    records: dict[str, Record],
) -> float:
    """Find in the pictures that are left, one after another to disk; returns when the model was loaded."""
    import whylight
    from whylight.targets import parse

    whylight.tune_allocator()
    model = source.load()
    loaded = time.perf_counter()
    target = parse(asked.target, model.classes)[0] if asked.target is not None else None
    with bars(len(missing), source.name) as bar:

        def failed(picture: Any, error: WhylightError) -> None:
            errors.add(picture, error)
            bar.picture()

        for location in whylight.locate_each(
            model,
            missing,
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
            path = os.path.abspath(location.source)
            record = _record(location, source, asked, settings, stamps[path], places[path])
            _write(location, out, record, strips)
            ledger.add(record)
            records[path] = record
            bar.picture()
    return loaded


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


def _export(records: Iterable[Record], out: Path, forms: Sequence[str]) -> None:
    """Write all boxes, those of earlier runs too, in the forms that other tools read."""
    if not forms:
        return
    from whylight.localize import formats

    found = [_found(record) for record in records]
    names = list(dict.fromkeys(label for one in found for label, _ in one.boxes))
    if "coco" in forms:
        _put(out / "coco.json", json.dumps(formats.coco(found), ensure_ascii=False, indent=1) + "\n")
    if "csv" in forms:
        _put(out / "boxes.csv", formats.table(found))
    if "yolo" in forms:
        _put(out / "classes.txt", "".join(f"{name}\n" for name in names))
        numbers = {name: number for number, name in enumerate(names)}
        for record, one in zip(records, found, strict=True):
            stem = record["file"].removesuffix(".boxes.png")
            _put(out / "labels" / f"{stem}.txt", formats.yolo(one, numbers))


def _found(record: Record) -> Found:
    from whylight.localize import Box
    from whylight.localize.formats import Found

    width, height = record["picture_size"]
    return Found(record["picture"], (width, height), [(record["label"], Box(**box)) for box in record["boxes"]])


def _put(path: Path, text: str) -> None:
    with named_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write(text.encode())


def _sentence(record: Record, out: Path) -> str:
    boxes = record["boxes"]
    if not boxes:
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
