"""The folder in which the site keeps what it must not lose, and what nobody else may read. No Django here."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from whylight.errors import WhylightError
from whylight.shown import shown

VARIABLE = "WHYLIGHT_SITE"  # of the environment: where the folder is
_PRIVATE = 0o077  # what others may do with it: nothing


def default_folder() -> Path:
    """Where the site's data lie if nobody says otherwise."""
    if named := os.environ.get(VARIABLE):
        return Path(named).absolute()
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(base, "whylight", "site")


def make(folder: Path) -> Path:
    """Make the folder, for its owner alone.

    Raises:
        WhylightError: if it cannot be made, or others may read it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = folder.stat().st_mode
        for name in ("pictures", "tasks"):
            (folder / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise WhylightError(f"--data {shown(folder)}: cannot be used: {error.strerror}; name another folder") from error
    if mode & _PRIVATE:
        raise WhylightError(
            f"--data {shown(folder)}: others may read it (mode {mode & 0o777:o}), and pictures of people will lie in it; "
            f"make it private: chmod 700 {shown(folder)}, or name a folder that is not there yet"
        )
    return folder


def secret(folder: Path) -> str:
    """The key that cookies are signed with: made once, kept in a file that its owner alone may read.

    Where the folder is not there, a key for this process alone.
    """
    file = folder / "secret.key"
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        key = secrets.token_urlsafe(48)
        if not folder.is_dir():
            return key
        new = folder / f".{secrets.token_hex(8)}.part"
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as stream:
            stream.write(key)
        with suppress(FileExistsError):  # another process of ours was quicker
            os.link(new, file)
        new.unlink()
        return file.read_text(encoding="ascii").strip()
