"""Results without a worker: what a job would have written, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from whylight.web.pictures import intake, store
from whylight.web.pictures.models import Picture
from whylight.web.tasks import asking
from whylight.web.tasks.models import State, Task
from whylight.web.tasks.questions import Explain
from whylight.web.tokens import digest

Made = Callable[..., Task]


@pytest.fixture
def visitor(client: Client) -> Client:
    """A browser that has been here before."""
    from django.core.signing import get_cookie_signer

    client.cookies["whylight"] = get_cookie_signer(salt="whylight").sign("somebody")
    return client


@pytest.fixture
def picture(photo: Path) -> Picture:
    """Of that visitor."""
    return intake.take(SimpleUploadedFile("x", photo.read_bytes()), digest("somebody"), view=True)


@pytest.fixture
def made(picture: Picture) -> Made:
    """A question that is answered: maps of (h, w), the first of class `face`, the second of `no face`."""

    def make(*maps: Any, question: Explain | None = None, **record: Any) -> Task:
        task = asking.ask(picture, question or Explain(target=f"top{len(maps)}"))
        folder = store.made(store.of_task(task.token))
        lines = []
        for place, map_ in enumerate(np.asarray(one, np.float32) for one in maps):
            label = ("face", "no face")[place]
            known = {
                "label": label,
                "target": place,
                "method": task.question["method"],
                "units": "logit",
                "score": 3.0 - place,
            }
            known |= {
                "blank": not map_.max() > 0,
                "flat": "" if map_.max() > 0 else "blank",
                "probability": (0.9, 0.1)[place],
            }
            known |= {
                "diffuse": False,
                "peak_x": 256.0,
                "peak_y": 100.0,
                "width": 512,
                "height": 512,
                "details": {},
                **record,
            }
            Image.new("L", (512, 512), 255 if map_.max() > 0 else 0).save(folder / f"{place}.jpg")
            np.savez(
                folder / f"{place}.map.npz",
                map=map_,
                level=0.0,
                region=[0.0, 0, 512, 512],
                picture="/secret/x.ppm",
                method="m",
            )
            lines.append(json.dumps({**known, "file": f"{place}.jpg", "map": f"{place}.map.npz"}))
        (folder / "explanations.jsonl").write_text("\n".join(lines), "utf-8")
        Task.objects.filter(pk=task.pk).update(state=State.DONE)
        task.refresh_from_db()
        return task

    return make
