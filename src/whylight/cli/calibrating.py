"""Carry `whylight calibrate` out: choose the threshold, and store it with the model."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from whylight.cli.evaluating import Question, loaded, open_run
from whylight.errors import DataError, ModelError, WhylightError
from whylight.progress import bars

if TYPE_CHECKING:
    from whylight.engine import Precision
    from whylight.models.base import Classifier


def calibrate(
    question: Question,
    iou: float,
    save_as: Path | None,
    out: Path | None,
    *,
    json_to: str | None,
    batch_size: int | None,
) -> bool:
    """Choose one threshold on annotated pictures and store it; returns whether every picture could be measured."""
    from whylight.evaluate.calibration import calibrate as choose
    from whylight.evaluate.findings.localization import Findings
    from whylight.evaluate.localization import Setup, measure
    from whylight.jobs.store import Store

    (name,) = _one(list(question.chosen))
    file = room_for(question.source.name, save_as)
    with ExitStack() as stack:
        kept = out or Path(stack.enter_context(tempfile.TemporaryDirectory())) / "pictures"
        output, errors = stack.enter_context(open_run(kept, json_to))
        model, pictures = loaded(question)
        pictures = [one for one in pictures if one.label is not None and one.boxes]
        if not pictures:
            raise DataError("there are no boxes to choose a threshold by; give --boxes CSV")
        store = stack.enter_context(Store(kept, "localization", question.settings()))
        methods = question.made(model)
        with bars(len(pictures), question.source.name, slow=methods[name].is_slow) as bar:
            keys = measure(
                model,
                pictures,
                Setup(methods, rules=question.rules),
                store,
                batch_size=batch_size,
                precision=cast("Precision", question.source.precision),
                on_error=errors.add,
                bar=bar,
            )
        found = [(one, store.get((*key, name, "true"))) for one, key in zip(pictures, keys, strict=True)]
        findings = Findings.of([(one, record) for one, record in found if record is not None])
        if findings.largest is None:
            raise DataError("no picture could be measured; see the errors")
        chosen = choose(findings.largest, iou, findings.boxed_pictures)
        stored = {
            "threshold": chosen.choice.threshold,
            "method": name,
            "iou": iou,
            "pictures": findings.files,
            "accuracy": round(chosen.accuracy.mean, 4),
            "layer": question.source.layer,
            "options": question.chosen[name],
            "around": question.around.settings(),
        }
        _store(model, question, file, stored)
        output.put({**stored, **chosen.to_dict(), "file": os.fspath(file)})
        output.say(chosen.words(name, iou))
        nothing = sum(findings.flat.values())
        if nothing:
            output.say(f"{nothing} of {len(findings)} maps show nothing and have no box at any threshold")
        output.say(f"stored in {file}")
    return not errors.found


def room_for(name: str, save_as: Path | None) -> Path:
    """The file that a model's threshold can be written to.

    Raises:
        ModelError: if there is none, with what to do.
    """
    from whylight.models.zoo.bundled import file_of
    from whylight.models.zoo.load import own_file

    if name.lower().endswith(".onnx"):
        raise ModelError(
            f"{name}: an ONNX file has no room for a threshold. whylight evaluate localization prints the best one; hand it on "
            "with --threshold"
        )
    if save_as is not None:
        if save_as.suffix != ".safetensors":
            raise ModelError(f"--save-as {save_as}: the file must be called ….safetensors")
        if save_as.exists():
            raise ModelError(f"--save-as {save_as}: there is such a file already; choose another name")
        return save_as
    if file_of(name) is not None:
        raise ModelError(
            f"{name} is bundled with whylight, and stays as it is: --save-as FILE.safetensors makes a copy with a threshold"
        )
    file = own_file(name)
    if file is None:
        raise ModelError(
            f"{name} is not a file of yours: --save-as FILE.safetensors makes one of it, with the threshold, for --model"
        )
    if not (os.access(file, os.W_OK) and os.access(file.resolve().parent, os.W_OK)):
        raise ModelError(
            f"{file}: no permission to write there: --save-as FILE.safetensors makes a copy with the threshold"
        )
    return file


def _store(model: Classifier, question: Question, file: Path, stored: dict[str, Any]) -> None:
    """Write the threshold into the model's own file, or a copy of it, or a first file of a zoo's model."""
    from whylight.models.model import Model
    from whylight.models.zoo.files import ModelSpec, save_weights, store_localization
    from whylight.models.zoo.load import own_file

    source = own_file(question.source.name)
    if source is not None:
        store_localization(source, stored, file)
        return
    if question.source.name.startswith("hf-hub:") or not isinstance(model, Model):
        raise ModelError(f"{question.source.name}: only timm and torchvision networks can be written to a file of ours")
    spec = ModelSpec(question.source.name, model.classes, model.preprocessing, localization=stored)
    save_weights(file, model.module, spec)


def _one(names: list[str]) -> list[str]:
    if len(names) != 1:
        raise WhylightError(f"--method {','.join(names)}: a threshold is chosen for one method; name one")
    return names
