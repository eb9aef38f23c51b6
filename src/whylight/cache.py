"""Where what can be made or fetched again is kept."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "WHYLIGHT_CACHE"


def cache_folder() -> Path:
    """`WHYLIGHT_CACHE`, else the user's own cache."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whylight"
