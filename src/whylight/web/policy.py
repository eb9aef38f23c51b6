"""What a page of ours may do: the content security policy, one dictionary for every version of Django, and the permissions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import django

View = TypeVar("View", bound=Callable[..., Any])
NONE, SELF = "'none'", "'self'"

POLICY: dict[str, list[str]] = {
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF, "blob:", "data:"],  # blob: a picture that is shown before it is sent; data: signs in style sheets
    "media-src": [SELF, "blob:"],
    "connect-src": [SELF],
    "font-src": [SELF],
    "manifest-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
}

# Of the page that runs models in the browser, and of its scripts: WebAssembly may be compiled there, no script's text.
_COMPILING = {**POLICY, "script-src": [SELF, "'wasm-unsafe-eval'"]}

_NEVER = "microphone=(), geolocation=(), display-capture=(), usb=(), payment=()"
PERMISSIONS = f"camera=(), {_NEVER}"
PERMISSIONS_LIVE = f"camera=(self), {_NEVER}"


def compiling(view: View) -> View:
    """Let what a view answers with compile WebAssembly, and nothing else that the others may not."""
    replaced: Any
    if django.VERSION < (6,):
        from csp.decorators import csp as replaced
    else:
        from django.views.decorators.csp import csp_override as replaced
    found: View = replaced(_COMPILING)(view)
    return found
