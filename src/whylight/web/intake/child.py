"""What runs in a child process: decode one upload after another, and be killed rather than cost too much.

At import this loads nothing but the standard library: the number of threads is set before the libraries look for it.
"""

from __future__ import annotations

import ctypes
import io
import math
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from whylight.errors import ImageError
from whylight.web.intake.limits import Limits
from whylight.web.intake.refused import Refused, busy, damaged, not_stored, too_costly

if TYPE_CHECKING:
    from PIL import Image

FRAME = 1.0  # megapixels of a camera's frame
_BYTES = 4  # of memory a pixel, at least
_FILES = 64  # open at a time; a child has about ten
_CPU = 3  # seconds of the processor, in which the clock has long gone off
_KEPT = 2**20  # bytes; a larger block goes back to the system when it is freed, and does not count for the next upload
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_PR_SET_PDEATHSIG = 1

_limits = Limits()


class Upright(NamedTuple):
    """A picture that was taken.

    Attributes:
        width, height: of picture.ppm, in pixels.
        times: how many times smaller its sides are than the upload's; 1, but for very large JPEGs.
        own: the upload's own (width, height), upright.
    """

    width: int
    height: int
    times: int
    own: tuple[int, int]


class Frame(NamedTuple):
    """A camera's frame: `rgb` holds 3 bytes a pixel, row by row from the top."""

    height: int
    width: int
    rgb: bytes


def prepare(limits: Limits, parent: int) -> None:
    """Make this process ready: what it needs is loaded and has run once, then what it may take is limited."""
    global _limits
    _limits = limits
    _die_with(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # Python's own handler would wait for the decoder to come back
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(_M_MMAP_THRESHOLD, _KEPT)
            libc.mallopt(_M_ARENA_MAX, 1)
    _rehearse()
    _confine()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # what the libraries say of a stranger's bytes is for no log
        os.dup2(nowhere, stream)
    os.close(nowhere)


def ready(seconds: float) -> int:
    """Stay busy for so long, so that each child gets one of these; tell the process."""
    time.sleep(seconds)
    return os.getpid()


def upright(start_by: float, data: bytes, picture: str, view: str | None) -> Upright | Refused:
    """Decode an upload and write it down: upright RGB as PPM, and small as JPEG where asked for."""
    from whylight.images import allowing, read

    with _clock(start_by) as late:
        if late:
            return busy()
        try:
            with allowing(_limits.megapixels):
                found = read(data)
            _write(picture, found.picture, "PPM")
            width, height = found.picture.size
            if view is not None:
                found.picture.thumbnail((_limits.side, _limits.side), reducing_gap=2.0)
                _write(view, found.picture, "JPEG", quality=_limits.quality)
        except ImageError as error:
            return _told(error, data, _limits.megapixels)
        except MemoryError:
            return too_costly()
        except OSError:  # the disk is full, the folder is gone: not the sender's fault
            return not_stored()
        return Upright(width, height, found.times, found.size)


def pixels(start_by: float, data: bytes, longest: int) -> Frame | Refused:
    """Decode a camera's frame, made smaller where a side is longer than that."""
    from PIL import Image

    from whylight.images import allowing, read

    with _clock(start_by) as late:
        if late:
            return busy()
        try:
            with allowing(FRAME):
                picture = read(data).picture
            picture.thumbnail((longest, longest), Image.Resampling.BILINEAR, reducing_gap=2.0)
            return Frame(picture.height, picture.width, picture.tobytes())
        except ImageError as error:
            return _told(error, data, FRAME)
        except MemoryError:
            return too_costly()


@contextmanager
def _clock(start_by: float) -> Iterator[bool]:
    """Have this process killed after the time that an upload may take; True where nobody waits for the answer any more."""
    signal.setitimer(signal.ITIMER_REAL, _limits.seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(used.ru_utime + used.ru_stime) + _CPU
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    try:
        yield time.monotonic() > start_by
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _write(path: str, picture: Image.Image, kind: str, **options: int) -> None:
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(number, "wb") as file:
        picture.save(file, kind, **options)


def _told(error: ImageError, data: bytes, megapixels: float) -> Refused:
    """A decoder's reason, for somebody who has neither a command line nor the name of a file."""
    reason = str(error).removeprefix("<bytes>: ").partition(", or allow it:")[0]
    if "damaged or cut short" in reason or "cannot be read: " in reason:
        return too_costly() if _is_costly(data, megapixels) else damaged()
    if "more memory than there is" in reason:
        return too_costly()
    is_large = any(word in reason for word in ("limit", "more than", "far more"))
    return Refused(413 if is_large else 400, f"this picture cannot be taken: {reason}")


def _is_costly(data: bytes, megapixels: float) -> bool:
    """Whether a picture needs more memory than there is: some decoders say that it is damaged where they get none."""
    from whylight.images import allowing, pixels_in

    try:
        with allowing(megapixels):
            return _BYTES * pixels_in(data) > _limits.room() - 2 * len(data)
    except ImageError:
        return False


def _rehearse() -> None:
    """Load and run everything once that an upload will need."""
    import cv2
    from PIL import Image

    from whylight.images import decode

    cv2.setNumThreads(1)
    for kind in ("JPEG", "PNG", "WEBP"):
        file = io.BytesIO()
        Image.new("RGB", (32, 32)).save(file, kind)
        picture = decode(file.getvalue())
    picture.thumbnail((8, 8), reducing_gap=2.0)
    picture.save(io.BytesIO(), "PPM")


def _confine() -> None:
    """Limit what this process may take, for good."""
    limits = {resource.RLIMIT_FSIZE: math.ceil(3e6 * _limits.megapixels) + 2**20, resource.RLIMIT_NOFILE: _FILES}
    limits[resource.RLIMIT_CORE] = 0
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limits[resource.RLIMIT_AS] = pages * resource.getpagesize() + _limits.room()
    for which, most in limits.items():
        hard = resource.getrlimit(which)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (most, most))


def _die_with(parent: int) -> None:
    """Be killed when the parent is gone, however it went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before
        os._exit(1)
