"""A video that browsers play: H.264 in MP4, with the times of the frames, and the sound of where they come from."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from whylight.errors import WriteError
from whylight.live.missing import av
from whylight.shown import shown

_CLOCK = Fraction(1, 90_000)  # of the file's time stamps, in seconds
_COPIED = frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})  # sound that MP4 takes as it is
_KINDS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
# Whole pieces, one after another, so that what was written plays wherever it ends; where it ends well, one index for all.
_PIECES = "hybrid_fragmented+frag_keyframe+empty_moov+default_base_moof"


class VideoFile:
    """Writes frames to a file; used in a `with` block.

    Args:
        path: ends in `.mp4` (or `.mov`, `.mkv`).
        rate: frames a second, about; each frame has a time of its own all the same.
        sound: a video whose sound is kept, from its start; None: none.
        quick: for what is shown meanwhile: encode as fast as it goes, at some cost in size.

    Raises:
        WriteError: it cannot be written. What was written before that plays.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, rate: float | None = None, sound: str | None = None, quick: bool = False
    ) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() not in _KINDS:
            raise WriteError(f"{shown(str(path))}: a video is written as .mp4, .mov or .mkv; name one of these")
        self._rate, self._sound_of, self._quick = rate, sound, quick
        self._file: Any = None
        self._stream: Any = None
        self._sound: Iterator[tuple[float, Any]] | None = None
        self._next: tuple[float, Any] | None = None
        self._size = (0, 0)
        self._last = -1

    def __enter__(self) -> Self:
        with self._blaming():
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._reformatter = av().video.reformatter.VideoReformatter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is None:  # not a single frame: what was there before stays
            return
        try:
            with self._blaming():
                self._file.mux(self._stream.encode(None))
                self._write_sound(float("inf") if error is None else self._last * float(_CLOCK))
                self._file.close()
                self._disk.close()
        except WriteError:
            if error is None:
                raise

    def write(self, pixels: NDArray[np.uint8], time: float) -> None:
        """Write a frame, (H, W, 3) uint8 RGB, that is to be seen from a time on, in seconds since the first."""
        if self._stream is None:
            self._begin(pixels)
        height, width = pixels.shape[:2]
        if (width, height) != self._size:  # the source has changed its size: the video cannot
            pixels = _fitted(pixels, self._size)
        frame = av().VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        stream = self._stream
        frame = self._reformatter.reformat(
            frame, stream.width, stream.height, "yuv420p", src_colorspace="ITU709", dst_colorspace="ITU709"
        )
        self._last = max(round(time / _CLOCK), self._last + 1)  # two frames never share a time
        frame.pts, frame.time_base = self._last, _CLOCK
        with self._blaming():
            self._file.mux(stream.encode(frame))
            self._write_sound(time)
            self._disk.check()

    def _begin(self, pixels: NDArray[np.uint8]) -> None:
        with self._blaming():
            self._disk = _Disk(self.path)
            kind = _KINDS[self.path.suffix.lower()]
            self._file = av().open(
                self._disk, "w", format=kind, options={} if kind == "matroska" else {"movflags": _PIECES}
            )
        height, width = pixels.shape[:2]
        self._size = (width, height)
        rate = Fraction(self._rate or 25.0).limit_denominator(1001)
        stream = self._file.add_stream("libx264", rate=rate)
        stream.width, stream.height = width + width % 2, height + height % 2  # colours are kept for each 2 × 2
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = _CLOCK
        stream.options = {"preset": "superfast" if self._quick else "veryfast", "crf": "21", "bf": "0"}
        stream.codec_context.gop_size = max(1, round(2 * float(rate)))  # a piece every two seconds
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = (
            1  # BT.709
        )
        stream.codec_context.color_range = 1
        self._stream = stream
        if self._sound_of is not None:
            self._sound = _sound(self._sound_of, self._file)
            self._next = next(self._sound, None)

    def _write_sound(self, until: float) -> None:
        while self._next is not None and self._next[0] <= until:
            assert self._sound is not None
            self._file.mux(self._next[1])
            self._next = next(self._sound, None)

    def _blaming(self) -> _Blaming:
        return _Blaming(self.path)


class _Disk:
    """The file, for FFmpeg to write to. An error of the system is kept, and what comes after it is let go: FFmpeg's writer may
    crash where a write fails, and what is there so far plays only as long as nothing else is written.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115  # closed by `close`
        self._error: OSError | None = None
        self._place = self._end = 0

    def write(self, data: bytes) -> int:
        """Write all of it at the place where it belongs."""
        if self._error is None:
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error = error
        self._place += len(data)
        self._end = max(self._end, self._place)
        return len(data)

    def read(self, count: int = -1) -> bytes:
        """Read again what was written."""
        data = self._file.read(count)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._place = (0, self._place, self._end)[whence] + offset
        if self._error is None:
            self._file.seek(self._place)
        return self._place

    def tell(self) -> int:
        """Where the next byte goes."""
        return self._place

    def check(self) -> None:
        """Raise what went wrong so far."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Close the file, and raise what went wrong; FFmpeg calls it, and so do we."""
        self._file.close()
        self.check()


class _Blaming:
    """Makes of what FFmpeg and the system say an error that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError | av().error.FFmpegError):
            full = getattr(error, "errno", None) == errno.ENOSPC
            why = "the disk is full" if full else str(getattr(error, "strerror", None) or error).lower()
            raise WriteError(
                f"{shown(str(self._path))}: cannot be written: {why}; what is there so far plays"
            ) from error


def _sound(path: str, out: Any) -> Iterator[tuple[float, Any]]:
    """The packets of a file's sound with their times in seconds, for another file: copied where that takes them, else as AAC."""
    try:
        source = av().open(path, metadata_errors="replace")
    except av().error.FFmpegError:  # whoever reads its pictures says why
        return
    with source:
        if not source.streams.audio:
            return
        heard = source.streams.audio[0]
        start = _start(source)
        if heard.codec_context.name in _COPIED:
            track = out.add_stream_from_template(heard)
            for packet in source.demux(heard):
                if packet.dts is not None:
                    shift = round(start / packet.time_base)
                    packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                    if packet.dts < 0:  # what a codec begins with before the first sound; it would move the pictures
                        continue
                    packet.stream = track
                    yield float(packet.dts * packet.time_base), packet
            return
        track = out.add_stream("aac", rate=heard.rate or 48_000)
        for frame in chain(source.decode(heard), [None]):
            for packet in track.encode(frame):
                if packet.dts >= 0:
                    yield float(packet.dts * packet.time_base), packet


def _start(source: Any) -> Fraction:
    """When the first picture is to be seen, in seconds: sound is told from there."""
    picture = next(iter(source.streams.video), None)
    if picture is None or picture.start_time is None:
        return Fraction(0)
    return Fraction(picture.start_time * picture.time_base)


def _fitted(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """All of a picture in the middle of another size, black around it."""
    height, width = pixels.shape[:2]
    part = min(size[0] / width, size[1] / height)
    inner = max(1, round(width * part)), max(1, round(height * part))
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = cv2.resize(pixels, inner, interpolation=cv2.INTER_AREA)
    return whole
