"""Train image classifiers on labels only: `train(TrainConfig(...))` makes a run folder that `whylight.load` reads."""

from __future__ import annotations

from whylight.train.config import TrainConfig
from whylight.train.interruptions import Interrupted
from whylight.train.run import Result, resume, train

__all__ = ["Interrupted", "Result", "TrainConfig", "resume", "train"]
