"""What ties an explanation to the model it came from, for as long as both are in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Asking:
    """How the model of an explanation is asked once more.

    Attributes:
        classes: the model's class names.
        explain: takes the explanation and a target; returns one about that target, of the same picture by the same method.
    """

    classes: tuple[str, ...]
    explain: Callable[[Any, Any], Any]
