"""Lists what a Keras file in HDF5 holds, and where: run as a program of its own, it prints one line of JSON.

The HDF5 library crashes, hangs or asks for gigabytes on some damaged files, so it is kept out of the process that wants the
weights: this program finds the arrays, within limits of time and memory, and the other reads the numbers at the places it names.
It imports nothing of ours, to start fast. Errors of the file are printed as `{"error": …}`.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any

import h5py

SECONDS, BYTES = 60, 4 * 2**30  # of processor time and address space
NAMES = 100_000  # bytes or entries of an attribute that lists names


class Refused(Exception):
    """Something in the file is not what Keras writes."""


def main(path: str) -> None:
    """Print the index of a file, or an error."""
    with contextlib.suppress(ImportError, ValueError):  # no such limits on Windows; or lower ones are set already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        with h5py.File(path, "r") as file:
            found = index(file)
    except Refused as error:
        found = {"error": str(error)}
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, MemoryError) as error:
        found = {"error": f"damaged, or not Keras' weights: {str(error)[:300]}"}
    sys.stdout.write(json.dumps(found))


def index(file: Any) -> dict[str, Any]:
    """`layers`: [name, kernel, bias] in the model's order, an array as its place; `backend`, `channels_last`: None if not said."""
    config = attribute(file, "model_config", 2**26)
    weights = file.get("model_weights", {})
    return {
        "layers": list(layers(file)),
        "backend": attribute(file, "backend") or attribute(weights, "backend"),
        "channels_last": None if config is None else channels_last(config),
    }


def layers(file: Any) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Layers with two arrays, a kernel and a bias."""
    root = member(file, "model_weights") if "model_weights" in file else file
    if not isinstance(root, h5py.Group):
        raise Refused("its model_weights are no group")
    if not names(root, "layer_names") and "layers" in root:
        yield from newer(member(root, "layers"))
        return
    for name in names(root, "layer_names") or sorted(root, key=natural):
        group = member(root, name)
        if isinstance(group, h5py.Group):
            arrays = [place(member(group, inside)) for inside in names(group, "weight_names")]
            if len(arrays) == 2:  # a kernel has more dimensions than a bias, whichever comes first
                first, second = sorted(arrays, key=lambda array: -len(array["shape"]))
                yield name, first, second


def newer(group: Any) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The form of Keras 3 (.weights.h5): layers/conv2d_1/vars/0, where convolutions and dense layers are counted each."""
    for name in sorted(group, key=lambda name: (name.startswith("dense"), *natural(name))):
        layer = member(group, name)
        if isinstance(layer, h5py.Group) and "vars" in layer and {"0", "1"} <= set(member(layer, "vars")):
            yield name, place(member(layer, "vars/0")), place(member(layer, "vars/1"))


def natural(name: str) -> tuple[int, ...]:
    """conv2d, conv2d_1, conv2d_2, …, conv2d_10."""
    return tuple(int(part) for part in re.findall(r"(?<=_)\d{1,9}", name)) or (-1,)


def names(group: Any, key: str) -> list[str]:
    """A list of names among a group's attributes; long ones are cut into key0, key1, …."""
    parts = [values(group, key)] if key in group.attrs else []
    while f"{key}{len(parts)}" in group.attrs:
        parts.append(values(group, f"{key}{len(parts)}"))
    return [text(name) for part in parts for name in part]


def values(group: Any, key: str, most: int = NAMES) -> Any:
    """An attribute, if it claims no more room than such attributes take: room is made for it before it is read."""
    found = group.attrs.get_id(key)
    count = math.prod(found.shape)
    if max(count, count * found.dtype.itemsize) > most:
        raise Refused(f"damaged: its attribute {key} claims {count} entries of {found.dtype.itemsize} bytes")
    return group.attrs[key]


def attribute(group: Any, key: str, most: int = NAMES) -> str | None:
    """An attribute that is a text; None where it is missing."""
    return text(values(group, key, most)) if hasattr(group, "attrs") and key in group.attrs else None


def text(value: object) -> str:
    """Bytes or text as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def member(group: Any, name: str) -> Any:
    """What lies under a name; links that lead elsewhere are not followed."""
    at = group
    for step in name.split("/"):
        link = at.get(step, getlink=True) if step not in ("", ".", "..") and isinstance(at, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise Refused(f"{name[:80]} is a link (to another file, perhaps) or missing; it was not followed")
        at = at[step]
    return at


def place(data: Any) -> dict[str, Any]:
    """Where an array's numbers lie: shape, type, and the first byte in the file."""
    if not isinstance(data, h5py.Dataset) or data.dtype.kind != "f":
        raise Refused(f"{data.name} holds no floating-point numbers")
    if data.is_virtual or data.external:
        raise Refused(f"the numbers of {data.name} lie in another file; it was not opened")
    start = data.id.get_offset()
    if start is None:
        raise Refused(f"{data.name} is compressed or was never written; load it in Keras and save it again")
    return {"name": data.name, "shape": list(data.shape), "type": data.dtype.str, "start": start}


def channels_last(config: str) -> bool:
    """Whether the model's activations are channels-last, by its description; Keras' default where that says nothing."""
    todo = [json.loads(config)]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            if part.get("data_format") == "channels_first" or part.get("dim_ordering") == "th":
                return False
            todo += part.values()
        elif isinstance(part, list):
            todo += part
    return True


if __name__ == "__main__":
    main(sys.argv[1])
