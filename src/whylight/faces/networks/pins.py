"""Remember which file of weights was used first, and say so when it is another one now.

The weights of VGG-Face come from elsewhere; what can be checked is that a file stays what it was. Its SHA-256 is written down at
its first use, in the user's own folder (not beside the weights, where whoever replaces them could replace it as well):
`$XDG_CONFIG_HOME/whylight/weights.json`, by default under `~/.config`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import warnings
from pathlib import Path

from whylight.atomic import replacing
from whylight.errors import ModelError, WhylightWarning
from whylight.jsontext import dumps, loads


def pins_file() -> Path:
    """Where the checksums are kept."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "whylight" / "weights.json"


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hexadecimal.

    Raises:
        ModelError: if it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error


def check_pin(path: str | os.PathLike[str]) -> str:
    """Compare a file with what it was at its first use, where it had one; return its SHA-256.

    Raises:
        ModelError: if it has changed, or the list of checksums is damaged.
    """
    now = sha256(path)
    before = _read().get(str(Path(path).resolve()))
    if before is not None and before.get("sha256") != now:
        raise ModelError(
            f"{path}: the file has changed: its SHA-256 was {before.get('sha256')} when it was first used "
            f"({before.get('first_used')}), and is {now} now. If you replaced it yourself, forget the old one "
            f"(whylight.faces.networks.pins.forget_pin, or take its entry out of {pins_file()}); if not, do not use it"
        )
    return now


def keep_pin(path: str | os.PathLike[str], checksum: str) -> None:
    """Write down a file's SHA-256, if this is its first use: once it is known to be what it should."""
    key, pins = str(Path(path).resolve()), _read()
    if key not in pins:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        _write({**pins, key: {"sha256": checksum, "first_used": today}})


def forget_pin(path: str | os.PathLike[str]) -> bool:
    """Forget the checksum of a file, so that its next use is the first; return whether there was one."""
    pins = _read()
    known = pins.pop(str(Path(path).resolve()), None) is not None
    if known:
        _write(pins)
    return known


def _read() -> dict[str, dict[str, str]]:
    file = pins_file()
    try:
        pins = loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"{file}: the checksums of weights cannot be read ({error}); mend or remove it") from error
    if not isinstance(pins, dict) or not all(isinstance(pin, dict) for pin in pins.values()):
        raise ModelError(f"{file}: not the checksums of weights; mend or remove it")
    return pins


def _write(pins: dict[str, dict[str, str]]) -> None:
    file = pins_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as new:
            new.write(dumps(pins, indent=1).encode())
    except OSError as error:  # a home that cannot be written is no reason not to work
        warnings.warn(
            f"{file}: cannot be written ({error.strerror or error}), so a change of the weights will not be noticed",
            WhylightWarning,
            stacklevel=4,
        )
