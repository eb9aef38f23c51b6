"""What is told to a visitor in place of what they asked for."""

from __future__ import annotations


class Said(Exception):
    """A sentence for the visitor, and the status that goes with it.

    Args:
        status: of the response.
        sentence: what is wrong, and what to do.
        retry: seconds after which it may go well.
    """

    def __init__(self, status: int, sentence: str, retry: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.retry = status, retry


class Gone(Said):
    """There is no such thing, or it is not theirs; nobody is told which."""

    def __init__(self, what: str = "result") -> None:
        super().__init__(
            404, f"there is no such {what}: it was deleted, its time is over, or it belongs to another browser or key"
        )
