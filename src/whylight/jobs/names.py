"""Where each result goes: one file name for each explanation, never the same for two."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from glob import has_magic
from pathlib import Path

PIPED = re.compile(r"stdin-[0-9a-f]{16}")
LONGEST = 200  # bytes of a file name, well under the 255 that file systems take, temporary suffixes included


def key_of(name: str) -> str:
    """What a picture is known by: its absolute path, or the name of what was piped in, which tells its content."""
    return name if PIPED.fullmatch(name) else os.path.abspath(name)


def root_of(inputs: Sequence[str]) -> str:
    """The folder whose sub-folders the results mirror: the deepest one that holds all inputs."""
    return os.path.commonpath([_root(entry) for entry in inputs])


def _root(entry: str) -> str:
    if os.path.isdir(entry):
        return os.path.abspath(entry)
    path = Path(os.path.abspath(entry))
    if not path.exists():  # a glob: up to its first wildcard
        plain = path.parts
        first = next((i for i, part in enumerate(plain) if has_magic(part)), len(plain) - 1)
        return str(Path(*plain[:first]))
    return str(path.parent)


def stems(pictures: Sequence[Path], root: str) -> dict[str, str]:
    """Absolute path of each picture → its place under the output folder, without method, label and suffix.

    `sub/a.jpg` becomes `sub/a`; where `a.jpg` and `a.png` lie side by side, both keep their suffix: `sub/a.jpg`,
    `sub/a.png`.
    """
    paths = [key_of(str(picture)) for picture in pictures]
    places = {path: path if PIPED.fullmatch(path) else os.path.relpath(path, root) for path in paths}
    # Told apart without case, as some file systems do.
    shared = Counter(os.path.splitext(place)[0].casefold() for place in places.values())
    return {
        path: place if shared[os.path.splitext(place)[0].casefold()] > 1 else os.path.splitext(place)[0]
        for path, place in places.items()
    }


def safe(label: str) -> str:
    """A label as a part of a file name: letters and digits of any script stay, all else becomes one `_`.

    >>> safe("tench, Tinca tinca"), safe("../etc/passwd")
    ('tench_Tinca_tinca', 'etc_passwd')
    """
    return cut(re.sub(r"[^\w\-+]+", "_", label).strip("_"), 80) or "class"


def file_name(stem: str, method: str, label: str, style: str, suffix: str, taken: int = 0) -> str:
    """`<stem>.<method>.<label>[.<style>].<suffix>`; `-2`, `-3`, … follow the label where `taken` others have the name.

    >>> file_name("sub/dog", "gradcam", "tabby, tabby cat", "overlay", "png")
    'sub/dog.gradcam.tabby_tabby_cat.png'
    """
    folder, base = os.path.split(stem)
    view = "" if style == "overlay" else f".{style}"
    tail = f".{safe(method)}.{safe(label)}{f'-{taken + 1}' if taken else ''}{view}.{suffix}"
    return os.path.join(folder, cut(base, LONGEST - len(tail.encode())) + tail)


def grid_name(stem: str, suffix: str, taken: int = 0) -> str:
    """`<stem>.grid.<suffix>`, of the picture in which all maps of one picture are.

    >>> grid_name("sub/dog", "png"), grid_name("dog", "png", 1)
    ('sub/dog.grid.png', 'dog.grid-2.png')
    """
    folder, base = os.path.split(stem)
    tail = f".grid{f'-{taken + 1}' if taken else ''}.{suffix}"
    return os.path.join(folder, cut(base, LONGEST - len(tail)) + tail)


def cut(text: str, most: int) -> str:
    """As many characters of a text as have so many bytes on disk; at least one."""
    kept = text[: max(most, 1)]
    while len(kept) > 1 and len(os.fsencode(kept)) > most:
        kept = kept[:-1]
    return kept
