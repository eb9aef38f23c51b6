"""A small network for embeddings, for the tests of galleries."""

from __future__ import annotations

import pytest

import whylight
from galleries import TEMPLATE
from nets import gap_net
from whylight.faces.embed import Embedder, embedder_of


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return embedder_of(whylight.wrap(gap_net(classes=4), size=32), "small", template=TEMPLATE)
