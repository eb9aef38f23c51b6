"""The page of `face`: every face with the evidence on it, who it is said to be, and the sentence that says why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from whylight.errors import ImageError
from whylight.images import size_of
from whylight.jobs.results import Results
from whylight.pages.entries import Fact, Gallery, View
from whylight.shown import plural, shown
from whylight.work.exports import current
from whylight.work.gallery.asked import Asked
from whylight.work.gallery.shelf import Shelf, link
from whylight.work.words import percent

if TYPE_CHECKING:
    from whylight.jobs.lines import Record

_ALIKE = ("similarity", "pair")  # measures that are no probability
_ASIDE = ("files", "colormap", "language")


class Faced(Shelf):
    """Collects the page of a run of `face`; arguments as for `Shelf`."""

    def write_all(self, results: Results, settings: Mapping[str, Any]) -> Path:
        """Write the page of the latest answers about each photograph that the folder knows and that is as it was."""
        records = current(results)
        asked = Asked(records, _ASIDE, settings)
        faces = 0
        for record in records:
            path = record["stamp"]["path"]
            for result in record["results"]:
                found = result["face"] is not None
                faces += found
                several = f", face {result['number'] + 1} of {result['faces']}" if result["faces"] > 1 else ""
                files = {kind: self._beside(record, file) for kind, file in result["files"].items()}
                crop, blend = files.get("crop"), files.get("blend")
                small = self.file(crop) if crop is not None else self.picture(record)
                size = self._size(self.out / crop if crop is not None else Path(path))
                key = f"{path}\0{result['number']}" if several else path
                entry = self.entry(key, path, size, small, several)
                entry.error = result["message"].removeprefix(f"{shown(result['picture'])}: ")  # as in `fail`
                if found and result["code"] in (0, 6):
                    full = files.get("card") or blend or crop or record["file"]
                    layer = self.file(blend) if crop is not None and blend is not None else None
                    entry.views.append(_view(result, asked.place(record), full, layer))
        self.fail()
        about = f"{plural(faces, 'face')} in {plural(len(records), 'picture')}"
        return self.write(Gallery("Who is it, and why?", about, asked.questions, self.sorted(), ranked="score"))

    def _beside(self, record: Record, file: str) -> str | None:
        """A picture written for a record, wherever the folder lies now; None where it is gone."""
        name = (PurePosixPath(record["file"]).parent / Path(file).name).as_posix()
        return name if (self.out / name).is_file() else None

    @staticmethod
    def _size(path: Path) -> tuple[int, int]:
        try:
            return size_of(path)
        except ImageError:
            return 1, 1


def _view(result: Record, place: int, file: str, layer: str | None) -> View:
    score, features, measure = result.get("score"), result.get("significant"), result.get("measure")
    facts: list[Fact] = []
    if isinstance(features, list) and features:
        facts.append(("Features that count", ", ".join(str(one).replace("_", " ") for one in features)))
    told = "" if not isinstance(score, float) else f"similarity {score:.3g}" if measure in _ALIKE else percent(score)
    stranger = result.get("known") is False and measure in _ALIKE
    return View(
        question=place,
        label="nobody known" if stranger else str(result.get("name") or "face"),
        value=score if isinstance(score, float) else None,
        told=told,
        sentence=result["sentence"] or result["message"],
        file=link(file),
        layer=layer,
        kind="drawn",
        nothing="Nothing speaks for it" if result.get("blank") else "",
        facts=tuple(facts),
    )
