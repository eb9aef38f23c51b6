"""A gallery as one HTML file that loads nothing from anywhere: facts, small pictures, and the script that shows them."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from whylight.atomic import named_errors, replacing
from whylight.errors import WhylightError
from whylight.jobs.folder import place_in
from whylight.jsontext import dumps
from whylight.pages.entries import Gallery
from whylight.pages.thumbs import Thumbs
from whylight.shown import html, shown

NAME = "index.html"
_OURS = '<meta name="generator" content="whylight">'
_HEAD = 2000  # bytes of a page in which that stands


def check_place(folder: Path) -> None:
    """Complain about a page in a results folder that somebody else wrote.

    Raises:
        WhylightError: naming it.
    """
    path = folder / NAME
    if path.is_symlink() or not path.is_file():
        return
    try:
        with path.open("rb") as file:
            ours = _OURS.encode() in file.read(_HEAD)
    except OSError as error:
        raise WhylightError(f"--html: {shown(path)}: cannot be read: {error.strerror}") from error
    if not ours:
        raise WhylightError(f"--html: {shown(path)} is not a page of whylight's; move it, or choose another --out")


def write(gallery: Gallery, folder: Path, thumbs: Thumbs) -> Path:
    """Write the page into a results folder, whole or not at all; a picture at a time, however many there are.

    Raises:
        WriteError: if it cannot be written.
    """
    path = place_in(folder, NAME)
    with named_errors(shown(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            for part in _parts(gallery, thumbs):
                file.write(part.encode())
    return path


def _parts(gallery: Gallery, thumbs: Thumbs) -> Iterator[str]:
    places: dict[str, int] = {}  # of the small pictures, in the order in which the page first shows them
    for entry in gallery.entries:
        for name in (entry.picture, *(view.layer for view in entry.views)):
            if name is not None and thumbs.has(name):
                places.setdefault(name, len(places))
    script = _piece("gallery.js") + _piece("large.js")
    known = {
        "style": _piece("look/base.css") + _piece("gallery.css"),
        "script": script,
        "hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "generator": _OURS,
        "title": html(gallery.title),
        "about": html(gallery.about),
        "overlay": html(gallery.overlay),
        "ranked": html(gallery.ranked),
        "data": _inert(dumps(_values(gallery, places), compact=True)),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: known[found[1]], _piece("gallery.html"))
    before, after = page.split("<!-- pictures -->")
    yield before
    # Text that no browser runs or reads: each picture is taken out when it comes into sight, and only then decoded.
    for name, place in places.items():
        data = thumbs.get(name) or b""
        yield f'<script type="text/plain" id="t{place}">{base64.b64encode(data).decode()}</script>\n'
    yield after


def _values(gallery: Gallery, places: dict[str, int]) -> dict[str, Any]:
    """What the script reads: all text as one can look at it, thumbnails by their places, and nothing that says nothing."""
    entries = []
    for entry in gallery.entries:
        views = [
            {**asdict(view), "layer": None if view.layer is None else places.get(view.layer)} for view in entry.views
        ]
        picture = None if entry.picture is None else places.get(entry.picture)
        entries.append(_short({**asdict(entry), "picture": picture, "views": [_short(view) for view in views]}))
    questions = [_short(asdict(question)) for question in gallery.questions]
    return {"entries": entries, "questions": questions, "strength": gallery.strength}


def _short(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _shown(value) for name, value in values.items() if value not in (None, "", (), [])}


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, float):
        return float(f"{value:.6g}")
    return [_shown(one) for one in value] if isinstance(value, list | tuple) else value


def _inert(text: str) -> str:
    """JSON in which no browser finds the end of the script that it stands in, nor any other mark."""
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _piece(name: str) -> str:
    return files("whylight.pages").joinpath(name).read_text(encoding="utf-8")
