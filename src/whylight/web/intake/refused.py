"""The one error that an upload can cause."""

from __future__ import annotations

from whylight.errors import WhylightError


class Refused(WhylightError):
    """An upload that is not taken: a sentence for the person who sent it, and the HTTP status that says the same to a program.

    400: damaged, or no picture. 413: too large, or too costly to decode. 415: of a kind that is not taken. 503: the site's own
    trouble, where the same upload may be taken later.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[type[Refused], tuple[int, str]]:
        return type(self), (
            self.status,
            str(self),
        )  # an exception is unpickled from `args`, which hold the message alone


# Made anew each time: an error that is raised again holds on to all that raised it before, uploads among it.


def damaged() -> Refused:
    """The picture is broken, or made its decoder fall over."""
    return Refused(400, "this picture is damaged or cut short; export it again, or send another")


def too_costly() -> Refused:
    """There is not enough memory for it."""
    return Refused(
        413, "reading this picture takes more memory than a picture may; make it smaller, or save it as baseline JPEG"
    )


def too_slow() -> Refused:
    """It is not read in time. Not 408, upon which browsers send the same again."""
    return Refused(413, "reading this picture takes too long; make it smaller, or save it again as JPEG or PNG")


def busy() -> Refused:
    """No child was free in time."""
    return Refused(503, "the site is busy; try again in a few seconds")


def not_stored() -> Refused:
    """The disk is full, or the folder is gone: not the sender's fault."""
    return Refused(503, "the picture could not be stored just now; try again in a minute")
