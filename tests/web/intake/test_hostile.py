"""A part of the hostile uploads; `python -m benchmarks.web.hostile` runs all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from hostile import good, uploads
from ordeal import costs
from whylight.web.intake import Decoders

EVERY = 40


def mixed() -> Iterator[tuple[str, bytes]]:
    """Every so many hostile ones, and a good one after each ten."""
    fine = list(good().items())
    for number, upload in enumerate(islice(uploads(), 0, None, EVERY)):
        yield upload
        if number % 10 == 9:
            name, data = fine[number // 10 % len(fine)]
            yield f"good/{name} {number}", data


@pytest.mark.skipif(sys.platform != "linux", reason="a child's memory is read from /proc")
@pytest.mark.long
def test_each_is_taken_or_refused_and_none_costs_too_much(decoders: Decoders, tmp_path: Path) -> None:
    found = list(costs(decoders, mixed(), tmp_path))
    assert len(found) > 40
    assert {cost.refused.status for cost in found if cost.refused} == {400, 413, 415}
    assert not [
        cost for cost in found if cost.refused is not None and cost.refused.__cause__ is not None
    ]  # faults of ours
    assert not [cost for cost in found if cost.files != ([] if cost.refused else ["picture.ppm", "view.jpg"])]
    assert not [cost for cost in found if cost.seconds > 2 or (cost.memory or 0) > 256e6]
    assert not [cost for cost in found if cost.name.startswith("good/") and cost.refused]
