"""What a job of the kind `maps` sets, and what it tells at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from whylight.schema import Text
from whylight.work.wrapping import Wrapping


@dataclass(frozen=True)
class Settings(Wrapping):
    """How maps are made and kept.

    Attributes:
        part_size: pictures in a part; default: what suits the method, or what the run has.
        column, root: of manifests: the column with names, and the folder that they begin at.
        boxes: also keep the boxes around the strongest evidence.
        retry_failed: ask again about pictures that failed.
        dry_run: plan, and ask about a few pictures to tell what all of them would take; nothing is written.
    """

    part_size: int | None = None
    column: Text | None = None
    root: Text | None = None
    boxes: bool = True
    retry_failed: bool = False
    dry_run: bool = False


class Estimate(NamedTuple):
    """What a run would take, measured on some of its pictures.

    Attributes:
        pictures: how many there are, and `left`: how many are still to do.
        sample: how many were asked about; those that failed are not counted.
        rate: pictures a second, here.
        cores: of this machine.
        bytes: that a picture takes in the store.
        notes: what was odd about the inputs.
    """

    pictures: int
    left: int
    sample: int
    rate: float
    cores: int
    bytes: float
    notes: list[str]


class Told(NamedTuple):
    """What a run tells at the end.

    Attributes:
        pictures, maps, failed, bytes: what the store holds.
        before: pictures that were there already.
        notes: what was odd about the inputs.
        is_complete: whether all that was planned is there.
    """

    pictures: int
    maps: int
    failed: int
    bytes: int
    before: int
    notes: list[str]
    is_complete: bool
