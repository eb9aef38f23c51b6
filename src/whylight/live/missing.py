"""PyAV, where it is installed."""

from __future__ import annotations

from types import ModuleType

from whylight.errors import WhylightError


def av() -> ModuleType:
    """The package `av`.

    Raises:
        WhylightError: it is not there.
    """
    try:
        import av
        import av.error
        import av.video.reformatter
    except ModuleNotFoundError as error:
        raise WhylightError(
            "video: the package av is missing; install the extra: pip install 'whylight[video]'"
        ) from error
    return av
