"""From a frame's pixels to what is told of it. In the eye alone: this loads torch."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from whylight.allocator import tune_allocator
from whylight.engine import look
from whylight.errors import ModelError
from whylight.explanation.heat import Heat, flatness
from whylight.methods import get
from whylight.models.base import Classifier
from whylight.models.zoo.choice import ModelChoice
from whylight.pipeline.explain import default_method
from whylight.targets import resolve

_MOST = 4  # models that are kept
_TOP = 3  # classes that are told
_FINE = 8  # places a cell, at which the strongest is looked for


class Models:
    """Models by name, each loaded beside the frames of the others."""

    def __init__(self) -> None:
        tune_allocator()
        # Half of the machine at most, and one core of two: the browser and the decoders are often on the same one.
        torch.set_num_threads(max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0)) // 2, 4)))
        self._loader = ThreadPoolExecutor(1, "load")
        self._found: dict[str, Future[Classifier]] = {}

    def get(self, name: str) -> Classifier | None:
        """A model; None: it is being loaded.

        Raises:
            WhylightError: it cannot be.
        """
        if name not in self._found:
            self._found[name] = self._loader.submit(_loaded, name)
        future = self._found[name] = self._found.pop(name)  # the one that was asked last is the last to go
        while len(self._found) > _MOST:
            del self._found[next(iter(self._found))]
        return future.result() if future.done() else None


def _loaded(name: str) -> Classifier:
    model = ModelChoice(name).load()
    see(model, np.zeros((*model.preprocessing.size, 3), np.uint8), None)  # the first time takes longest
    return model


def see(model: Classifier, pixels: NDArray[np.uint8], target: int | None) -> dict[str, Any]:
    """What the model says of a frame, and where it looks for one class.

    Args:
        model: which.
        pixels: (H, W, 3), RGB.
        target: a class's number; None: the surest.

    Returns:
        label, probability, target: of the class that the map is of. top: the surest classes. map: (h, w), as the method gives it,
        nothing rounded. flat: what is wrong with a map that tells of no places, see `Explanation.flat`. limits: the map's values
        that are drawn as nothing and as most. region: which part of the frame the network saw (left, top, right, bottom, as
        shares); span: over which part of that the cells are spread, likewise.

    Raises:
        ModelError: the network overflows on it.
    """
    x = model.preprocess(pixels).unsqueeze(0)  # (1, 3, H', W')
    method = get(default_method(model))
    (seen,) = look(model, x, [method], [resolve(target, model.classes)])
    raw, level = seen.maps[0].cpu(), float(seen.levels[0])
    if not (raw.isfinite().all() and seen.logits.isfinite().all()):
        raise ModelError("the network's numbers overflow on this frame; choose another model")
    height, width = pixels.shape[:2]
    region = model.preprocessing.region((width, height))
    fine = (_FINE * raw.shape[0], _FINE * raw.shape[1])
    heat = Heat(raw, level, region, (width, height), fine, method.scale, seen.span, for_eyes=True)
    probabilities = model.probabilities(seen.logits)[0].cpu()
    assert seen.indices is not None  # a class was asked for, not a function
    index = int(seen.indices[0])
    top = probabilities.topk(min(_TOP, len(probabilities)))
    return {
        "label": model.classes[index],
        "probability": float(probabilities[index]),
        "target": index,
        "score": float(seen.scores[0]),
        "top": [
            {"label": model.classes[one], "target": one, "probability": value}
            for value, one in zip(top.values.tolist(), top.indices.tolist(), strict=True)
        ],
        "map": raw.tolist(),
        "flat": flatness(raw, level),
        "limits": heat.limits,
        "region": [region.x0 / width, region.y0 / height, region.x1 / width, region.y1 / height],
        "span": [seen.span.left, seen.span.top, seen.span.right, seen.span.bottom],
        "method": method.name,
        "units": method.units,
        "width": width,
        "height": height,
    }
