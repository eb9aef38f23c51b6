"""How the weights move: optimiser, learning rate, moving average."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel

from whylight.errors import TrainError
from whylight.train.config import TrainConfig


def optimizer(config: TrainConfig, module: nn.Module) -> torch.optim.Optimizer:
    """The optimiser of all that is trained; no weight decay on biases and norms.

    With `layer_decay` each group of layers has the rate of the one behind it times that factor (Clark et al., ELECTRA 2020),
    grouped by timm.

    Raises:
        TrainError: if the layers cannot be grouped.
    """
    if config.layer_decay is None:
        trained = [p for p in module.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
        ]
    else:
        from timm.optim import param_groups_layer_decay

        try:
            groups = param_groups_layer_decay(module, config.weight_decay, layer_decay=config.layer_decay)
        except (AttributeError, AssertionError, KeyError, ValueError) as error:
            raise TrainError(
                f"layer_decay: the layers of {type(module).__name__} cannot be grouped ({error})"
            ) from error
        groups = [
            {"params": g["params"], "weight_decay": g["weight_decay"], "lr": config.lr * g["lr_scale"]} for g in groups
        ]
    make = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return make([group for group in groups if group["params"]], lr=config.lr)


def schedule(config: TrainConfig, moved: torch.optim.Optimizer, steps: int) -> LRScheduler:
    """What the learning rate does over `steps` steps an epoch."""
    total = steps * config.epochs
    if config.schedule == "one-cycle":
        highest = [group["lr"] for group in moved.param_groups]
        share = min(max(config.warmup, 2 / (total + 1)), 0.99)
        return OneCycleLR(moved, highest, total_steps=total + 1, pct_start=share)

    def rate(step: int) -> float:
        """Share of the highest rate: up in a line, then (cosine) down to zero."""
        warmup = max(1.0, total * config.warmup)
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if config.schedule == "constant":
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, total - warmup)))

    return LambdaLR(moved, rate)


def state_of(moves: LRScheduler) -> dict[str, Any]:
    """The state that is stored: without functions, which are made anew."""
    return {key: value for key, value in moves.state_dict().items() if key not in ("lr_lambdas", "_anneal_func_type")}


def restore(moves: LRScheduler, state: dict[str, Any]) -> None:
    """Go back to a stored state."""
    own = {key: value for key, value in moves.state_dict().items() if key not in state}
    moves.load_state_dict({**state, **own})


def moving_average(config: TrainConfig, module: nn.Module) -> AveragedModel | None:
    """The network whose weights are the moving average of the trained one's; None where none is kept.

    After n steps the decay is (1 + n) / (10 + n), and at most the one asked for: a short run is not held to its first weights.
    """
    if config.ema is None:
        return None
    most = config.ema

    def mean(average: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
        decay = min(most, (1 + int(count)) / (10 + int(count)))
        return average + (1 - decay) * (value - average)

    return AveragedModel(module, avg_fn=mean, use_buffers=True)


class Descent:
    """A network's weights on their way down: optimiser, learning rate and moving average together, and what is stored of them.

    Args:
        config: the run's settings.
        module: the network.
        steps: steps in an epoch.
    """

    def __init__(self, config: TrainConfig, module: nn.Module, steps: int) -> None:
        self.module = module
        self.optimizer = optimizer(config, module)
        self.schedule = schedule(config, self.optimizer, steps)
        self.average = moving_average(config, module)

    @property
    def judged(self) -> nn.Module:
        """The network that is measured and stored: with the weights' moving average, where one is kept."""
        return self.module if self.average is None else self.average.module

    @property
    def rate(self) -> float:
        """The highest learning rate of any layer at present."""
        return float(max(self.schedule.get_last_lr()))

    def step(self) -> None:
        """Move the weights along their gradients."""
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.module)

    def state(self) -> dict[str, Any]:
        """All that changes with the steps."""
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": state_of(self.schedule),
            **({} if self.average is None else {"average": self.average.state_dict()}),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a stored state.

        Raises:
            RuntimeError: if it is another architecture's.
        """
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        restore(self.schedule, state["schedule"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
