"""Names that nobody guesses."""

from __future__ import annotations

import hashlib
import secrets

LENGTH = 22


def new_token() -> str:
    """128 random bits, fit for an address and for a folder's name."""
    return secrets.token_urlsafe(16)


def digest(text: str) -> str:
    """What is stored of a secret: enough to know it again, not enough to use it."""
    return hashlib.sha256(text.encode()).hexdigest()
