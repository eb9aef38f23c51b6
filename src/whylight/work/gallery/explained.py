"""The page of `explain`: every map over its picture, with what the model said and whether that is right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.jobs.results import Results
from whylight.pages.entries import Fact, Gallery, View
from whylight.pages.thumbs import name_of
from whylight.render import thumbnail as small
from whylight.shown import plural
from whylight.work.exports import holds
from whylight.work.gallery.asked import Asked
from whylight.work.gallery.shelf import Shelf, link
from whylight.work.words import certainty, evidence

if TYPE_CHECKING:
    from whylight.explanation import Explanation
    from whylight.jobs.lines import Record
    from whylight.jobs.session import Session

_NOTHING = {False: "Nothing speaks for it", True: "The map is the same everywhere"}
_TOP = (None, "rank0")  # targets that are what the model answers


class Explained(Shelf):
    """Collects the page of a run of `explain`.

    Args:
        out, root, session: as for `Shelf`.
        settings: of the run.
        aside: settings that change how a result is drawn, not which.
    """

    def __init__(
        self, out: Path, root: str, session: Session, settings: Mapping[str, Any], aside: Collection[str]
    ) -> None:
        super().__init__(out, root, session)
        self._settings, self._aside = settings, aside

    def keep(self, explanation: Explanation, record: Record) -> None:
        """Keep the small pictures of an explanation, while its picture is at hand anyway; threads may."""
        picture = explanation.picture
        self.keep_picture(record, picture)
        if not explanation.is_blank:
            height, width = explanation.map.shape
            heat = explanation.heatmap(small.layer_size(picture.size, (height, width)))
            self.thumbs.keep(
                _heat_of(record), small.layer(heat.numpy(), explanation.colours(self._settings["colormap"]))
            )

    def write_all(self, results: Results, load: Callable[[], Sequence[str]]) -> Path:
        """Write the page of all results that the folder knows and that still hold.

        Args:
            results: of the folder.
            load: gives the classes of the run's model, if they are not known yet.
        """
        records = [record for record in results.records() if holds(record, results.folder)]
        asked = Asked(records, self._aside, self._settings)
        # One of each, whatever it is drawn like.
        newest = {(record["stamp"]["path"], asked.place(record)): record for record in records}
        says = {_model(record): record["label"] for record in newest.values() if record["asked"] in _TOP}
        for (path, place), record in sorted(newest.items()):
            entry = self.entry(path, path, (record["width"], record["height"]), self.picture(record))
            truth = self.truth(record, load if record["settings"].get("model") == self._settings["model"] else None)
            answer = says.get(_model(record))
            right = None if truth is None or answer is None else answer == truth
            entry.truth = entry.truth or truth
            entry.views.append(_view(record, place, self, right))
        self.fail()
        shown = f"{plural(len(newest), 'explanation')} of {plural(len({path for path, _ in newest}), 'picture')}"
        models = ", ".join(dict.fromkeys(str(record["settings"].get("model")) for record in newest.values()))
        strength = small.strength(self._settings["colormap"], self._settings["alpha"])
        title = f"Where “{models or self._settings['model']}” looked"
        return super().write(Gallery(title, shown, asked.questions, self.sorted(), strength))


def _view(record: Record, place: int, shelf: Shelf, right: bool | None) -> View:
    heat, kind, layer = _heat_of(record), "heat", None
    nothing = _NOTHING[record.get("flat") == "constant"] if record["blank"] else ""
    if not record["blank"]:
        if shelf.thumbs.has(heat):
            layer = heat
        elif record["file"].endswith((".pdf", ".svg")):
            nothing = "Drawn as a document: open the file"
        else:  # made without a page in mind: what was drawn serves
            layer, kind = shelf.file(record["file"]), "whole" if record["settings"].get("style") == "panel" else "drawn"
    facts: list[Fact] = [("Score", f"{record['score']:.4g}" if record["score"] is not None else "none")]
    if units := record.get("units"):
        facts.append(("Units of the map", str(units)))
    receipt = record.get("verified")
    receipt = receipt if isinstance(receipt, dict) else {}
    where = evidence(record)
    return View(
        question=place,
        label=record["label"],
        value=record["probability"],
        told=certainty(record),
        sentence=f"{where[:1].upper()}{where[1:]}.",
        file=link(record["file"]),
        layer=layer,
        kind=kind,  # type: ignore[arg-type]  # one of the three
        nothing=nothing,
        right=right,
        receipt=str(receipt.get("sentence", "")),
        holds=receipt.get("holds"),
        facts=tuple(facts),
    )


def _heat_of(record: Record) -> str:
    return name_of("heat", record["stamp"], record["method"], record["asked"], record["settings"])


def _model(record: Record) -> tuple[str, str]:
    """A picture and a model, which gives one answer, however it is explained."""
    about = ("model", "weights", "model_file", "bundled", "pretrained", "classes")
    return record["stamp"]["path"], name_of([record["settings"].get(name) for name in about])
