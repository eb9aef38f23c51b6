"""What comes out: the evidence for one target in one picture, and the receipt that says whether it can be trusted."""

from whylight.explanation.asking import Asking
from whylight.explanation.beside import grid
from whylight.explanation.documents import document
from whylight.explanation.drawing import drawn
from whylight.explanation.explanation import REDUCED, Explanation, View
from whylight.explanation.heat import NOTHING, Scale
from whylight.explanation.receipt import Receipt
from whylight.explanation.several import Explanations, view

__all__ = [
    "NOTHING",
    "REDUCED",
    "Asking",
    "Explanation",
    "Explanations",
    "Receipt",
    "Scale",
    "View",
    "document",
    "drawn",
    "grid",
    "view",
]
