"""Callers, and a question that nobody answers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from whylight.web.keys import making
from whylight.web.pictures import intake
from whylight.web.tasks import asking
from whylight.web.tasks.models import Task
from whylight.web.tasks.questions import Explain


@pytest.fixture
def keyed() -> Callable[[str], Client]:
    """Clients that call with a key of somebody's."""

    def of(owner: str) -> Client:
        secret, _ = making.make(owner, "test")
        return Client(headers={"Authorization": f"Bearer {secret}"})

    return of


@pytest.fixture
def task(home: Path, db: Any, photo: Path) -> Task:
    """A question of mine that nobody answers."""
    picture = intake.take(SimpleUploadedFile("x", photo.read_bytes()), "me", view=False)
    return asking.ask(picture, Explain())
