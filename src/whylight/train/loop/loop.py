"""The training loop: epochs of steps, a checkpoint now and then, the best and the last state on disk."""

from __future__ import annotations

import math
import threading
import time
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.errors import TrainError
from whylight.models.boxhead import BoxHead
from whylight.models.zoo.files import ModelSpec
from whylight.train import checkpoint, report
from whylight.train.config import TrainConfig
from whylight.train.data.augment import Augment
from whylight.train.data.cache import Cache, Features, cache_for
from whylight.train.data.folders import Data
from whylight.train.data.pictures import Pictures, batches, mix
from whylight.train.data.sampling import balanced, repeated
from whylight.train.interruptions import Interrupted, ctrl_c, memory
from whylight.train.loop.distillation import Teacher, imitation_loss
from whylight.train.loop.distributed import Team
from whylight.train.loop.epoch import SUMMED, merit, row_of, tired
from whylight.train.loop.losses import class_weights, local_loss
from whylight.train.loop.optim import Descent
from whylight.train.network import Reader, train_mode
from whylight.train.progress import Progress
from whylight.train.report import Row
from whylight.train.scores import Scores, logits_of

CLIP = 5.0  # longest gradient


class Loop:
    """One run: everything that changes while training, and how it is saved.

    Args:
        config: the run's settings.
        spec: the model's spec.
        module: the network, as training starts.
        data: the pictures.
        team: the processes that train together, and where.
        show: shows how far it is.
    """

    def __init__(
        self, config: TrainConfig, spec: ModelSpec, module: nn.Module, data: Data, team: Team, show: Progress
    ) -> None:
        self.config, self.spec, self.data, self.team, self.show = config, spec, data, team, show
        self.device = team.device
        self.out = Path(config.out)
        self.items = balanced(repeated(data.splits["train"], config.repeat), config.balance, config.seed)
        self.pictures = Pictures(self.items, spec.preprocess, self._augment())
        self.background = data.classes.index(config.background) if config.background is not None else 0
        # Pictures beyond the last whole batch are left out of an epoch, others in each.
        self.steps = max(1, len(self.items) // (config.batch * config.accumulate))
        if team.size > 1:
            self._check_team()
        if config.tensorboard:
            report.check_tensorboard()
        self.box_head: BoxHead | None = None
        self.network = module  # the classifier
        self.module = module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.reader = Reader(self.module, config.size) if config.local else None
        self.counts = [sum(item.label == c for item in self.items) for c in range(len(data.classes))]
        self.weights = class_weights(self.counts).to(self.device) if config.balance == "weight" else None
        self.teacher = Teacher(config.teacher, data.classes, spec.preprocess, self.device) if config.teacher else None
        self.descent = Descent(config, self.module, self.steps)
        self.half = _half(config, self.device)
        self.cache: Cache | None = None
        self.kept: dict[str, Features] = {}
        self.part = 1.0  # see _weight_of_part
        self.epoch, self.step = 0, 0
        self.sums = dict.fromkeys(SUMMED, 0.0)
        self.rows: list[Row] = []
        self.curves = report.Curves(self.out / "curves.png", config)

    def _check_team(self) -> None:
        config = self.config
        if config.local or config.boxes is not None:
            raise TrainError("local and boxes train in one process: start it without torchrun")
        self.team.share([], config.batch)
        if len(self.items) < config.batch * config.accumulate:
            raise TrainError(f"{len(self.items)} training pictures fill no batch of {config.batch}: too few to share")

    def _augment(self) -> Augment | None:
        if not self.config.augment:
            return None
        return Augment(self.config, self.items, self.data.classes, self.spec.preprocess.interpolation)

    def run(self) -> None:
        """Train from where the state is to the last epoch."""
        self._prepare()
        with ctrl_c() as stopped:
            while self.epoch < self.config.epochs and not tired(self.rows, self.config.patience):
                self._epoch(stopped)
                began = time.monotonic()
                scores = self.team.told(self.measure("val") if self.team.first else None)
                assert scores is not None
                self.sums["measuring"] += time.monotonic() - began
                self._finish_epoch(scores)

    def _prepare(self) -> None:
        """Cut the network behind its frozen layers and run these once, where that is all they are needed for."""
        total = len(self.items) + len(self.data.splits["val"])
        plain = self.teacher is None and self.descent.average is None and self.team.size == 1 and not self.half
        self.cache = cache_for(self.config, self.module, total, plain, self.show.say)
        self.front = self.cache.decode if self.cache else self.team.wrap(self.module)
        if self.cache is None or self.epoch == self.config.epochs:
            return
        config, preprocess = self.config, self.spec.preprocess
        began = time.monotonic()
        with (
            self.show.task("running the frozen layers, once", -(-total // config.batch)) as step,
            self._memory("while the frozen layers ran"),
        ):
            for split, items in (("train", self.items), ("val", self.data.splits["val"])):
                self.kept[split] = self.cache.fill(items, preprocess, config, step, whole=split == "train")
        self.sums["frozen"] += time.monotonic() - began

    def _epoch(self, stopped: threading.Event) -> None:
        config, team = self.config, self.team
        dice = torch.Generator().manual_seed(mix(config.seed, self.epoch))
        order = torch.randperm(len(self.items), generator=dice).tolist()[self.step * config.batch * config.accumulate :]
        source = self.kept.get("train", self.pictures)
        source.epoch = self.epoch
        train_mode(self.module, freeze_bn=config.freeze_bn)
        reading = iter(
            batches(
                source,
                config.batch // team.size,
                order=team.share(order, config.batch),
                workers=0 if self.kept else config.workers,
            )
        )
        saved = time.monotonic()
        while self.step < self.steps:
            began = time.monotonic()
            parts = list(islice(reading, config.accumulate))
            read = time.monotonic()
            with self._memory(f"in epoch {self.epoch + 1}, step {self.step + 1}"):
                loss, right = self._learn(parts)
            self.step += 1
            self.sums["loss"] += loss
            self.sums["right"] += right
            self.sums["seconds"] += time.monotonic() - began
            self.sums["loading"] += read - began
            self.show.epoch(
                self.epoch, self.step, self.steps, self.sums["loss"] / self.step, self.sums["right"] / self.step
            )
            if team.mean(float(stopped.is_set())) > 0:
                self.save(last=True)
                raise Interrupted
            late = time.monotonic() - saved >= 60 * config.checkpoint_minutes
            if self.step < self.steps and late:
                self._check_good(parts)
                self.save()
                saved = time.monotonic()

    def _learn(self, parts: list[list[Tensor]]) -> tuple[float, float]:
        """One step: forward, losses and backward for each batch, then the update. Returns loss and share of right answers."""
        torch.manual_seed(mix(self.config.seed, self.epoch, self.step, -1 - self.team.rank))  # dropout
        self.descent.optimizer.zero_grad()
        self.part = self._weight_of_part(parts)
        sums = [0.0, 0.0]
        for x, label, where in parts:
            x = x.to(self.device, memory_format=torch.channels_last) if x.ndim == 4 else x.to(self.device)
            loss, logits = self._loss(x, label.to(self.device), where.to(self.device))
            value = self.team.mean(float(loss.detach()))
            self._check_finite(value, "loss")
            self.team.backward(loss / len(parts))
            sums[0] += value / len(parts)
            sums[1] += self.team.mean((logits.detach().argmax(1).cpu() == label).float().mean().item()) / len(parts)
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
        self._check_finite(float(norm), "gradient")
        self.descent.step()
        return sums[0], sums[1]

    def _weight_of_part(self, parts: list[list[Tensor]]) -> float:
        """What a part's summed loss is divided by, so that every picture of the step counts by its class's weight alone.

        Shared out to processes, or over batches that are added up, the step is that of one large batch.
        """
        label = torch.cat([part[1] for part in parts])
        weight = float(len(label) if self.weights is None else self.weights[label.to(self.device)].sum())
        return self.team.mean(weight) / len(parts)

    def _check_finite(self, value: float, what: str) -> None:
        if math.isfinite(value):
            return
        kept = self.out / checkpoint.LAST
        raise TrainError(
            f"the {what} is {value} in epoch {self.epoch + 1}, step {self.step + 1}: try a lower --lr. "
            + (f"The last good state is kept: {kept}" if kept.exists() else "Nothing was saved yet")
        )

    @torch.no_grad()
    def _check_good(self, parts: list[list[Tensor]]) -> None:
        """See that the weights still give a loss before they take the place of those that do."""
        self.module.eval()
        x, label, where = parts[-1]
        x = x.to(self.device, memory_format=torch.channels_last) if x.ndim == 4 else x.to(self.device)
        loss, _ = self._loss(x, label.to(self.device), where.to(self.device))
        train_mode(self.module, freeze_bn=self.config.freeze_bn)
        self._check_finite(self.team.mean(float(loss)), "loss")

    def _loss(self, x: Tensor, target: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        """What is made small, and the logits (N, C)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits, cells = self.reader(x) if self.reader else (self.front(x), None)
        smoothing = self.config.label_smoothing
        loss = F.cross_entropy(logits.float(), target, self.weights, reduction="sum", label_smoothing=smoothing)
        loss = loss / self.part
        if self.teacher is not None:
            share = self.config.teacher_weight
            loss = (1 - share) * loss + share * imitation_loss(logits.float(), self.teacher(x), self.config.temperature)
        if cells is not None:
            loss = loss + self.config.local * local_loss(cells.float(), target, where, self.background)
        return loss, logits

    def take(self, weights: dict[str, Tensor]) -> None:
        """Put these weights in place of those of training, for good."""
        self.descent.average, self.cache, self.kept = None, None, {}
        self.module.load_state_dict(weights)

    def measure(self, split: str) -> Scores:
        """How good the network is on a split, with the weights as they are."""
        return Scores.of(*self.predict(split))

    def settle(self) -> None:
        """What is chosen once the weights are those that will be stored; here nothing."""

    def predict(self, split: str) -> tuple[Tensor, Tensor]:
        """Logits (N, C) and labels (N,) of a split, with the weights as they are."""
        c, items = self.config, self.data.splits[split]
        with self._memory(f"while measuring on {split}"):
            if self.cache is not None and split in self.kept:
                found = logits_of(self.module, self.cache.decode, self.kept[split], c.batch, 0, self.device)
            else:
                pictures = Pictures(items, self.spec.preprocess)
                found = logits_of(self.descent.judged, self.descent.judged, pictures, c.batch, c.workers, self.device)
        self._check_finite(float(found[0].abs().max()), f"largest score on {split}")
        return found

    def _memory(self, when: str) -> AbstractContextManager[None]:
        c = self.config
        return memory(f"{when}, on {self.device} with --batch {c.batch} at --size {c.size}", self.out)

    def _finish_epoch(self, scores: Scores) -> None:
        row = row_of(self.epoch + 1, self.descent.rate, self.steps, self.sums, scores)
        best = min((merit(r) for r in self.rows), default=None)
        self.rows.append(row)
        self.epoch, self.step, self.sums = self.epoch + 1, 0, dict.fromkeys(self.sums, 0.0)
        self.show.finished(row, self.config.epochs)
        if not self.team.first:
            return
        if self.config.keep == "last" or best is None or merit(row) < best:
            checkpoint.save(self.out / checkpoint.BEST, {"module": self.descent.judged.state_dict(), "row": row})
        self.save(last=self.epoch == self.config.epochs or tired(self.rows, self.config.patience))
        report.write_metrics(self.out / "metrics.csv", self.rows)
        if self.config.tensorboard:
            report.write_tensorboard(self.out / "tensorboard", row)

    def save(self, *, last: bool = False) -> None:
        """Write the last state, and draw the curves where they are old, or nothing follows."""
        if self.team.first:
            changing = {"epoch": self.epoch, "step": self.step, "sums": self.sums, "rows": self.rows}
            checkpoint.save(self.out / checkpoint.LAST, {**self.descent.state(), **changing})
            self.curves.renew(self.rows, now=last)

    def restore(self) -> None:
        """Go back to the last state, if one was saved: a run ends bit for bit where it would have ended without the stop.

        Raises:
            TrainError: if it is another architecture's.
        """
        path = self.out / checkpoint.LAST
        if not path.exists():
            return
        state = checkpoint.load(path, "epoch", "step", "sums", "rows")
        try:
            self.descent.restore(state)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise TrainError(f"{path}: this checkpoint cannot be read ({error!r})") from error
        except RuntimeError as error:
            what = str(error).splitlines()[0]
            raise TrainError(f"{path}: made with another architecture than {self.config.arch}: {what}") from error
        self.epoch, self.step, self.sums, self.rows = (state[name] for name in ("epoch", "step", "sums", "rows"))


def _half(config: TrainConfig, device: torch.device) -> bool:
    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return config.precision == "bf16"
