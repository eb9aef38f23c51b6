"""What a file is, told by its first bytes alone: its name and what the sender says of it count for nothing."""

from __future__ import annotations

import re
from typing import Literal

HEAD = 512  # bytes that are looked at

_TAKE = "send a JPEG, PNG or WebP instead"
_WORDS: tuple[tuple[re.Pattern[bytes], str], ...] = tuple(
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (rb"GIF8[79]a", "a GIF"),
        (rb"....ftyp(?:hei[cmsx]|hev[cx]|mif1|msf1)", "a HEIC picture, as iPhones take them"),
        (rb"....ftypavi[fs]", "an AVIF picture"),
        (rb"....ftypcrx |FUJIFILMCCD-RAW|II\*\0....CR|IIU\0|IIR[OS]|MMOR", "a raw photograph"),
        (rb"II[*+]\0|MM\0[*+]", "a TIFF, or a raw photograph"),
        (rb"BM.{4}\0{4}", "a BMP"),
        (rb"P[1-7]\s", "a PNM picture"),
        (rb"\xff\x0a|....JXL \r\n|....jP  \r\n|\xff\x4f\xff\x51", "a picture in JPEG XL or JPEG 2000"),
        (rb"8BPS", "a Photoshop file"),
        (rb"\0\0[\x01\x02]\0", "an icon"),
        (rb"%PDF", "a PDF document"),
        (rb"....(?:ftyp|moov|mdat|wide)|\x1a\x45\xdf\xa3|RIFF....AVI |FLV\x01|\0\0\x01[\xb3\xba]|OggS", "a video"),
        (rb"RIFF....WAVE|ID3|fLaC", "a sound"),
        (rb"PK[\3\5]|\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ", "an archive"),
        (rb"\x7fELF|MZ|#!", "a program"),
    )
)


def sniff(head: bytes) -> Literal["jpeg", "png", "webp"] | None:
    r"""The kind of picture that some first bytes begin, None where it is none that is taken.

    >>> sniff(b"\xff\xd8\xff\xe0"), sniff(b"GIF89a")
    ('jpeg', None)
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return None


def refusal(head: bytes) -> str:
    """What to say of a file that is none of these.

    >>> refusal(b"%PDF-1.7")
    'this is a PDF document; send a JPEG, PNG or WebP instead'
    >>> refusal(b"dear diary")
    'this is not a picture; send a JPEG, PNG or WebP instead'
    """
    head = head[:HEAD]
    found = next((words for pattern, words in _WORDS if pattern.match(head)), None) or _markup(head) or "not a picture"
    return f"this is {found}; {_TAKE}"


def _markup(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not text.startswith(b"<"):
        return None
    if b"<svg" in text or b"<!doctype svg" in text:
        return "a drawing in SVG"
    return (
        "a web page"
        if any(tag in text for tag in (b"<!doctype html", b"<html", b"<head", b"<body", b"<script"))
        else None
    )
