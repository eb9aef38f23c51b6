"""Line plots as SVG that takes the page's colours, so that it reads by day and by night."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from whylight.evaluate.figures import Curve

# Okabe and Ito's colours, which colour-blind readers tell apart too, without those that vanish on white or black.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c564b", "#7f6fd9")
GREYS = ("#8a8a93", "#b0a79a", "#6f7f8a")
_INK, _LINE = "#0a0b0c", "#0d0e0f"  # stand for the page's own, which replace them


def colours(methods: Sequence[str], baselines: Sequence[str]) -> dict[str, str]:
    """A colour for each method: greys for the baselines."""
    own = [name for name in methods if name not in baselines]
    found = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(own)}
    return found | {name: GREYS[place % len(GREYS)] for place, name in enumerate(baselines)}


def plot(
    name: str, curves: Sequence[Curve], x: str, y: str, colour: dict[str, str], baselines: Sequence[str] = ()
) -> str:
    """Draw curves into one SVG element, small enough to read on a phone.

    Args:
        name: of the plot; makes the SVG's own names unlike those of others on the page.
        curves: the lines.
        x, y: what the axes are.
        colour: of each line.
        baselines: lines that are dashed.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 10}):
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        for curve in curves:
            dashed = curve.name in baselines
            axes.plot(
                curve.x,
                curve.y,
                color=colour.get(curve.name, "gray"),
                lw=1.4 if dashed else 2.0,
                ls="--" if dashed else "-",
            )
        axes.set_xlabel(x, color=_INK)
        axes.set_ylabel(y, color=_INK)
        axes.tick_params(colors=_INK, length=3)
        axes.grid(color=_LINE, lw=0.8)
        axes.set_axisbelow(True)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(_INK)
        drawn = io.StringIO()
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    svg = drawn.getvalue()
    head, _, rest = svg[svg.index("<svg") :].partition(">")
    sized = re.sub(r'\s(?:width|height)="[^"]*"', "", head)  # the page decides how large it is
    return f'{sized} role="img">{rest}'.replace(_INK, "var(--ink)").replace(_LINE, "var(--line)")
