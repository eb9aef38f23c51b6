"""VGG-Face: the sixteen-layer network that tells 2,622 people apart (Parkhi, Vedaldi, Zisserman: Deep Face Recognition, BMVC 2015).

Its input is 224 × 224 pixels of 0 … 255 less the mean colour, not scaled. The network here takes the colours in the order blue,
green, red, as Oxford's Caffe and Torch7 files do, so the mean is (93.5940, 104.7624, 129.1863) in that order: faces are more red
than blue. Ports that subtract (129.1863, 104.7624, 93.5940) from blue, green, red are wrong by 36 levels in two colours.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from whylight.errors import ModelError
from whylight.faces.networks.golden import check_golden
from whylight.faces.networks.names import read_names
from whylight.faces.networks.pins import check_pin, keep_pin
from whylight.faces.types import Point, Template
from whylight.faces.weightfiles import Channels, read_weights
from whylight.faces.weightfiles.oxford import BLOCKS, DENSE, GRID
from whylight.faces.weightfiles.plain import read_facts
from whylight.images.preprocess import Preprocess
from whylight.models.device import resolve_device
from whylight.models.model import Model

__all__ = ["LAYER", "MEAN_BGR", "TEMPLATE", "VggFace", "build", "load_vggface", "preprocessing", "read_names"]

MEAN_BGR = (93.5940, 104.7624, 129.1863)  # of blue, green and red, in levels of 0 … 255
LAYER = "relu5_3"  # the last places before the classifier: 14 × 14 cells, where its pooling leaves 7 × 7

# The network was trained on loose crops: the detector's box with hair, ears and background around it, not on tight faces. Where
# exactly the eyes lay is not published; this is a face that fills about half of the crop's width.
TEMPLATE = Template(size=(224, 224), right_eye=Point(0.38, 0.43), left_eye=Point(0.62, 0.43))


def preprocessing() -> Preprocess:
    """A crop becomes 224 × 224 pixels in levels of 0 … 255 less the mean, as red, green, blue; `VggFace` turns them round."""
    blue, green, red = (level / 255 for level in MEAN_BGR)
    return Preprocess(size=(224, 224), mode="squash", mean=(red, green, blue), std=(1 / 255, 1 / 255, 1 / 255))


class ToBlueGreenRed(nn.Module):
    """Red, green, blue → blue, green, red."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) → (N, 3, H, W)."""
        return x.flip(1)


class VggFace(nn.Module):
    """VGG-16 with Oxford's names of the layers: (N, 3, 224, 224) red, green, blue → logits (N, classes).

    Args:
        widths: channels of the five blocks of convolutions.
        hidden: outputs of the two dense layers before the last.
        classes: people it tells apart.
    """

    default_layer = LAYER

    def __init__(
        self,
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        hidden: tuple[int, int] = (4096, 4096),
        classes: int = 2622,
    ) -> None:
        super().__init__()
        for name, layer in _layers(widths, hidden, classes):
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        """Run one layer after the other."""
        for layer in self.children():
            x = layer(x)
        return x


def _layers(widths: tuple[int, ...], hidden: tuple[int, int], classes: int) -> Iterator[tuple[str, nn.Module]]:
    yield "bgr", ToBlueGreenRed()
    before = 3
    for block, (width, count) in enumerate(zip(widths, BLOCKS, strict=True), 1):
        for i in range(1, count + 1):
            yield f"conv{block}_{i}", nn.Conv2d(before, width, 3, padding=1)
            yield f"relu{block}_{i}", nn.ReLU()
            before = width
        yield f"pool{block}", nn.MaxPool2d(2)
    yield "flatten", nn.Flatten()
    yield "fc6", nn.Linear(before * GRID * GRID, hidden[0])
    yield "relu6", nn.ReLU()
    yield "dropout6", nn.Dropout()
    yield "fc7", nn.Linear(hidden[0], hidden[1])
    yield "relu7", nn.ReLU()
    yield "dropout7", nn.Dropout()
    yield "fc8", nn.Linear(hidden[1], classes)


def build(tensors: Mapping[str, Tensor]) -> VggFace:
    """The network that some weights belong to, by their shapes, holding them: not copied, not differentiable, in evaluation mode.

    Args:
        tensors: as `weightfiles.read_weights` gives them.
    """
    widths = tuple(len(tensors[f"conv{block}_1.bias"]) for block in range(1, len(BLOCKS) + 1))
    first, second, classes = (len(tensors[f"{name}.bias"]) for name in DENSE)
    with torch.device("meta"):  # no time or memory for weights that are replaced at once
        network = VggFace(widths, (first, second), classes)
    network.load_state_dict(dict(tensors), assign=True)
    return network.requires_grad_(False).eval()


def load_vggface(
    path: str | os.PathLike[str],
    names: str | os.PathLike[str] | None = None,
    *,
    channels: Channels | None = None,
    pin: bool = True,
    device: str | torch.device = "auto",
) -> Model:
    """Load VGG-Face from the weights that circulate, or from what `whylight face convert` made of them.

    Args:
        path: `.pth`, `.t7`, `.caffemodel`, `.h5` or `.safetensors`, told apart by their content; no code in them is ever run.
        names: a text file with one name a line, in the order of the labels; None takes those stored in a converted file, or the
            labels' numbers.
        channels: the order of the colours that the file's first layer takes, `"bgr"` or `"rgb"`, where that is known better than
            from where such files come from; see `weightfiles`.
        pin: write down the file's SHA-256 at its first use, and refuse it when it has changed.
        device: see `whylight.load`.

    Returns:
        A model like any other: `whylight.explain` looks at its last convolution, 14 × 14 cells.

    Raises:
        ModelError: the file is missing, damaged, of another network, has changed, or holds more than numbers.
        FaceError: code 5, the names cannot be read, or are more or fewer than the labels.
    """
    file = Path(path)
    with torch.inference_mode(False):  # parameters made under it could never be differentiated
        checksum = check_pin(file) if pin and file.is_file() else None
        weights = read_weights(file, channels=channels)
        facts = read_facts(file) if weights.kind == "plain" else None
        network = build(weights.tensors)
        count = len(weights.tensors["fc8.bias"])
        stored = (facts or {}).get("names")
        if names is not None:
            classes: tuple[str, ...] | None = read_names(names, count)
        elif isinstance(stored, list) and all(isinstance(name, str) for name in stored):
            classes = tuple(stored)
        else:
            classes = None
        if facts is not None:
            golden = facts.get("golden")
            if not isinstance(golden, dict):
                raise ModelError(f"{file}: its metadata are damaged: they hold no golden output")
            check_golden(file, network, preprocessing(), golden)
        model = Model(network, classes=classes, preprocessing=preprocessing(), layer=LAYER)
        if checksum is not None:
            keep_pin(file, checksum)
        return model.to(resolve_device(device))
