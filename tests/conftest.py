"""What all tests share: a real photograph, and the research data where it is at hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from whylight.allocator import give_back

ROOT = Path(__file__).resolve().parent.parent

# A shell that starts the tests in the background has them ignore Ctrl-C, and so would every process that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def memory_goes_back() -> Iterator[None]:
    """Commands that run in this process tell the allocator to keep what was used once: good for them, too much for all files."""
    yield
    give_back()


@pytest.fixture(autouse=True)
def signals_are_as_they_were() -> Iterator[None]:
    """A command that runs in this process hands back what it does at Ctrl-C: the next one would end the tests with it."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    after = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert after == before


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def photo() -> Path:
    """A real public-domain photograph, 512 × 512: an astronaut, her face at about x 170…280, y 60…200."""
    return ROOT / "examples" / "astronaut.jpg"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The research data, which is not part of the project: tests that need it skip where it is absent."""
    folder = Path(os.environ.get("WHYLIGHT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no research data at {folder}; set WHYLIGHT_DATA to its folder")
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """No threads but the main one, for tests that fork: a forked process has none but its own, and would wait for the others."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
