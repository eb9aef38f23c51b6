"""What is measured on a run's stored model: scores of every picture, the maps' place, their mean, the worst mistakes."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from typing_extensions import TypedDict

from whylight.atomic import named_errors, replacing
from whylight.errors import DataError, TrainError
from whylight.evaluate.boxes import IOUS
from whylight.evaluate.data import read
from whylight.evaluate.findings.boxes import Boxes
from whylight.evaluate.findings.localization import Findings
from whylight.evaluate.localization import Setup
from whylight.evaluate.localization import measure as measure_maps
from whylight.experiment.recipe import Measure
from whylight.images import decode
from whylight.jobs.store import Store
from whylight.jsontext import loads
from whylight.localize.locator import method_named
from whylight.models.model import Model
from whylight.models.zoo.load import load
from whylight.pipeline.explain import explain_each
from whylight.render.overlay import overlay
from whylight.schema import Place, Schema, Text
from whylight.shown import shown
from whylight.train.checkpoint import LAST
from whylight.train.checkpoint import load as load_state
from whylight.train.config import TrainConfig
from whylight.train.data.check import check
from whylight.train.data.folders import Data, Item, find, split
from whylight.train.run import begun

MEASURED, ARRAYS, MISTAKES = "measured.json", "measured.npz", "mistakes"
GRID = 48  # side of the mean maps
EACH = 60  # pictures of a class that the mean map is taken over, at most
THUMB = 200  # side of a mistake's picture, pixels


_Mistake = TypedDict(
    "_Mistake", {"file": Place, "picture": Text, "named": Text, "is": Text, "probability": float, "own": float}
)


class _Measured(TypedDict):
    """What is read again of `measured.json`."""

    asked: dict[str, Any]
    split: str
    classes: list[Text]
    pictures: int
    trained_on: list[int]
    accuracy: float
    localization: dict[str, Any] | None
    method: Text
    mistakes: list[_Mistake]
    rows: list[dict[str, float | None]]
    seconds: float
    flipped: int


_MEASURED = Schema(_Measured)


def measure(run: Path, asked: Measure) -> None:
    """Measure a finished run and leave `measured.json`, `measured.npz` and pictures of mistakes in its folder.

    Raises:
        TrainError, DataError: if the split or the boxes asked for are not there.
    """
    if is_measured(run, asked):
        return
    resolved = begun(run)
    config = TrainConfig.from_dict(resolved["settings"])
    facts = _facts(run, asked)
    model = load(str(run), device=config.device)
    if not isinstance(model, Model):
        raise TrainError(f"{run}: no network of PyTorch's")
    if asked.method == "auto":
        asked = replace(asked, method="gradcam" if model.linear is None else "cam")
    data = _data(config)
    part = ("test" if "test" in data.splits else "val") if asked.split == "auto" else asked.split
    if part not in data.splits:
        raise TrainError(f"measure: split = {asked.split!r}, and {config.data} has no {asked.split}/")
    items = data.splits[part]
    logits = _logits(model, items, config.batch)
    label = torch.tensor([item.label for item in items])
    probability = logits.double().softmax(1)
    where = _localization(model, asked, data, part, run) if asked.boxes is not None else None
    maps, counts = _mean_maps(model, items, asked.method, len(data.classes))
    shown = _mistakes(model, items, probability, asked, run / MISTAKES)
    rows = load_state(run / LAST)["rows"]
    found = {
        "asked": facts,
        "split": part,
        "classes": list(data.classes),
        "pictures": len(items),
        "trained_on": resolved["an epoch"],
        "accuracy": float((probability.argmax(1) == label).double().mean()),
        "localization": where,
        "method": asked.method,
        "mapped": counts,
        "mistakes": shown,
        "rows": rows,
        "seconds": sum(row[name] for row in rows for name in ("seconds", "frozen_seconds", "val_seconds")),
        "flipped": _lines(run / "flips.csv"),
    }
    with io.BytesIO() as file:
        np.savez_compressed(
            file, logits=logits.numpy(), label=label.numpy(), names=np.array([i.name for i in items]), maps=maps
        )
        _write(run / ARRAYS, file.getvalue())
    _write(run / MEASURED, (json.dumps(found, indent=1) + "\n").encode())


def is_measured(run: Path, asked: Measure) -> bool:
    """Whether a run is measured already, and so."""
    try:
        return bool(read_measured(run)["asked"] == _facts(run, asked))
    except (OSError, TrainError):
        return False


def read_measured(run: Path) -> dict[str, Any]:
    """What `measure` left.

    Raises:
        TrainError: if there is nothing, or it was changed.
    """
    try:
        found: dict[str, Any] = loads((run / MEASURED).read_bytes())
    except (OSError, ValueError) as error:
        raise TrainError(f"{shown(run / MEASURED)}: cannot be read ({error}); give the same command again") from error
    if not _MEASURED.fits(found):
        raise TrainError(f"{shown(run / MEASURED)}: was changed; take it away, and it is measured again")
    return found


def _facts(run: Path, asked: Measure) -> dict[str, Any]:
    """What decides the figures of a run besides its model; boxes by their contents."""
    if asked.boxes is None:
        return asdict(asked)
    data = Path(begun(run)["settings"]["data"])
    return {**asdict(asked), "boxes": hashlib.sha256((data / asked.boxes).read_bytes()).hexdigest()}


def _data(config: TrainConfig) -> Data:
    """The run's pictures by split, as it had them; labels as they are on disk."""
    data = find(config.data)
    if not data.given:
        data = split(data, check(data), config.val_share, config.test_share, config.seed)
    return data


def _logits(model: Model, items: list[Item], batch: int) -> Tensor:
    """(N, C), in the order of the items."""
    found = []
    for start in range(0, len(items), batch):
        some = [model.preprocess(decode(item.path)) for item in items[start : start + batch]]
        found.append(model.logits(torch.stack(some)).float().cpu())
    return torch.cat(found)


def _localization(model: Model, asked: Measure, data: Data, part: str, run: Path) -> dict[str, float]:
    """Where the maps of each picture's own class lie, against boxes, in percent: each overlap at its own best threshold."""
    folder = data.root / part if data.given else data.root
    boxes = data.root / str(asked.boxes)
    inside = {item.path for item in data.splits[part]}
    pictures = [one for one in read(folder, boxes, classes=model.classes) if one.path in inside]
    pictures = [one for one in pictures if one.boxes]
    setup = Setup({asked.method: method_named(model, asked.method)})
    with Store(run / "localization", "localization", {"method": asked.method, "split": part}) as store:
        keys = measure_maps(model, pictures, setup, store)
        records = [(one, store.get((*key, asked.method, "true"))) for one, key in zip(pictures, keys, strict=True)]
    found = Findings.of([(one, record) for one, record in records if record is not None])
    if found.largest is None:
        raise DataError(f"measure: {boxes} has no box on a picture of {folder}")
    rates = Boxes(found.largest, found.boxed_pictures).rates()  # by IoU and threshold
    return {
        "boxes": 100 * float(rates[IOUS.index(0.5)].max()),
        "boxes_v2": 100 * float(rates.max(1).mean()),
        "pointing": 100 * float(found.near.mean()),
    }


def _mean_maps(model: Model, items: list[Item], method: str, classes: int) -> tuple[NDArray[np.float32], list[int]]:
    """For each class the mean of its pictures' maps, (C, GRID, GRID) in [0, 1], and of how many."""
    chosen = [item for c in range(classes) for item in [i for i in items if i.label == c][:EACH]]
    sums, counts = np.zeros((classes, GRID, GRID), np.float32), [0] * classes
    for item, (ex,) in zip(
        chosen,
        explain_each(
            model,
            [item.path for item in chosen],
            method=method_named(model, method),
            target=[item.label for item in chosen],
        ),
        strict=True,
    ):
        sums[item.label] += ex.heatmap((GRID, GRID)).numpy()
        counts[item.label] += 1
    return sums / np.maximum(counts, 1)[:, None, None].astype(np.float32), counts


def _mistakes(
    model: Model, items: list[Item], probability: Tensor, asked: Measure, folder: Path
) -> list[dict[str, Any]]:
    """The most confident wrong answers: what the network saw in the picture of the class it named, as files, and the facts."""
    sure, named = probability.max(1)
    wrong = [k for k in sure.argsort(descending=True).tolist() if named[k] != items[k].label][: asked.mistakes]
    found = []
    for place, (k, (ex,)) in enumerate(
        zip(
            wrong,
            explain_each(
                model,
                [items[k].path for k in wrong],
                method=method_named(model, asked.method),
                target=[int(named[k]) for k in wrong],
            ),
            strict=True,
        )
        if wrong
        else ()
    ):
        file = f"{place:02}.jpg"
        picture = ex.picture.copy()
        picture.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
        drawn = overlay(picture, ex.heatmap((picture.height, picture.width)).numpy())
        both = Image.new("RGB", (2 * picture.width + 4, picture.height), "white")
        both.paste(picture, (0, 0))
        both.paste(drawn, (picture.width + 4, 0))
        with io.BytesIO() as stream:
            both.save(stream, "JPEG", quality=88)
            _write(folder / file, stream.getvalue())
        found.append(
            {
                "file": file,
                "picture": items[k].name,
                "is": model.classes[items[k].label],
                "named": model.classes[int(named[k])],
                "probability": float(sure[k]),
                "own": float(probability[k, items[k].label]),
            }
        )
    return found


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with named_errors(path), replacing(path, durable=True) as file:
        file.write(data)
