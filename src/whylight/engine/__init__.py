"""From a batch of inputs to raw maps: one forward, and at most one backward through the head for each target."""

from whylight.engine.batches import in_batches
from whylight.engine.compute import Seen, as_method, look, maps
from whylight.engine.scene import Precision, Tick

__all__ = ["Precision", "Seen", "Tick", "as_method", "in_batches", "look", "maps"]
