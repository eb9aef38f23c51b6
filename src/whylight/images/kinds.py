"""What people have among their pictures, or take for one, and what to do about it: films, raw photographs, drawings."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of file that is no picture to us.

    Attributes:
        one, many: what it is called.
        suffixes: how names end.
        advice: what to do about one, `{file}` being its name for a shell, `{stem}` the same without its ending.
        signatures: of its beginning, each with the place where it stands; None: anywhere in it.
    """

    one: str
    many: str
    suffixes: frozenset[str]
    advice: str
    signatures: tuple[tuple[int | None, bytes], ...]


def _endings(text: str) -> frozenset[str]:
    return frozenset(f".{one}" for one in text.split())


RAW = Kind(
    "raw photograph",
    "raw photographs",
    _endings("cr2 cr3 crw nef nrw arw sr2 srf dng raf rw2 orf pef srw x3f raw rwl 3fr iiq mrw erf kdc dcr mos"),
    "export it as JPEG first, with the camera's program, or: darktable-cli {file} {stem}.jpg",
    (
        *((0, b"FUJIFILMCCD-RAW"), (4, b"ftypcrx "), (6, b"HEAPCCDR"), (0, b"FOVb"), (0, b"\0MRM")),
        *((0, b"IIU\0"), (0, b"IIRO"), (0, b"IIRS"), (0, b"MMOR")),
    ),
)
_FFMPEG = "mkdir -p frames && ffmpeg -i {file} -vf fps=1 frames/%05d.png"
VIDEO = Kind(
    "video",
    "videos",
    _endings("mp4 m4v mov qt avi mkv webm mpg mpeg mts m2ts ts wmv asf flv 3gp 3g2 ogv vob mxf"),
    f"take pictures out of it first, one a second, and give their folder: {_FFMPEG}",
    (
        *(
            (4, b"ftyp"),
            (4, b"moov"),
            (4, b"mdat"),
            (4, b"wide"),
            (8, b"AVI "),
            (0, b"\x1a\x45\xdf\xa3"),
            (0, b"FLV\x01"),
        ),
        *((0, b"\0\0\1\xba"), (0, b"\0\0\1\xb3"), (0, b"OggS"), (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")),
    ),
)
_KINDS = (
    RAW,
    Kind(
        "Photoshop file",
        "Photoshop files",
        _endings("psd psb"),
        "save a copy as PNG, or: magick {file}'[0]' {stem}.png",
        ((0, b"8BPS"),),
    ),
    Kind(
        "PDF document",
        "PDF documents",
        _endings("pdf ai"),
        "make pictures of its pages first: pdftoppm -png -r 150 {file} {stem}",
        ((0, b"%PDF"),),
    ),
    Kind(
        "drawing in SVG",
        "drawings in SVG",
        _endings("svg svgz"),
        "make a picture of it first: rsvg-convert -o {stem}.png {file}",
        ((None, b"<svg"), (None, b"<!DOCTYPE svg")),
    ),
    Kind(
        "picture in JPEG XL or JPEG 2000",
        "pictures in JPEG XL or JPEG 2000",
        _endings("jxl jp2 j2k jpf jpx jpm"),
        "save it as JPEG or PNG, or: magick {file} {stem}.png",
        ((0, b"\xff\x0a"), (4, b"JXL \r\n\x87\n"), (4, b"jP  \r\n\x87\n"), (0, b"\xff\x4f\xff\x51")),
    ),
    VIDEO,
)
# Sidecars of cameras and of systems, which nobody takes for pictures.
_SILENT_NAMES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "picasa.ini"})
_SILENT_SUFFIXES = _endings("xmp aae thm lrv pp3")


def advice(head: bytes, name: str) -> str:
    """What a file is instead of a picture, and what to do about it; "" where it is nothing that is known.

    Args:
        head: its first bytes, some hundred.
        name: what it is called; "" where it has no name of its own.
    """
    for kind in _KINDS:
        for at, mark in kind.signatures:
            if mark in head if at is None else head[at : at + len(mark)] == mark:
                return about(kind, name)
    return ""


def is_raw(name: str) -> bool:
    """Whether a file that begins as a TIFF is called as raw photographs are, most of which do."""
    return os.path.splitext(name)[1].lower() in RAW.suffixes


def about(kind: Kind, name: str) -> str:
    """A sentence about a file of a kind."""
    return f"this is a {kind.one}, no picture that whylight reads: {_filled(kind.advice, name)}"


def words(paths: Iterable[str]) -> str:
    """Files that are no pictures, counted by kind; "" where there is nothing worth telling.

    >>> words(["p/b.mp4", "p/a.MP4", "p/c.nef", "p/notes.txt", "p/Thumbs.db"])
    '2 videos (.mp4), 1 raw photograph (.nef), 1 other file (.txt); take single pictures out of a video, one a second: \
mkdir -p frames && ffmpeg -i p/a.MP4 -vf fps=1 frames/%05d.png'
    """
    found: dict[str, Counter[str]] = {}
    videos = []
    for path in paths:
        base, suffix = os.path.basename(path).lower(), os.path.splitext(path)[1].lower()
        if base.startswith(".") or base in _SILENT_NAMES or suffix in _SILENT_SUFFIXES:
            continue
        kind = next((kind for kind in (VIDEO, *_KINDS) if suffix in kind.suffixes), None)
        found.setdefault(kind.one if kind else "", Counter())[suffix or "no ending"] += 1
        if kind is VIDEO:
            videos.append(path)
    parts = []
    for kind in (VIDEO, *_KINDS[:-1], None):
        if counts := found.get(kind.one if kind else ""):
            one, many = (kind.one, kind.many) if kind else ("other file", "other files")
            some = sorted(counts)
            listed = ", ".join(some[:6]) + (", …" if len(some) > 6 else "")
            parts.append(f"{counts.total():,} {one if counts.total() == 1 else many} ({listed})")
    hint = f"; take single pictures out of a video, one a second: {_filled(_FFMPEG, min(videos))}" if videos else ""
    return ", ".join(parts) + hint


def _filled(advice: str, name: str) -> str:
    stem = os.path.splitext(os.path.basename(name))[0] or "picture"
    return advice.format(file=shlex.quote(name or "FILE"), stem=shlex.quote(stem))
