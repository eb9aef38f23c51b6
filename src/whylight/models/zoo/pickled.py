"""Read PyTorch's files so that nothing in them runs: what they ask for is listed first, and objects are left empty.

Checkpoints hold more than tensors: settings, counters, dates, objects of the training's own classes. PyTorch's restricted reader
refuses a file for a single one of them. Here each such object becomes an empty dictionary, whatever its class: the class is
never looked up, so that nothing of it can run, and the tensors beside it can be had.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch

from whylight.errors import ModelError, cause_of

LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # how files begin that PyTorch wrote before its version 1.6
# What the restricted unpickler raises on bytes that it does not take.
DAMAGED = (
    *(OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, MemoryError, OverflowError),
    *(struct.error, zipfile.BadZipFile, pickle.UnpicklingError),
)
# No honest checkpoint asks for these; nothing would run, but such a file is not worth reading on.
_HOSTILE = re.compile(
    r"(os|posix|nt|sys|subprocess|shutil|socket|runpy|importlib|ctypes)\."
    r"|builtins\.(?!(list|dict|set|tuple|frozenset|int|float|bool|complex|str|bytes|bytearray|object|slice|range|getattr"
    r"|min|max|sum|abs|len|round|sorted)$)"
)
CONVERT = "Where it was made: torch.save(model.state_dict(), 'weights.pth')"
_WITH_STATE = ("numpy.", "functools.", "datetime.")  # objects of these are filled with more than names


def read(path: Path) -> Any:
    """Read a file that `torch.save` wrote: plain values and tensors; all other objects are empty dictionaries.

    Raises:
        ModelError: if it is damaged, hostile, or no such file.
    """
    asked: list[str] = []
    try:
        asked = _asked(path)
        if bad := [name for name in asked if _HOSTILE.match(name)]:
            raise ValueError(f"it asks for {bad[0]}, which could run code")
        # What PyTorch's reader knows and trusts itself, such as tensors, comes before these.
        with torch.serialization.safe_globals([(_stand_in(name), name) for name in asked]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        if any(name.startswith("torch.nn.modules.") for name in asked):
            raise whole_network(path, asked[0]) from error
        cause = _cause(error) if asked or zipfile.is_zipfile(path) else "it is none that torch.save wrote"
        raise ModelError(f"{path}: not a file of weights that can be read safely ({cause})") from error


def check_sizes(path: Path) -> None:
    """Refuse a file of PyTorch's that unpacks to more than it is: its opcodes are listed, and nothing is run.

    Raises:
        ValueError: if it does, or is damaged.
    """
    try:
        _asked(path)
    except DAMAGED as error:
        raise ValueError(str(error) or type(error).__name__) from error


def whole_network(path: Path, name: str) -> ModelError:
    """The refusal of a file that holds an object of this class in place of tensors."""
    return ModelError(
        f"{path}: refused: it holds an object ({name}) and not its tensors, such as a whole network that was pickled; to make it "
        f"again would run code. Nothing of it was run. {CONVERT}"
    )


def class_of(value: object) -> str | None:
    """The class that an object in a file was of, where it was left empty; None for plain values."""
    return getattr(value, "pickled", None)


def _stand_in(name: str) -> type:
    """What takes the place of a class or function; PyTorch's reader fills dictionaries of exactly this type and no other."""

    def new(cls: type, *arguments: object, **options: object) -> object:
        if name.startswith(_WITH_STATE):
            return object.__new__(cls)
        made: OrderedDict[str, Any] = OrderedDict()
        made.pickled = name  # type: ignore[attr-defined]
        return made

    return type("LeftEmpty", (), {"__new__": new, "__setstate__": lambda self, state: None})


def _asked(path: Path) -> list[str]:
    """Every name that the file's pickles ask for. Opcodes are listed, not run.

    Raises:
        ValueError: if it speaks of more numbers than it has bytes, for which PyTorch would make room before it reads them.
    """
    size = path.stat().st_size
    found: dict[str, None] = {}
    with path.open("rb") as file:
        legacy = file.read(len(LEGACY)) == LEGACY
        file.seek(0)
        if legacy:
            for _ in range(3):  # magic number, protocol, facts about the machine
                for _ in pickletools.genops(file):
                    pass
            found |= dict.fromkeys(_names(file, size))
        elif zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                    raise ValueError(
                        "it is a TorchScript archive, a program of its own: whylight.wrap_callable(torch.jit.load(FILE).eval())"
                    )
                for entry in archive.infolist():
                    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size:
                        raise ValueError(f"{entry.filename} unpacks to {entry.file_size} bytes, more than there are")
                    if entry.filename.endswith("data.pkl"):
                        with archive.open(entry) as pickled:
                            found |= dict.fromkeys(_names(pickled, size))
    return list(found)


def _names(pickled: IO[bytes], most: int) -> Iterator[str]:
    """The names that one pickle asks for; storages of more than `most` numbers are refused."""
    number = 0
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            yield f"{'builtins' if module == '__builtin__' else module}.{name}"
        elif opcode.name == "BINPERSID":  # a storage: its last number is how many values it has
            if abs(number) > most:
                raise ValueError(f"it speaks of {number} numbers and has {most} bytes")
        elif isinstance(argument, int) and not opcode.name.startswith(
            ("BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT")
        ):
            number = argument


def _cause(error: BaseException) -> str:
    """What PyTorch's reader says of it, without its advice to read the file all the same."""
    return cause_of(error).split("Please file an issue")[0].strip()
