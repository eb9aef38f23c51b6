"""What an exported graph says of its model: written into the file by `whylight.export`, read before anything is loaded."""

from __future__ import annotations

import html
import mmap
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from typing_extensions import TypedDict

from whylight.cells import WHOLE, Span
from whylight.errors import ModelError
from whylight.images.preprocess import Preprocess
from whylight.jsontext import dumps, loads
from whylight.models.prepared import Prepared, Side
from whylight.schema import Schema, Text, Within

KEY = "whylight"  # our entry in the file's metadata
FORMAT = 1
LONGEST = 1 << 24  # bytes of it; a thousand names of classes take some ten thousand


class _Fields(TypedDict):
    """The same as a file tells it."""

    __pydantic_config__ = {"extra": "forbid"}  # type: ignore[misc]  # noqa: RUF012

    format: Annotated[int, Within(1, FORMAT)]
    classes: list[Text]
    preprocess: Prepared
    multilabel: bool
    ending: Text
    method: Literal["cam"] | None
    grid: tuple[Side, Side] | None
    span: tuple[float, float, float, float]
    resize: bool
    int8: bool
    network: Text
    weights: Text
    version: Text


_WRITTEN = Schema(_Fields)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an exported graph says of its model.

    Args:
        classes: the names of the classes, in the order of the logits.
        preprocess: how a picture becomes the network's input.
        multilabel: the classes do not exclude each other.
        ending: what the network did to its logits, which the graph leaves out; "" where it did nothing.
        method: the method whose maps the graph gives: "cam", or None where it gives logits alone.
        grid: (h, w) of the maps.
        span: over which part of the input their cells are spread.
        resize: whether the graph takes pictures of any size; else of the input's own alone.
        int8: whether its convolutions compute with whole numbers of 8 bits.
        network: what the model was called.
        weights: SHA-256 of the weights it was made from.
        version: of the whylight that wrote it.
    """

    classes: tuple[str, ...]
    preprocess: Preprocess
    multilabel: bool = False
    ending: str = ""
    method: Literal["cam"] | None = "cam"
    grid: tuple[int, int] | None = None
    span: Span = WHOLE
    resize: bool = True
    int8: bool = False
    network: str = ""
    weights: str = ""
    version: str = ""

    def to_json(self) -> str:
        """Everything as one line of JSON."""
        fields = asdict(self) | {"format": FORMAT, "preprocess": self.preprocess.to_dict(), "span": list(self.span)}
        return dumps(fields, compact=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Rebuild from `to_json`'s line.

        Raises:
            ValueError: if it is no such line, or a value in it cannot be.
        """
        fields: dict[str, Any] = loads(text)
        newer = fields.get("format") if isinstance(fields, dict) else None
        if isinstance(newer, int) and newer > FORMAT:
            raise ValueError(f"written by a newer whylight (format {newer}); update whylight to read it")
        fields = _WRITTEN.read(fields)
        del fields["format"]
        try:
            prepared = Preprocess.from_dict(fields["preprocess"])
        except ModelError as error:
            raise ValueError(str(error)) from error
        if fields["method"] is not None and fields["grid"] is None:
            raise ValueError("grid: must say how many cells the maps have")
        return cls(
            **fields | {"preprocess": prepared, "classes": tuple(fields["classes"]), "span": Span(*fields["span"])}
        )


def read_facts(path: str | os.PathLike[str]) -> Facts | None:
    """What an ONNX file, or the .xml of an OpenVINO network, says of its model; None where whylight did not write it.

    The entry is looked for in the file's bytes, so that it costs no runtime.

    Raises:
        ModelError: if there is no such file, or the entry cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    try:
        text = _in_xml(path) if path.suffix.lower() == ".xml" else _in_onnx(path)
        return None if text is None else Facts.from_json(text)
    except ValueError as error:
        raise ModelError(f"{path}: what it says of its model cannot be read: {error}; export it anew") from error
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error


def _in_xml(path: Path) -> str | None:
    """The value of our entry among the runtime information at the end of the file."""
    found = re.search(rb'<%b value="([^"]*)"' % KEY.encode(), path.read_bytes())
    return None if found is None else html.unescape(found[1].decode())


def _in_onnx(path: Path) -> bytes | None:
    """The value of our entry in the metadata, as protocol buffers spell it: a mark and a length before each text."""
    mark = b"\x0a" + bytes([len(KEY)]) + KEY.encode() + b"\x12"
    if path.stat().st_size == 0:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        place = whole.rfind(mark)  # metadata comes behind the graph
        if place < 0:
            return None
        start, length, shift = place + len(mark), 0, 0
        while True:
            byte = whole[start] if start < len(whole) else 0
            length, shift, start = length | (byte & 0x7F) << shift, shift + 7, start + 1
            if byte < 0x80:
                break
        if length > LONGEST or start + length > len(whole):
            raise ValueError("it is cut off")
        return whole[start : start + length]
