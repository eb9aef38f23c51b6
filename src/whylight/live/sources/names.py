"""What the name of a source means: a camera's number, a video, a picture, a folder, a glob, a list of streams, an address."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from whylight.errors import ImageError, WhylightError
from whylight.images import SUFFIXES
from whylight.live.frame import Source
from whylight.live.sources.pictures import Pictures
from whylight.live.sources.video import Camera, Stream, Video
from whylight.shown import shown

VIDEOS = frozenset(
    {
        *(
            ".avi",
            ".asf",
            ".flv",
            ".m2ts",
            ".m4v",
            ".mkv",
            ".mov",
            ".mp4",
            ".mpeg",
            ".mpg",
            ".mts",
            ".ogv",
            ".ts",
            ".webm",
        ),
        *(".wmv", ".3gp", ".y4m", ".h264", ".hevc", ".mjpeg", ".gif"),
    }
)
_ADDRESS = re.compile(r"(rtsp|rtsps|rtmp|http|https|tcp|udp|srt|lavfi)://|lavfi:", re.IGNORECASE)


def open_source(name: str | int | os.PathLike[str]) -> Source:
    """The source that a name stands for; it is opened by its `with` block.

    Args:
        name: a camera's number (`0`) or device (`/dev/video0`), a video file, a picture, a folder or a glob of pictures (videos
            among them are left out), the address of a stream (`rtsp://`, `http://`, …), or `lavfi:` and a graph of FFmpeg's that
            makes pictures, such as `lavfi:testsrc2`, for a try without a camera. `-` is a video that is piped in.

    Raises:
        WhylightError: naming what is not there.

    >>> open_source("lavfi:testsrc2=duration=1").name
    'lavfi:testsrc2=duration=1'
    """
    found = sources(name)
    if len(found) > 1:
        raise WhylightError(f"{shown(os.fspath(str(name)))}: names {len(found)} streams; open them one by one")
    return found[0]


def sources(name: str | int | os.PathLike[str]) -> list[Source]:
    """All sources that a name stands for: more than one where it is a text file that lists streams, one a line."""
    if isinstance(name, bool):
        raise WhylightError(f"source: expected a camera's number, a path or an address, got {name}")
    text = str(name) if isinstance(name, int) else os.fspath(name)
    if not text or "\0" in text:
        raise WhylightError("source: the name is empty, or holds a null; give a camera's number, a path or an address")
    if text.isdecimal() and not os.path.exists(text):
        return [Camera(int(text))]
    if text == "-":
        return [Video("pipe:0", name="<stdin>")]
    if _ADDRESS.match(text):
        return [Stream(text)]
    if text.startswith("/dev/"):
        return [Camera(text)]
    path = Path(text)
    if path.is_dir():
        return [Pictures([text], name=text)]
    suffix = path.suffix.lower()
    if suffix in (".txt", ".streams") and path.is_file():
        return _listed(path)
    if suffix in VIDEOS and path.exists():
        return [Video(text)]
    if path.exists():
        return [Pictures([text], name=text)] if _is_picture(path) else [Video(text)]
    if glob.has_magic(text):
        return [Pictures([text], name=text)]
    raise WhylightError(
        f"{shown(text)}: there is no such file, folder or stream; give a camera's number, a path or an address"
    )


def _is_picture(path: Path) -> bool:
    from whylight.images import size_of

    try:
        size_of(path)
    except ImageError:
        return path.suffix.lower() in SUFFIXES
    return True


def _listed(path: Path) -> list[Source]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WhylightError(f"{shown(str(path))}: the list of streams cannot be read: {error}") from error
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not names:
        raise WhylightError(f"{shown(str(path))}: names no stream; write one camera, path or address on each line")
    found: list[Source] = []
    for one in names:
        if one.lower().endswith((".txt", ".streams")):
            raise WhylightError(f"{shown(str(path))}: {shown(one)} is a list again; write its streams here")
        found += sources(one)
    return found
