"""`--out res.png`: one result in a file of that name, and no folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from whylight.errors import WhylightError
from whylight.shown import shown

_FORMATS = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".pdf": "pdf", ".svg": "svg"}


def format_of(out: str) -> str | None:
    """The format of the file that an `--out` names; None where it is a folder."""
    return None if os.path.isdir(out) else _FORMATS.get(Path(out).suffix.lower())


def check(out: str, inputs: Sequence[str], targets: Sequence[str], methods: int, *, in_one: bool, html: bool) -> None:
    """Complain where more than one file would be written.

    Raises:
        WhylightError: naming what there is too much of.
    """
    from whylight.targets import parse

    asked = sum(len(parse(text)) for text in targets) or 1
    if len(inputs) != 1 or os.path.isdir(inputs[0]):
        what = f"{len(inputs)} inputs" if len(inputs) != 1 else f"the folder {inputs[0]}"
    elif max(methods, 1) * asked > 1 and not in_one:
        what = f"{max(methods, 1) * asked} maps (--style grid puts them side by side)"
    elif html:
        what = "a page beside it"
    else:
        return
    raise WhylightError(
        f"--out {shown(out)}: one file holds one result, and this asks for {shown(what)}; name a folder"
    )


@contextmanager
def folder_for(out: str) -> Iterator[str]:
    """A folder that results are made in and taken from: a passing one for a single file."""
    if format_of(out) is None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="whylight-") as folder:
        yield folder


def moved(folder: str, record: Mapping[str, Any], to: str) -> dict[str, Any]:
    """Put a result where it was asked for, each file whole or not at all; returns its record with the new names.

    Raises:
        WriteError: if it cannot be written.
    """
    from whylight.jobs.folder import put

    names = {"file": Path(to).name, "map": f"{Path(to).stem}.map.npz"}
    for key, name in names.items():
        if record[key]:
            put(Path(to).parent, name, Path(folder, record[key]).read_bytes())
    return {**record, **{key: name for key, name in names.items() if record[key]}}
