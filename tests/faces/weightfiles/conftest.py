"""Weights that the tests of all forms read."""

from __future__ import annotations

import pytest

from vggfiles import (
    State,
    random_state,
)


@pytest.fixture(scope="module")
def state() -> State:
    return random_state()
