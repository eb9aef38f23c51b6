"""The training loop: epochs of steps, a checkpoint now and then, the best and the last state on disk."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from whylight.errors import TrainError
from whylight.models.boxes import BoxHead
from whylight.models.files import ModelSpec
from whylight.train import checkpoint, report
from whylight.train.augment import Augment
from whylight.train.config import TrainConfig
from whylight.train.data import Data, Pictures, batches, mix, repeated
from whylight.train.evaluate import Scores, logits_of
from whylight.train.losses import class_weights, local_loss
from whylight.train.network import Reader, train_mode
from whylight.train.report import Row

CLIP = 5.0  # longest gradient


class Interrupted(Exception):
    """Training was stopped by Ctrl-C, after its state was saved."""


class Loop:
    """One run: everything that changes while training, and how it is saved.

    Args:
        config: the run's settings.
        spec: the model's spec.
        module: the network, as training starts.
        data: the pictures.
        device: where to train.
        tell: called after each step with (epoch, step, steps an epoch, running loss, running accuracy).
    """

    def __init__(
        self,
        config: TrainConfig,
        spec: ModelSpec,
        module: nn.Module,
        data: Data,
        device: torch.device,
        tell: Callable[[int, int, int, float, float], None],
    ) -> None:
        self.config, self.spec, self.data, self.device, self.tell = config, spec, data, device, tell
        self.out = Path(config.out)
        self.items = repeated(data.splits["train"], config.repeat)
        self.pictures = Pictures(
            self.items, spec.preprocess, Augment(config, self.items, data.classes, spec.preprocess.interpolation)
        )
        self.background = data.classes.index(config.background) if config.background is not None else 0
        self.steps = max(1, len(self.items) // config.batch)  # a last, smaller batch is left out
        self.box_head: BoxHead | None = None
        self.network = module  # the classifier
        self.module = module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.reader = Reader(self.module, config.size) if config.local else None
        self.weights = class_weights(data.counts("train")).to(device) if config.balance else None
        self.optimizer = _optimizer(config, self.module)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)
        self.half = _half(config, device)
        self.epoch, self.step = 0, 0
        self.sums = {"loss": 0.0, "right": 0.0, "seconds": 0.0}
        self.rows: list[Row] = []

    def _rate(self, step: int) -> float:
        """Share of the learning rate at a step: up in a line, then (cosine) down to zero."""
        total = self.steps * self.config.epochs
        warmup = max(1.0, total * self.config.warmup)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if self.config.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, total - warmup)))

    def run(self) -> None:
        """Train from where the state is to the last epoch."""
        with _ctrl_c() as stopped:
            while self.epoch < self.config.epochs:
                self._epoch(stopped)
                self._finish_epoch(self.measure("val"))

    def _epoch(self, stopped: threading.Event) -> None:
        config = self.config
        order = torch.randperm(
            len(self.items), generator=torch.Generator().manual_seed(mix(config.seed, self.epoch))
        ).tolist()[self.step * config.batch :]
        self.pictures.epoch = self.epoch
        train_mode(self.module, freeze_bn=config.freeze_bn)
        saved = time.monotonic()
        for x, label, where in batches(self.pictures, config.batch, order=order, workers=config.workers):
            if self.step == self.steps:
                break
            began = time.monotonic()
            with self._memory(f"in epoch {self.epoch + 1}, step {self.step + 1}"):
                loss, logits = self._learn(x, label, where)
            self.step += 1
            self.sums["loss"] += loss
            self.sums["right"] += (logits.argmax(1).cpu() == label).float().mean().item()
            self.sums["seconds"] += time.monotonic() - began
            self.tell(self.epoch, self.step, self.steps, self.sums["loss"] / self.step, self.sums["right"] / self.step)
            if stopped.is_set():
                self.save()
                raise Interrupted
            if self.step < self.steps and time.monotonic() - saved >= 60 * config.checkpoint_minutes:
                self.save()
                saved = time.monotonic()

    def _learn(self, x: Tensor, label: Tensor, where: Tensor) -> tuple[float, Tensor]:
        """One step: forward, losses, backward, update."""
        torch.manual_seed(mix(self.config.seed, self.epoch, self.step, -1))  # dropout depends on the step alone
        x = x.to(self.device, memory_format=torch.channels_last)
        target, where = label.to(self.device), where.to(self.device)
        loss, logits = self._loss(x, target, where)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainError(f"the loss is {value} in epoch {self.epoch + 1}, step {self.step + 1}: try a lower --lr")
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.module.parameters(), CLIP)
        self.optimizer.step()
        self.schedule.step()
        return value, logits.detach()

    def _loss(self, x: Tensor, target: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        """What is made small, and the logits (N, C)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            logits, cells = self.reader(x) if self.reader else (self.module(x), None)
        loss = F.cross_entropy(logits.float(), target, self.weights)
        if cells is not None:
            loss = loss + self.config.local * local_loss(cells.float(), target, where, self.background)
        return loss, logits

    def measure(self, split: str) -> Scores:
        """How good the network is on a split, with the weights as they are."""
        return Scores.of(*self.predict(split))

    def settle(self) -> None:
        """What is chosen once the weights are those that will be stored; here nothing."""

    def predict(self, split: str) -> tuple[Tensor, Tensor]:
        """Logits (N, C) and labels (N,) of a split, with the weights as they are."""
        c, items = self.config, self.data.splits[split]
        with self._memory(f"while measuring on {split}"):
            return logits_of(self.module, items, self.spec.preprocess, c.batch, c.workers, self.device)

    @contextmanager
    def _memory(self, when: str) -> Iterator[None]:
        """A shortage of memory ends the run, clearly: halving the batch in silence would make it another run."""
        try:
            yield
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            raise TrainError(
                f"out of memory {when}, on {self.device} with --batch {self.config.batch} at --size {self.config.size}. "
                f"Once more memory is free, go on from the last save: whylight train --resume {self.out}. Or begin "
                "another run with a smaller --batch"
            ) from error

    def _finish_epoch(self, scores: Scores) -> None:
        row = {
            "epoch": self.epoch + 1,
            "lr": float(self.schedule.get_last_lr()[0]),
            "train_loss": self.sums["loss"] / self.steps,
            "train_accuracy": self.sums["right"] / self.steps,
            "val_loss": scores.loss,
            "val_accuracy": scores.accuracy,
            "val_balanced_accuracy": scores.balanced_accuracy,
            **({} if scores.boxes is None else {"val_average_precision": scores.boxes.average_precision}),
            "seconds": round(self.sums["seconds"], 1),
        }
        best = min((_merit(r) for r in self.rows), default=None)
        self.rows.append(row)
        self.epoch, self.step = self.epoch + 1, 0
        self.sums = dict.fromkeys(self.sums, 0.0)
        if best is None or _merit(row) < best:
            checkpoint.save(self.out / checkpoint.BEST, {"module": self.module.state_dict(), "row": row})
        self.save()
        report.write_metrics(self.out / "metrics.csv", self.rows)
        report.write_curves(self.out / "curves.png", self.rows, local=self.config.local > 0)

    def save(self) -> None:
        """Write the last state."""
        state: dict[str, Any] = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": {k: v for k, v in self.schedule.state_dict().items() if k != "lr_lambdas"},
            "epoch": self.epoch,
            "step": self.step,
            "sums": self.sums,
            "rows": self.rows,
        }
        checkpoint.save(self.out / checkpoint.LAST, state)

    def restore(self) -> None:
        """Go back to the last state, if one was saved."""
        path = self.out / checkpoint.LAST
        if not path.exists():
            return
        state = checkpoint.load(path)
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict({**state["schedule"], "lr_lambdas": [None] * len(self.optimizer.param_groups)})
        self.epoch, self.step = state["epoch"], state["step"]
        self.sums, self.rows = state["sums"], state["rows"]


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; the processor's and Apple's are plain RuntimeErrors."""
    text = str(error).lower()
    told = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(words in text for words in told)


def _merit(row: Row) -> tuple[float, float]:
    """Sorts epochs, the best first: by balanced accuracy in validation (and average precision, with boxes), then by loss."""
    return -row["val_balanced_accuracy"] - row.get("val_average_precision", 0.0), row["val_loss"]


def _optimizer(config: TrainConfig, module: nn.Module) -> torch.optim.Optimizer:
    trained = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},  # biases and norms
    ]
    make = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return make([group for group in groups if group["params"]], lr=config.lr)


def _half(config: TrainConfig, device: torch.device) -> bool:
    if config.precision == "auto":
        return device.type == "cuda" and torch.cuda.is_bf16_supported()
    return config.precision == "bf16"


@contextmanager
def _ctrl_c() -> Iterator[threading.Event]:
    """The first Ctrl-C asks the loop to save and stop; the second one stops at once."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.getsignal(signal.SIGINT)

    def ask(number: int, frame: object) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, ask)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
