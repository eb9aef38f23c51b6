"""The training loop for a classifier with a box head: other pictures, a longer loss, more to measure; the rest is `Loop`."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.errors import DataError
from whylight.images import size_of
from whylight.models import boxhead as boxes
from whylight.models.boxhead import BoxHead, BoxSpec
from whylight.models.zoo.files import ModelSpec, load_box_head, own_spec
from whylight.train.box_scores import BoxScores, Judged, choose_threshold, judge
from whylight.train.boxes.augment import BoxAugment, stretched
from whylight.train.boxes.data import BoxPictures, Learned
from whylight.train.boxes.loss import total
from whylight.train.config import TrainConfig
from whylight.train.data.folders import Data
from whylight.train.data.pictures import Pictures, batches, mix
from whylight.train.loop.loop import Loop
from whylight.train.loop.team import Team
from whylight.train.network import WithBoxes
from whylight.train.progress import Progress
from whylight.train.scores import Scores


class BoxLoop(Loop):
    """A run with boxes. The arguments are those of `Loop`; the box head is made here, or taken over with the weights."""

    def __init__(
        self,
        config: TrainConfig,
        spec: ModelSpec,
        module: nn.Module,
        data: Data,
        team: Team,
        show: Progress,
    ) -> None:
        for part, items in data.splits.items():
            if not any(item.boxes for item in items):
                raise DataError(f"{data.root}: no picture in {part} has a box: there is nothing to learn or measure")
        numbers = tuple(k for k, name in enumerate(data.classes) if name != config.background)
        both = WithBoxes(module, config.size, lambda grid: _head(config, data, numbers, grid))
        super().__init__(config, replace(spec, boxes=both.box_head.spec), both, data, team, show)
        self.both, self.network, self.box_head = both, module, both.box_head
        augment = BoxAugment(config, self.items, data.classes, spec.preprocess.interpolation)
        self.pictures = BoxPictures(self.items, spec.preprocess, augment, Learned(numbers, both.grid))
        self.size = spec.preprocess.size
        self.drawn = {
            part: [stretched(item.boxes, size_of(item.path), self.size) for item in items]
            for part, items in data.splits.items()
            if part != "train"
        }

    def _loss(self, x: Tensor, target: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits, out = self.both.both(x)
        loss = F.cross_entropy(logits.float(), target, self.weights)
        return loss + total(self.both.box_head, out.float(), where, self.size, self.config.box_loss), logits

    def measure(self, split: str) -> Scores:
        """How good the classifier and the box head are on a split, with the weights as they are."""
        logits, label, judged = self._look(split)
        threshold = self.both.box_head.spec.threshold
        return replace(Scores.of(logits, label), boxes=BoxScores.of(judged, threshold))

    def settle(self) -> None:
        """Choose the score from which on a box counts, on the validation pictures."""
        head = self.both.box_head
        head.spec = replace(head.spec, threshold=choose_threshold(self._look("val")[2]))
        self.spec = replace(self.spec, boxes=head.spec)

    @torch.no_grad()
    def _look(self, split: str) -> tuple[Tensor, Tensor, list[Judged]]:
        """Logits (N, C), labels (N,), and the boxes found held against those drawn."""
        c, items, head = self.config, self.data.splits[split], self.both.box_head
        logits, labels, judged, drawn = [], [], list[Judged](), self.drawn[split]
        self.both.eval()
        with self._memory(f"while measuring on {split}"):
            for x, label, _ in batches(Pictures(items, self.spec.preprocess), c.batch, workers=c.workers):
                some, out = self.both.both(x.to(self.device, memory_format=torch.channels_last))
                found = boxes.read(head, out, self.size, some)
                judged += judge(found, drawn[: len(x)], head.spec.classes)
                drawn = drawn[len(x) :]
                logits.append(some.float().cpu())
                labels.append(label)
        return torch.cat(logits), torch.cat(labels), judged


def _head(config: TrainConfig, data: Data, numbers: tuple[int, ...], grid: Tensor) -> BoxHead:
    """A new box head for a grid, or the one of the model that the weights come from, if it fits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(config.seed, -2))
        head = BoxHead(BoxSpec(numbers, grid.shape[1]))
    own = own_spec(config.weights) if config.weights is not None else None
    if own is None or own.boxes is None or own.classes != data.classes or config.weights is None:
        return head
    if replace(own.boxes, threshold=head.spec.threshold) != head.spec:
        return head
    return load_box_head(config.weights, own) or head
