"""ONNX Runtime for browsers: only the very bytes whose digest is written down are unpacked, and only the files that are named."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from whylight.browser import runtime
from whylight.errors import WhylightError, WriteError


def archive(**more: bytes) -> bytes:
    """A package as npm's: what is needed of it, and what is not."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        names = {f"package/dist/{name}": name.encode() for name in runtime.FILES} | {"../outside.txt": b"x"}
        for name, data in (names | {key.replace("__", "/"): value for key, value in more.items()}).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            opened.addfile(entry, io.BytesIO(data))
    return made.getvalue()


def trusted(monkeypatch: pytest.MonkeyPatch, data: bytes) -> bytes:
    monkeypatch.setattr(runtime, "INTEGRITY", base64.b64encode(hashlib.sha512(data).digest()).decode())
    return data


def test_only_what_is_named_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = runtime.unpack(trusted(monkeypatch, archive()), tmp_path / "cache" / "ort")
    assert {path.name for path in folder.iterdir()} == {*runtime.FILES.values(), runtime.LICENSE}
    assert (folder / "ort.wasm.bundle.min.js").read_bytes() == b"ort.wasm.bundle.min.mjs"
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {path.name for path in folder.iterdir()}


def test_changed_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = trusted(monkeypatch, archive())
    for place in (0, len(good) // 2, len(good) - 1):
        bad = bytearray(good)
        bad[place] ^= 1
        with pytest.raises(WhylightError, match="another SHA-512"):
            runtime.unpack(bytes(bad), tmp_path / "ort")
    assert not list(tmp_path.iterdir())


def test_what_is_not_whole_is_done_again_and_what_is_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ort").mkdir()
    (tmp_path / "ort" / "ort.wasm.bundle.min.js").write_bytes(b"half")
    runtime.unpack(trusted(monkeypatch, archive()), tmp_path / "ort")
    assert (tmp_path / "ort" / "ort.wasm.bundle.min.js").read_bytes() == b"ort.wasm.bundle.min.mjs"
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        for name in runtime.FILES:
            entry = tarfile.TarInfo(f"package/dist/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
            opened.addfile(entry)
    with pytest.raises(WhylightError, match="is no file"):
        runtime.unpack(trusted(monkeypatch, made.getvalue()), tmp_path / "links")
    assert [path.name for path in tmp_path.iterdir()] == ["ort"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WriteError, match=r"ort: cannot be written"):
        runtime.unpack(trusted(monkeypatch, archive()), tmp_path / "file" / "ort")


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WhylightError, match=r"Install Node\.js with npm"):
        runtime.fetch(runtime.places()[1])


@pytest.mark.parametrize(
    ("script", "words"), [("echo 'no such network' >&2; exit 1", "no such network"), ("exit 0", "cannot fetch it")]
)
def test_why_npm_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str) -> None:
    npm = tmp_path / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(WhylightError, match=words):
        runtime.fetch(tmp_path / "ort")


def test_it_is_found_in_the_package_or_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHYLIGHT_CACHE", str(tmp_path))
    ours, cached = runtime.places()
    assert ours.parent == Path(runtime.__file__).parent
    monkeypatch.setattr(runtime, "places", lambda: (tmp_path / "package", cached))
    assert runtime.found() is None
    runtime.unpack(trusted(monkeypatch, archive()), cached)
    assert runtime.found() == cached
    assert runtime.needed(lambda doing: pytest.fail("it is there")) == cached
    (cached / "ort-wasm-simd-threaded.wasm").unlink()
    assert runtime.found() is None
