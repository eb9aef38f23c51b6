"""Where things lie on the disk."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("WHYLIGHT_DATA", ROOT / ".." / "shared" / "data")).resolve()
PHOTO = ROOT / "examples" / "astronaut.jpg"
