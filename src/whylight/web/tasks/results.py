"""What a question's job has written, as pages and the API tell it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from whylight.web.pictures import store
from whylight.web.said import Said
from whylight.web.tasks.models import State, Task
from whylight.work.words import certainty, evidence, found

_LINES = {"explain": "explanations.jsonl", "locate": "boxes.jsonl", "face": "faces.jsonl"}


@dataclass(frozen=True)
class Result:
    """The answer to one question.

    Attributes:
        task: the question.
        records: lines of the job's results: one for each target of an explanation, else one.
        folder: where their files lie.
    """

    task: Task
    records: list[dict[str, Any]]
    folder: Path

    @property
    def first(self) -> dict[str, Any]:
        """The answer, where there is one; of several targets the first."""
        return self.records[0]

    def map_of(self, place: int = 0) -> list[list[float]]:
        """The raw map (h, w) of an explanation, every float32 as it is."""
        with np.load(self.folder / self.records[place]["map"]) as archive:
            rows: list[list[float]] = archive["map"].tolist()
        return rows

    def region_of(self, place: int = 0) -> tuple[list[float], list[float] | None, float]:
        """Which part of the picture the network saw, over which share of it the cells lie, and which value means no evidence."""
        with np.load(self.folder / self.records[place]["map"]) as archive:
            span = archive["span"].tolist() if "span" in archive else None
            return archive["region"].tolist(), span, float(archive["level"])

    def peak_of(self, place: int = 0) -> list[float] | None:
        """Centre (x, y) of the map's highest cell, in pixels of the picture; None where the map is flat."""
        with np.load(self.folder / self.records[place]["map"]) as archive:
            return archive["peak"].tolist() if "peak" in archive else None

    @property
    def words(self) -> str:
        """The answer in words."""
        record = self.first
        if self.task.kind == "explain":
            return self.told()
        if self.task.kind == "locate":
            return found(record) + "."
        return " ".join(one["sentence"] or one["message"] for one in record["results"])

    def told(self, place: int = 0) -> str:
        """One explanation in words."""
        record = self.records[place]
        return f"{record['label']} ({certainty(record)}): {evidence(record)}."

    def dict_of(self, place: int = 0) -> dict[str, Any]:
        """One explanation as `Explanation.to_dict` tells it, without where the site keeps its files."""
        record = self.records[place]
        with np.load(self.folder / record["map"]) as archive:
            facts = {name: archive[name].tolist() for name in archive.files if name not in ("picture", "model")}
        return {
            "method": facts.pop("method"),
            "model": self.task.question.get("model", ""),
            "target": None,
            **facts,
            "probability": record["probability"],
            "peak": facts.get("peak"),
            "details": record["details"],
            "map": facts["map"],
        }

    def heat_of(self, place: int = 0) -> Path:
        """The picture of the heat alone, grey, as large as the picture."""
        path = Path(self.folder, self.records[place]["file"])
        if not path.is_file():
            raise Said(404, "the result is gone; ask again")
        return path

    def files(self) -> dict[str, Path]:
        """The pictures that were written, by name."""
        return {path.name: path for path in self.folder.rglob("*") if path.suffix in (".jpg", ".png", ".webp")}


def read(task: Task) -> Result:
    """The answer to a question that is done.

    Raises:
        Said: it is not done, or its files are gone.
    """
    if task.state != State.DONE:
        raise Said(409, f"there is no answer: the question is {task.get_state_display()}")
    folder = store.of_task(task.token)
    try:
        text = (folder / _LINES[task.kind]).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Said(404, "the result is gone; ask again") from None
    here = json.dumps(str(store.of_picture(task.picture_id) / store.PICTURE))[1:-1]
    lines = text.replace(here, "the picture").splitlines()  # nobody needs to know where the site keeps its files
    return Result(task, [json.loads(line) for line in lines], folder)
