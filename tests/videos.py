"""What ffprobe tells of videos."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any


def probed(path: Path) -> dict[str, Any]:
    """What ffprobe tells of a video, every frame decoded."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", str(path)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))


def times_of(path: Path) -> list[float]:
    """When each frame of a video is to be seen, in seconds, as ffprobe tells it."""
    command = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "frame=pts_time",
        "-of",
        "json",
        str(path),
    ]
    frames = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["frames"]
    return [float(one["pts_time"]) for one in frames]
