"""Which kind of file is it? By its first bytes, for names say nothing about what is safe to read."""

from __future__ import annotations

from pathlib import Path

from whylight.errors import ModelError
from whylight.models.zoo.pickled import LEGACY

WHERE = (
    "The weights are not part of whylight: Oxford's Visual Geometry Group gives them out on its page “VGG Face Descriptor” "
    "(VGG_FACE.caffemodel, VGG_FACE.t7), and Samuel Albanie's page “PyTorch Model Zoo” there as vgg_face_dag.pth"
)

TORCH_ZIP = b"PK\x03\x04"
HDF5 = b"\x89HDF\r\n\x1a\n"
T7 = (3).to_bytes(4, "little"), (4).to_bytes(4, "little")  # a table, or an object of a class

_OTHERS = {  # what people have instead, and what to do
    b"\x80": "a Python pickle, which could run code, so it was not read. Take the weights in another form",
    b"\x1f\x8b": "packed with gzip: unpack it first",
    b"BZh": "packed with bzip2: unpack it first",
    b"\xfd7zXZ": "packed with xz: unpack it first",
    b"MATLAB": "a MATLAB file, which is not read. Take the weights as .caffemodel, .t7 or .pth",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself: run git lfs pull",
    b"<": "a web page, so the download went wrong",
    b"name:": "Caffe's description of the network (prototxt), not its weights (.caffemodel)",
    b"layer": "Caffe's description of the network (prototxt), not its weights (.caffemodel)",
    b"4\n": "a Torch7 file in text form: only the binary form is read",
}


def sniff(path: Path) -> str:
    """Return the reader's name: `"pth"`, `"t7"`, `"caffemodel"`, `"keras_h5"` or `"plain"`.

    Raises:
        ModelError: if the file is missing, empty, or none of these.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such file of weights. {WHERE}")
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not start:
        raise ModelError(f"{path}: the file is empty. {WHERE}")
    if start.startswith((TORCH_ZIP, LEGACY)):
        return "pth"
    if start.startswith(HDF5):
        return "keras_h5"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return "plain"
    for beginning, what in _OTHERS.items():
        if start.lstrip(b" \r\n\t\xef\xbb\xbf").startswith(beginning):
            raise ModelError(f"{path}: this is {what}. {WHERE}")
    if start[257:262] == b"ustar":
        raise ModelError(f"{path}: this is a tar archive: unpack it first")
    if start[:4] in T7:
        return "t7"
    if _is_protobuf(start):
        return "caffemodel"
    raise ModelError(
        f"{path}: not a file of weights that is known here (.pth, .t7, .caffemodel, .h5, .safetensors). {WHERE}"
    )


def _is_protobuf(start: bytes) -> bool:
    """Whether it begins as a network of Caffe's does: with its name, a V1 layer (2), or a layer (100)."""
    return start[0] in (0x0A, 0x12) or start[:2] == b"\xa2\x06"
