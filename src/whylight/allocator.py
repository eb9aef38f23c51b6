"""Keep glibc from giving every large activation back to the system: about a third off each forward on Linux."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def tune_allocator() -> bool:
    """Tell glibc's allocator to keep and reuse large blocks; call it once, early in a process of your own.

    PyTorch's CPU kernels take and free a large block for each layer. By default glibc maps and unmaps each of them, and the
    process pays a page fault for every 4 KiB, every time. whylight's command line calls this for itself; importing whylight
    never changes your process. The price: memory that was once used stays with the process.

    Returns:
        Whether the allocator took the setting: False where the C library is not glibc (macOS, Windows, musl).
    """
    libc = _glibc()
    if libc is None:
        return False
    taken = [libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30), libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)]
    return all(taken)


def give_back() -> None:
    """Give free memory back to the system, where the C library is glibc: what a large picture took, in whichever thread."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "gnu_get_libc_version") else None
