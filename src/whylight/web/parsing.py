"""What the server of `whylight serve` refuses before Django sees it, said in a sentence, and to a program as JSON."""

from __future__ import annotations

import json
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

_SENTENCES = {
    413: "that is more than fits into one request; send fewer or smaller pictures",
    431: "the head of the request is too long",
    501: "the request comes in a form that is not understood here",
}
_OTHERWISE = "the request is damaged and cannot be read"


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Waitress's, with errors in words of ours."""

    error: Any = None

    def received(self, data: bytes) -> int:
        """More of the request has come."""
        count: int = super().received(data)
        if self.error is not None and not isinstance(self.error, _Said):
            self.error = _Said(self.error, getattr(self, "path", ""))
        return count


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection whose requests are read so."""

    parser_class = Parser


class _Said:
    """An error of waitress's."""

    def __init__(self, error: Any, path: str) -> None:
        self.code, self.reason, self.body = error.code, error.reason, _SENTENCES.get(error.code, _OTHERWISE)
        self._is_for_programs = path.startswith("/api/")

    def to_response(self, ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Status, headers and body."""
        if self._is_for_programs:
            kind, text = "application/json", json.dumps({"error": self.body})
        else:
            kind, text = "text/plain; charset=utf-8", f"{self.body}\n"
        return f"{self.code} {self.reason}", [("Content-Type", kind)], text.encode()
