"""What a page of ours may do: the content security policy, one dictionary for every version of Django, and the permissions."""

from __future__ import annotations

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

_NEVER = "microphone=(), geolocation=(), display-capture=(), usb=(), payment=()"
PERMISSIONS = f"camera=(), {_NEVER}"
PERMISSIONS_LIVE = f"camera=(self), {_NEVER}"
