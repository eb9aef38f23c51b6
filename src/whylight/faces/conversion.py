"""Make one safetensors file of VGG-Face weights in whichever form: smaller risks, faster to load, and checked at each use."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from whylight.atomic import named_errors, replacing
from whylight.errors import ModelError
from whylight.faces.networks.golden import check_golden, golden_output
from whylight.faces.networks.names import read_names
from whylight.faces.networks.pins import check_pin, keep_pin, sha256
from whylight.faces.vggface import build, preprocessing
from whylight.faces.weightfiles import Channels, read_weights
from whylight.faces.weightfiles.plain import KEY, read


@dataclass(frozen=True)
class Conversion:
    """What was converted.

    Attributes:
        path: the file that was written.
        kind: what the source was: `"pth"`, `"t7"`, `"caffemodel"`, `"keras_h5"` or `"plain"`.
        sha256: the source's.
        classes: people that the network tells apart.
        parameters: numbers in it.
        difference: between the outputs before writing and after reading again, as a share of the largest logit. The weights are
            the same numbers, so it is rounding alone: 0, or some 1e-6 where a processor adds up in another order because they
            lie elsewhere in memory.
    """

    path: Path
    kind: str
    sha256: str
    classes: int
    parameters: int
    difference: float


def convert(
    src: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    names: str | os.PathLike[str] | None = None,
    channels: Channels | None = None,
    pin: bool = True,
) -> Conversion:
    """Read weights in any of their forms, check them, and write them as safetensors; the file appears whole or not at all.

    The shapes must be VGG-Face's. After it was written the file is read again: it must hold the same numbers, bit for bit, and
    the network must say the same about one fixed picture, but for rounding (`whylight.faces.golden.TOLERANCE` of the largest
    logit). What it says is stored in the file, and compared in this way whenever it is loaded, on whatever machine.

    Args:
        src: the weights, see `load_vggface`.
        out: the file to write, `.safetensors`; its folder is made.
        names: a file of names to store with them; None stores none.
        channels: see `load_vggface`.
        pin: compare the source with its first use, see `load_vggface`.

    Raises:
        ModelError: if the source cannot be read, has changed, or does not fit, or the file does not hold what was written.
        FaceError: code 5, if the names cannot be read, or are more or fewer than the labels.
        WriteError: if the file cannot be written.
    """
    source, target = Path(src), Path(out)
    if target.suffix != ".safetensors":
        raise ModelError(f"{out}: weights are converted to safetensors: end the name in .safetensors")
    if target.exists() and source.exists() and target.samefile(source):
        raise ModelError(f"{out}: the source itself would be replaced; give another name")
    checksum = "" if not source.is_file() else check_pin(source) if pin else sha256(source)
    weights = read_weights(source, channels=channels)
    network = build(weights.tensors)
    count = len(weights.tensors["fc8.bias"])
    golden = golden_output(network, preprocessing())
    facts = {
        "format": 1,
        "source": source.name,
        "kind": weights.kind,
        "sha256": checksum,
        "channels": "bgr",
        "names": None if names is None else list(read_names(names, count)),
        "golden": golden,
    }
    with named_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target, durable=True) as file:
            file.write(safetensors.torch.save(weights.tensors, metadata={KEY: json.dumps(facts)}))
            file.flush()
            written = read(Path(file.name))
            for name, tensor in weights.tensors.items():
                if not torch.equal(written[name], tensor):
                    raise ModelError(
                        f"{target}: {name} is not what was written; the disk or the memory may be at fault"
                    )
            difference = check_golden(target, build(written), preprocessing(), golden)
    if pin:
        keep_pin(source, checksum)
    parameters = sum(tensor.numel() for tensor in weights.tensors.values())
    return Conversion(target, weights.kind, checksum, count, parameters, difference)
