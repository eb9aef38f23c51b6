"""The page of `locate`: the boxes over each picture, and the class they were looked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.jobs.results import Results
from whylight.pages.entries import Gallery, View
from whylight.shown import plural
from whylight.work.exports import current
from whylight.work.gallery.asked import Asked
from whylight.work.gallery.shelf import Shelf, link
from whylight.work.words import found, percent

if TYPE_CHECKING:
    from whylight.jobs.lines import Record


class Located(Shelf):
    """Collects the page of a run of `locate`; arguments as for `Shelf`."""

    def write_all(self, results: Results, settings: Mapping[str, Any], load: Callable[[], Sequence[str]]) -> Path:
        """Write the page of the latest boxes of each picture that the folder knows and that is as it was.

        Args:
            results: of the folder.
            settings: of the run.
            load: gives the classes of its model, if they are not known yet.
        """
        records = current(results)
        asked = Asked(records, ("strips", "target"), settings)
        for record in records:
            width, height = record["picture_size"]
            path = record["stamp"]["path"]
            entry = self.entry(path, path, (width, height), self.picture(record))
            entry.truth = self.truth(record, load if record["settings"].get("model") == settings["model"] else None)
            right = None if entry.truth is None or record["asked"] is not None else entry.truth == record["label"]
            entry.views.append(_view(record, asked.place(record), right))
        self.fail()
        boxes = sum(len(record["boxes"]) for record in records)
        about = f"{boxes:,} {'box' if boxes == 1 else 'boxes'} in {plural(len(records), 'picture')}"
        title = f"What “{settings['model']}” found"
        return self.write(Gallery(title, about, asked.questions, self.sorted(), overlay="Boxes"))


def _view(record: Record, place: int, right: bool | None) -> View:
    width, height = record["picture_size"]
    sure, boxes = record["steps"][0]["probability_before"] if record["steps"] else None, record["boxes"]
    told = found(record)
    count = "nothing" if not boxes else f"{len(boxes)} {'box' if len(boxes) == 1 else 'boxes'}"
    return View(
        question=place,
        label=record["label"],
        value=sure,
        told=count + (f", {percent(sure)}" if sure is not None else ""),
        sentence=f"{told[:1].upper()}{told[1:]}.",
        file=link(record["file"]),
        boxes=tuple((box["x0"] / width, box["y0"] / height, box["x1"] / width, box["y1"] / height) for box in boxes),
        nothing="" if boxes else f"No box: {record['stopped']}",
        right=right,
        facts=(
            ("Stopped", record["stopped"]),
            *((("Maps by", str(record["map_method"])),) if record.get("map_method") else ()),
        ),
    )
