"""Where pictures and results lie: folders with names that nobody guesses, for the site's owner alone."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from django.conf import settings

from whylight.web.tokens import LENGTH

PICTURE, VIEW = "picture.ppm", "view.jpg"
_NAME = re.compile(rf"[\w-]{{{LENGTH}}}", re.ASCII)


def of_picture(token: str) -> Path:
    """A picture's folder."""
    return _folder("pictures", token)


def of_task(token: str) -> Path:
    """The results folder of a question's job."""
    return _folder("tasks", token)


def made(folder: Path) -> Path:
    """The same folder, made if it is not there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def drop(folder: Path) -> None:
    """Delete a folder with all that is in it; one that is gone already is no matter."""
    shutil.rmtree(folder, ignore_errors=True)


def size(folder: Path) -> int:
    """Bytes in a folder."""
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False))


def all_of(kind: str) -> list[Path]:
    """Every folder of a kind, `pictures` or `tasks`."""
    return [Path(entry.path) for entry in os.scandir(Path(settings.SITE, kind)) if _NAME.fullmatch(entry.name)]


def _folder(kind: str, token: str) -> Path:
    if not _NAME.fullmatch(token):
        raise ValueError(f"no token: {token!r}")
    return Path(settings.SITE, kind, token)
