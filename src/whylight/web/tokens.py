"""Names that nobody guesses."""

from __future__ import annotations

import hashlib
import secrets

LENGTH = 22


def new_token() -> str:
    """128 random bits, fit for an address and for a folder's name."""
    return secrets.token_urlsafe(16)


class Token:
    """A token in an address; what is none leads nowhere, before any database is asked."""

    regex = rf"[A-Za-z0-9_-]{{{LENGTH}}}"

    def to_python(self, value: str) -> str:
        """As it is."""
        return value

    def to_url(self, value: str) -> str:
        """As it is."""
        return value


def digest(text: str) -> str:
    """What is stored of a secret: enough to know it again, not enough to use it."""
    return hashlib.sha256(text.encode()).hexdigest()
