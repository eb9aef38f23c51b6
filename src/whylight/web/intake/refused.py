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
