"""MobileFaceNet, a small network that turns an aligned face into 128 numbers, and the two checkpoints of it in circulation.

Chen, Liu, Gao, Han: "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices", 2018.

The two were trained by different people. They differ in the crop (112×96 or 112×112), in how pixels are scaled, in the rectifier,
and in the second layer, where one has a 1×1 convolution more. Which one a file holds is told by the names of its tensors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from whylight.errors import ModelError
from whylight.faces.align import ARCFACE
from whylight.faces.types import Point, Template
from whylight.images.preprocess import IMAGENET_MEAN, IMAGENET_STD, Preprocess
from whylight.models.device import resolve_device
from whylight.models.model import Model
from whylight.models.zoo.foreign import read_state

DIMENSION = 128

# (expansion, channels, how many, stride of the first) of the bottlenecks: table 1 of the paper.
_BLOCKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))


class MobileFaceNet(nn.Module):
    """(N, 3, 112, 112) or (N, 3, 112, 96) → embeddings (N, 128), not normalised.

    Where others average over places, `gather` weighs each place of each channel by a weight of its own (a depthwise convolution as
    large as the grid): the middle of a face tells more than its rim.

    Args:
        grid: (h, w) of the last grid: a sixteenth of the input's height and width.
        rectifier: `"prelu"`, learnt for each channel, or `"relu6"`, which ends at 6.
        mixed: the second layer ends in a 1×1 convolution, and its rectifiers are plain ones.
        bias: the last convolution has a bias.
    """

    def __init__(self, grid: tuple[int, int], rectifier: Literal["prelu", "relu6"], *, mixed: bool, bias: bool) -> None:
        super().__init__()

        def rectify(channels: int) -> nn.Module:
            return nn.PReLU(channels) if rectifier == "prelu" else nn.ReLU6()

        def layer(inside: int, out: int, side: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
            return [*_convolution(inside, out, side, stride, groups), rectify(out)]

        self.stem = nn.Sequential(*layer(3, 64, 3, stride=2))
        if mixed:
            both = (*_convolution(64, 64, 3, groups=64), nn.ReLU(), *_convolution(64, 64, 1), nn.ReLU())
            self.depth = nn.Sequential(*both)
        else:
            self.depth = nn.Sequential(*layer(64, 64, 3, groups=64))
        blocks: list[nn.Module] = []
        inside = 64
        for expansion, out, count, first in _BLOCKS:
            for index in range(count):
                wide, stride = inside * expansion, first if index == 0 else 1
                layers = [*layer(inside, wide, 1), *layer(wide, wide, 3, stride, wide), *_convolution(wide, out, 1)]
                blocks.append(Bottleneck(layers, skips=stride == 1 and inside == out))
                inside = out
        self.blocks = nn.Sequential(*blocks)
        self.widen = nn.Sequential(*layer(inside, 512, 1))
        self.gather = nn.Sequential(nn.Conv2d(512, 512, grid, groups=512, bias=False), nn.BatchNorm2d(512))
        self.embed = nn.Sequential(nn.Conv2d(512, DIMENSION, 1, bias=bias), nn.BatchNorm2d(DIMENSION))

    def forward(self, x: Tensor) -> Tensor:
        a = self.widen(self.blocks(self.depth(self.stem(x))))  # (N, 512, h, w)
        return self.embed(self.gather(a)).flatten(1)  # type: ignore[no-any-return]  # (N, 512, 1, 1) → (N, 128)


class Bottleneck(nn.Module):
    """Widen, look at each channel's neighbourhood, narrow again; added to its input where shapes allow."""

    def __init__(self, layers: list[nn.Module], *, skips: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.skips = skips

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.skips else self.layers(x)  # type: ignore[no-any-return]


def _convolution(inside: int, out: int, side: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inside, out, side, stride, side // 2, groups=groups, bias=False), nn.BatchNorm2d(out)]


@dataclass(frozen=True)
class Checkpoint:
    """One of the two ways in which MobileFaceNet was trained and written down.

    Attributes:
        name: whose it is.
        marks: a tensor that only its files have.
        names: patterns of its tensors' names, with ours.
        mean: what is subtracted from pixels in [0, 1].
        std: what they are divided by then.
        template: where it expects the eyes: the reference points of its training crops.
    """

    name: str
    marks: str
    names: Mapping[str, str]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    template: Template

    def module(self) -> MobileFaceNet:
        """The network, with random weights."""
        height, width = self.template.size
        foamliu = self.name == "foamliu"
        rectifier: Literal["prelu", "relu6"] = "relu6" if foamliu else "prelu"
        return MobileFaceNet((height // 16, width // 16), rectifier, mixed=foamliu, bias=foamliu)


def _narrower(template: Template, by: int) -> Template:
    """The same crop with so many pixels less on the left and on the right."""
    height, width = template.size

    def at(point: Point) -> Point:
        return Point((point.x * width - by) / (width - 2 * by), point.y)

    others = {name: at(point) for name, point in template.others.items()}
    return Template((height, width - 2 * by), at(template.right_eye), at(template.left_eye), others)


CHECKPOINTS = (
    Checkpoint(
        "xiaoccer",
        "linear7.conv.weight",
        {
            r"conv1\.conv": "stem.0",
            r"conv1\.bn": "stem.1",
            r"conv1\.prelu": "stem.2",
            r"dw_conv1\.conv": "depth.0",
            r"dw_conv1\.bn": "depth.1",
            r"dw_conv1\.prelu": "depth.2",
            r"blocks\.(\d+)\.conv\.(\d)": r"blocks.\1.layers.\2",
            r"conv2\.conv": "widen.0",
            r"conv2\.bn": "widen.1",
            r"conv2\.prelu": "widen.2",
            r"linear7\.conv": "gather.0",
            r"linear7\.bn": "gather.1",
            r"linear1\.conv": "embed.0",
            r"linear1\.bn": "embed.1",
        },
        mean=(0.5, 0.5, 0.5),  # (pixel − 127.5) / 128
        std=(128 / 255, 128 / 255, 128 / 255),
        template=_narrower(ARCFACE, 8),
    ),
    Checkpoint(
        "foamliu",
        "gdconv.depthwise.weight",
        {
            r"conv1\.([01])": r"stem.\1",
            r"dw_conv\.depthwise": "depth.0",
            r"dw_conv\.bn1": "depth.1",
            r"dw_conv\.pointwise": "depth.3",
            r"dw_conv\.bn2": "depth.4",
            r"features\.(\d+)\.conv\.0\.([01])": r"blocks.\1.layers.\2",
            r"features\.(\d+)\.conv\.1\.0": r"blocks.\1.layers.3",
            r"features\.(\d+)\.conv\.1\.1": r"blocks.\1.layers.4",
            r"features\.(\d+)\.conv\.2": r"blocks.\1.layers.6",
            r"features\.(\d+)\.conv\.3": r"blocks.\1.layers.7",
            r"conv2\.([01])": r"widen.\1",
            r"gdconv\.depthwise": "gather.0",
            r"gdconv\.bn": "gather.1",
            r"conv3": "embed.0",
            r"bn": "embed.1",
        },
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        template=ARCFACE,
    ),
)


def checkpoint_of(state: Mapping[str, Tensor]) -> Checkpoint | None:
    """Which of the two a state dict is; None for anything else."""
    return next((checkpoint for checkpoint in CHECKPOINTS if checkpoint.marks in state), None)


def read_mobilefacenet(path: str | os.PathLike[str], device: str | torch.device = "auto") -> tuple[Model, Checkpoint]:
    """Read one of the two checkpoints, never unpickled: (the network as a whylight model, what is known about it).

    The model's 128 "logits" are the embedding, so that `whylight.targets.similarity(reference)` explains it.

    Raises:
        ModelError: the file is missing, damaged, holds code, is another network, or has weights of the wrong shape.
    """
    state = read_state(Path(path))
    checkpoint = checkpoint_of(state)
    if checkpoint is None:
        known = " or ".join(f"{one.marks!r} ({one.name})" for one in CHECKPOINTS)
        raise ModelError(f"{path}: no MobileFaceNet that whylight knows: it holds no tensor {known}")
    module = checkpoint.module()
    _fill(module, {_ours(name, checkpoint): value for name, value in state.items()}, os.fspath(path))
    module.requires_grad_(False).eval().to(resolve_device(device))
    preprocessing = Preprocess(size=checkpoint.template.size, mean=checkpoint.mean, std=checkpoint.std)
    return Model(module, preprocessing=preprocessing), checkpoint


def _ours(name: str, checkpoint: Checkpoint) -> str:
    stem, _, last = name.rpartition(".")
    for pattern, ours in checkpoint.names.items():
        if found := re.fullmatch(pattern, stem):
            return f"{found.expand(ours)}.{last}"
    return name  # reported as unexpected


def _fill(module: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    wanted = module.state_dict()
    counters = {
        key for key in wanted if key.endswith("num_batches_tracked")
    }  # of training; some exports leave them out
    faults = [f"missing {key}" for key in wanted if key not in state and key not in counters]
    faults += [f"unexpected {key}" for key in state if key not in wanted]
    faults += [
        f"{key} is {tuple(state[key].shape)}, the network's is {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    if faults:
        shown = "; ".join(faults[:4]) + (f"; and {len(faults) - 4} more" if len(faults) > 4 else "")
        raise ModelError(f"{origin} does not fit MobileFaceNet: {shown}")
    module.load_state_dict({**{key: wanted[key] for key in counters}, **state})
