"""What of a run is saved: all that changes, so that it ends where it would have ended without the stop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.errors import TrainError
from whylight.train import optim

if TYPE_CHECKING:
    from whylight.train.loop import Loop


def of(loop: Loop) -> dict[str, Any]:
    """Everything that changes while training."""
    return {
        "module": loop.module.state_dict(),
        "optimizer": loop.optimizer.state_dict(),
        "schedule": optim.state_of(loop.schedule),
        "epoch": loop.epoch,
        "step": loop.step,
        "sums": loop.sums,
        "rows": loop.rows,
        **({} if loop.average is None else {"average": loop.average.state_dict()}),
    }


def put(loop: Loop, state: dict[str, Any], path: Path) -> None:
    """Bring a run to a state that was read from `path`.

    Raises:
        TrainError: if it is another architecture's.
    """
    try:
        loop.module.load_state_dict(state["module"])
    except RuntimeError as error:
        raise TrainError(
            f"{path}: made with another architecture than {loop.config.arch}: {str(error).splitlines()[0]}"
        ) from error
    loop.optimizer.load_state_dict(state["optimizer"])
    optim.restore(loop.schedule, state["schedule"])
    if loop.average is not None:
        loop.average.load_state_dict(state["average"])
    loop.epoch, loop.step = state["epoch"], state["step"]
    loop.sums, loop.rows = state["sums"], state["rows"]
