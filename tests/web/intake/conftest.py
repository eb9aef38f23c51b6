"""One child process for all these tests, but for those that end it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from whylight.web.intake import Decoders


@pytest.fixture(scope="package")
def decoders() -> Iterator[Decoders]:
    with Decoders(count=1) as made:
        made.warm()
        yield made
