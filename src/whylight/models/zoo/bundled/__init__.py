"""The models that ship with whylight, each with its card. Found without torch: the command line asks before that is loaded."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Names of the models.

    >>> names()
    ('face', 'person')
    """
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.safetensors")))


def file_of(name: str) -> Path | None:
    """The weights file of a bundled model; None for any other name."""
    return _FOLDER / f"{name}.safetensors" if name in names() else None
