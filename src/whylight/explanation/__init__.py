"""What comes out: the evidence for one target in one picture, and the receipt that says whether it can be trusted."""

from whylight.explanation.drawing import drawn
from whylight.explanation.explanation import NOTHING, REDUCED, Explanation, View
from whylight.explanation.heat import Scale
from whylight.explanation.receipt import Receipt

__all__ = ["NOTHING", "REDUCED", "Explanation", "Receipt", "Scale", "View", "drawn"]
