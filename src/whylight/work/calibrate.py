"""Calibrate: one threshold for all pictures, chosen on annotated ones and stored with the model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from whylight.errors import DataError, ModelError, WhylightError
from whylight.jobs.folder import alone_beside
from whylight.jobs.job import Job
from whylight.jobs.session import Session
from whylight.schema import Text
from whylight.shown import shown
from whylight.work.asked import read_part
from whylight.work.evaluation import Evaluation, MethodQuestions
from whylight.work.wrapping import Wrapping

if TYPE_CHECKING:
    from whylight.models.base import Classifier


@dataclass(frozen=True)
class Settings(Wrapping):
    """What boxes are held against, and where the threshold goes.

    Attributes:
        boxes, label: the annotations, and the class that everything annotated is.
        iou: from which overlap on a box is right.
        save_as: a copy of the model to be written, rather than its own file.
    """

    boxes: Text | None = None
    label: Text | None = None
    iou: float = 0.5
    save_as: Text | None = None


class Calibrated(NamedTuple):
    """What was chosen: as it is stored with the model, with what speaks for it, and the same in lines of words."""

    stored: dict[str, Any]
    figures: dict[str, Any]
    file: Path
    words: list[str]


class Calibrate(Evaluation):
    """The kind `calibrate`."""

    def __init__(self, job: Job) -> None:
        self.how = read_part(job, "settings", Settings)
        if not 0 < self.how.iou <= 1:
            raise WhylightError(f"--iou {self.how.iou:g}: expected an overlap above 0, up to 1")
        super().__init__(job, read_part(job, "questions", MethodQuestions), self.how, default="locate")
        if len(self.chosen) != 1:
            raise WhylightError(f"--method {','.join(self.chosen)}: a threshold is chosen for one method; name one")
        self.file = room_for(self.choice.name, None if self.how.save_as is None else Path(self.how.save_as))

    def run(self, session: Session) -> Calibrated:
        """Measure what is missing, choose, and store."""
        from whylight.evaluate.calibration import calibrate
        from whylight.evaluate.findings.localization import Findings
        from whylight.evaluate.localization import RECORD, Setup, measure
        from whylight.evaluate.maps import Rules
        from whylight.jobs.store import Store

        ((name, options),) = self.chosen.items()
        with _kept(session.folder) as folder, alone_beside(self.file, session.folder):
            model, pictures = self.loaded(self.how.label, self.how.boxes)
            pictures = [one for one in pictures if one.label is not None and one.boxes]
            if not pictures:
                raise DataError("there are no boxes to choose a threshold by; give --boxes CSV")
            with Store(
                folder, "localization", self.settings(Rules()._asdict()), overwrite=session.overwrite, schema=RECORD
            ) as store:
                store.before_first = session.begin
                keys = measure(model, pictures, Setup(self.made(model)), store, **self.asking(session))
                found = [(one, store.get((*key, name, "true"))) for one, key in zip(pictures, keys, strict=True)]
            findings = Findings.of([(one, record) for one, record in found if record is not None])
            if findings.largest is None:
                raise DataError("no picture could be measured; see the errors")
            chosen = calibrate(findings.largest, self.how.iou, findings.boxed_pictures)
            stored = {
                "threshold": chosen.choice.threshold,
                "method": name,
                "iou": self.how.iou,
                "pictures": findings.files,
                "accuracy": round(chosen.accuracy.mean, 4),
                "layer": self.choice.layer,
                "options": options,
                "around": self.wrapping.wrapped(),
            }
            self._store(model, stored)
        words = chosen.words(name, self.how.iou).split("\n")
        if nothing := sum(findings.flat.values()):
            words.append(f"{nothing} of {len(findings)} maps show nothing and have no box at any threshold")
        return Calibrated(stored, chosen.to_dict(), self.file, [*words, f"stored in {self.file}"])

    def _store(self, model: Classifier, stored: dict[str, Any]) -> None:
        """Write the threshold into the model's own file, or a copy of it, or a first file of a zoo's model."""
        from whylight.models.model import Model
        from whylight.models.zoo.files import ModelSpec, save_weights, store_localization
        from whylight.models.zoo.load import own_file

        source = own_file(self.choice.name)
        if source is not None:
            store_localization(source, stored, self.file)
            return
        if self.choice.name.startswith("hf-hub:") or not isinstance(model, Model):
            raise ModelError(f"{self.choice.name}: only timm and torchvision networks can be written to a file of ours")
        save_weights(
            self.file,
            model.module,
            ModelSpec(self.choice.name, model.classes, model.preprocessing, localization=stored),
        )


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    """Where measurements are kept: the results folder, or one that is gone at the end."""
    if folder is not None:
        yield folder
    else:
        with tempfile.TemporaryDirectory() as gone:
            yield Path(gone) / "pictures"


def room_for(name: str, save_as: Path | None) -> Path:
    """The file that a model's threshold can be written to.

    Raises:
        ModelError: if there is none, with what to do.
    """
    from whylight.models.zoo.bundled import file_of
    from whylight.models.zoo.load import own_file

    told = shown(name)
    if name.lower().endswith((".onnx", ".xml")):
        raise ModelError(
            f"{told}: a graph has no room for a threshold. whylight evaluate localization prints the best one; hand it on "
            "with --threshold"
        )
    if save_as is not None:
        if save_as.suffix != ".safetensors":
            raise ModelError(f"--save-as {shown(save_as)}: the file must be called ….safetensors")
        if save_as.exists():
            raise ModelError(f"--save-as {shown(save_as)}: there is such a file already; choose another name")
        return save_as
    if file_of(name) is not None:
        raise ModelError(
            f"{told} is bundled with whylight, and stays as it is: --save-as FILE.safetensors makes a copy with a threshold"
        )
    file = own_file(name)
    if file is None:
        raise ModelError(
            f"{told} is not a file of yours: --save-as FILE.safetensors makes one of it, with the threshold, for --model"
        )
    if not (os.access(file, os.W_OK) and os.access(file.resolve().parent, os.W_OK)):
        raise ModelError(
            f"{shown(file)}: no permission to write there: --save-as FILE.safetensors makes a copy with the threshold"
        )
    return file
