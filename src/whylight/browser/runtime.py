"""ONNX Runtime for browsers: found where it was put, or fetched by npm and held against the digest that is written here.

    python -m whylight.browser.runtime        # fetch it into the package, as scripts/setup does

No copy of it is part of the sources.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from whylight.cache import cache_folder
from whylight.errors import WhylightError, WriteError

VERSION = "1.30.0"
# Of the package as npm's registry has it: SHA-512 in base 64.
INTEGRITY = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# What is needed of it, and what that is called here: servers that do not know .mjs do not say that it is a script.
FILES = {
    "ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm",
    "ort.webgpu.bundle.min.mjs": "ort.webgpu.bundle.min.js",
    "ort-wasm-simd-threaded.asyncify.wasm": "ort-wasm-simd-threaded.asyncify.wasm",
}
_NAME = f"onnxruntime-web-{VERSION}"
_LARGEST = 64 * 2**20  # bytes of one of these files
_PATIENCE = 600  # seconds for npm


def places() -> tuple[Path, Path]:
    """Where it may lie: in the package, where a build has put it, and in the cache."""
    return Path(__file__).parent / _NAME, cache_folder() / _NAME


def found() -> Path | None:
    """The folder with all of `FILES`' values; None where there is none."""
    return next((one for one in places() if all((one / name).is_file() for name in FILES.values())), None)


def needed(tell: Callable[[str], None]) -> Path:
    """The same, fetched into the cache where it is not there yet.

    Raises:
        WhylightError: it is not there and cannot be fetched.
    """
    folder = found()
    if folder is None:
        tell(f"fetching onnxruntime-web {VERSION}, once")
        folder = fetch(places()[1])
    return folder


def fetch(folder: Path) -> Path:
    """Have npm fetch the package, and keep what is needed of it.

    Args:
        folder: it appears whole or not at all.

    Raises:
        WhylightError: there is no npm, it fails, or what it brought is not what it should be.
        WriteError: the folder cannot be written.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise WhylightError(
            f"onnxruntime-web {VERSION}, which runs models in browsers, is not in this installation, and neither is npm, "
            f"which fetches it. Install Node.js with npm and try again, or copy the folder {_NAME} from another machine "
            f"to {folder.parent}"
        )
    with tempfile.TemporaryDirectory(prefix="whylight-") as place:
        command = [npm, "pack", f"onnxruntime-web@{VERSION}", "--ignore-scripts", "--silent"]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603  # no word of it is anybody's
        except subprocess.TimeoutExpired:
            raise WhylightError(
                f"onnxruntime-web {VERSION}: npm did not fetch it within {_PATIENCE // 60} minutes; look at the network"
            ) from None
        archive = Path(place, f"{_NAME}.tgz")
        if done.returncode != 0 or not archive.is_file():
            why = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "no reason given")
            raise WhylightError(f"onnxruntime-web {VERSION}: npm cannot fetch it: {why.strip()}")
        return unpack(archive.read_bytes(), folder)


def unpack(archive: bytes, folder: Path) -> Path:
    """Take what is needed out of the package.

    Args:
        archive: the bytes of npm's .tgz.
        folder: it appears whole or not at all.

    Raises:
        WhylightError: these are not the bytes whose digest is written here; nothing of them was read.
        WriteError: the folder cannot be written.
    """
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != INTEGRITY:
        raise WhylightError(
            f"onnxruntime-web {VERSION}: what was fetched has another SHA-512 than it should: it was changed on its way, and "
            "was not used. Look at where npm fetches from (npm config get registry)"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".onnxruntime-", dir=folder.parent))
        try:
            with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
                for name, ours in FILES.items():
                    (new / ours).write_bytes(_read(opened, f"package/dist/{name}"))
            shutil.copy(Path(__file__).parent / "files" / LICENSE, new)
            new.chmod(0o755)
            if folder.exists():  # not whole, else nobody would have fetched it
                shutil.rmtree(folder)
            os.replace(new, folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written: {error.strerror or error}") from error
    return folder


LICENSE = "onnxruntime-web.LICENSE.txt"


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.getmember(name)
    stream = archive.extractfile(member) if member.isfile() and member.size <= _LARGEST else None
    if stream is None:
        raise WhylightError(f"onnxruntime-web {VERSION}: {name} in it is no file of a size that can be")
    return stream.read()


def main() -> int:
    """Fetch it into the package, if it is nowhere yet."""
    try:
        folder = found() or fetch(places()[0])
    except WhylightError as error:
        print(f"whylight: {error}", file=sys.stderr)  # noqa: T201  # this is a program
        return 1
    print(folder)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
