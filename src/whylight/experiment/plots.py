"""The plots of an experiment's report."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from whylight.evaluate.bootstrap import Interval
from whylight.evaluate.reports.plots import PALETTE
from whylight.experiment.curves import SHARES, macro_precision, macro_roc, reliability
from whylight.experiment.findings import Figure, Measured, open_ended, value
from whylight.experiment.recipe import Factor
from whylight.render.colormap import DEFAULT

INK, LINE, FAINT = "#1b1b1f", "#d9d9e0", "#8a8a93"
CORNER = 0.2  # the share of both axes that an inset shows
INSET = (0.3, 0.12, 0.55, 0.55)  # where it lies: left, bottom, width, height, as shares of the axes
GAP = 0.04  # that curves keep from it
WIDE = 20.0  # an axis whose numbers differ by more is a logarithmic one
MOST_CLASSES = 12  # beyond these, names no longer fit along an axis


def png(canvas: Canvas) -> bytes:
    """The drawn plot as a PNG file."""
    with io.BytesIO() as file:
        canvas.savefig(file, format="png")
        return file.getvalue()


def _canvas(width: float, height: float) -> Canvas:
    canvas = Canvas(figsize=(width, height), layout="constrained", dpi=130)
    FigureCanvasAgg(canvas)
    return canvas


def _clean(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)


def _legend(canvas: Canvas, axes: Axes, count: int, most: int = 6) -> None:
    """Below the plots, where there is more than one line to tell apart."""
    if count > 1:
        canvas.legend(
            *axes.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=min(count, most),
            frameon=False,
            fontsize=8,
        )


def colours(arms: Sequence[Measured]) -> dict[str, str]:
    """A colour for each arm."""
    return {arm.name: PALETTE[place % len(PALETTE)] for place, arm in enumerate(arms)}


def against(figures: Sequence[Figure], factors: Sequence[Factor], arms: Sequence[Measured]) -> Canvas:
    """Figures side by side: along the first factor's numbers, a line for each choice of the others; or a row for each arm."""
    numbers = factors[0].numbers
    if numbers is None or len(set(numbers)) < 2:
        return _rows(figures, arms)
    canvas = _canvas(3.6 * len(figures) + 0.4, 3.4)
    others: dict[tuple[str, ...], list[Measured]] = {}
    for arm in arms:
        others.setdefault(arm.arm.levels[1:], []).append(arm)
    at = dict(zip((level.name for level in factors[0].levels), numbers, strict=True))
    percent = " (%)" if any("%" in level.name for level in factors[0].levels) else ""
    panels = np.atleast_1d(canvas.subplots(1, len(figures)))
    for axes, figure in zip(panels, figures, strict=True):
        for colour, (rest, own) in zip(itertools.cycle(PALETTE), others.items()):
            found = [(at[arm.arm.levels[0]], v) for arm in own if (v := value(figure, arm)) is not None]
            x, mean = [place for place, _ in found], [v.mean for _, v in found]
            axes.plot(x, mean, "-", lw=1.6, color=colour, label=", ".join(rest))
            for place, v in found:
                _point(axes, (place, place), v, figure.unit, colour, upright=True)
        axes.set_title(figure.name, fontsize=10, color=INK)
        axes.set_xlabel(factors[0].name + percent, fontsize=9)
        if min(numbers) > 0 and max(numbers) / min(numbers) > WIDE:
            axes.set_xscale("log")
        axes.set_ylabel(figure.unit, fontsize=9)
        _clean(axes)
    _legend(canvas, panels[0], len(others))
    return canvas


def _point(axes: Axes, at: tuple[float, float], v: Interval, unit: str, colour: str, *, upright: bool) -> None:
    """A figure with its interval; hollow and alone, where the interval says nothing: a short line would pass for certainty."""
    nothing = open_ended(v, unit)
    if v.low is not None and v.high is not None and not nothing:
        ends = (at, (v.low, v.high)) if upright else ((v.low, v.high), at)
        axes.plot(*ends, color=colour, lw=3.0, alpha=0.35, solid_capstyle="butt")
    place = (at[0], v.mean) if upright else (v.mean, at[0])
    axes.plot(*place, "o", ms=6, color=colour, mfc="white" if nothing else colour)


def _rows(figures: Sequence[Figure], arms: Sequence[Measured]) -> Canvas:
    canvas = _canvas(3.6 * len(figures) + 1.2, 0.9 + 0.36 * len(arms))
    panels = np.atleast_1d(canvas.subplots(1, len(figures), sharey=True))
    colour = colours(arms)
    for axes, figure in zip(panels, figures, strict=True):
        for place, arm in enumerate(arms):
            if (v := value(figure, arm)) is None:
                continue
            _point(axes, (place, place), v, figure.unit, colour[arm.name], upright=False)
        axes.set_yticks(range(len(arms)), [arm.name for arm in arms])
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.set_title(figure.name, fontsize=10, color=INK)
        axes.set_xlabel(figure.unit, fontsize=9)
        _clean(axes)
    return canvas


def learning(arms: Sequence[Measured]) -> Canvas:
    """Training loss, validation loss and accuracy by epoch: the mean over seeds, in a band from the least to the most."""
    canvas = _canvas(11, 3.5)
    panels = canvas.subplots(1, 3)
    kinds = (("train_loss", "Training loss", 1.0), ("val_loss", "Validation loss", 1.0))
    colour = colours(arms)
    for axes, (key, title, times) in zip(
        panels, (*kinds, ("val_accuracy", "Validation accuracy (%)", 100.0)), strict=True
    ):
        for arm in arms:
            lines = [[times * row[key] for row in run.facts["rows"]] for run in arm.runs]
            epochs = range(1, min(map(len, lines)) + 1)
            values = np.array([line[: len(epochs)] for line in lines])
            style = "o-" if len(epochs) == 1 else "-"
            axes.plot(epochs, values.mean(0), style, ms=4, lw=1.6, color=colour[arm.name], label=arm.name)
            if len(lines) > 1:
                axes.fill_between(epochs, values.min(0), values.max(0), color=colour[arm.name], alpha=0.15, lw=0)
        axes.set_title(title, fontsize=10, color=INK)
        axes.set_xlabel("epoch", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _clean(axes)
    _legend(canvas, panels[0], len(arms))
    return canvas


def ranking(arms: Sequence[Measured]) -> Canvas:
    """ROC curves, the mean over classes (each against the rest) and seeds, with the area under each."""
    curves = {
        arm.name: torch.stack([macro_roc(run.probability, run.label) for run in arm.runs]).mean(0) for arm in arms
    }
    canvas, axes = _square("ROC, and the area under it")
    axes.plot([0, 1], [0, 1], "--", color=FAINT, lw=1)
    axes.set(xlabel="false positive rate", ylabel="true positive rate")
    _curves(axes, curves, arms, (0.0, CORNER))
    _legend(canvas, axes, len(arms), most=3)
    return canvas


def precision(arms: Sequence[Measured]) -> Canvas:
    """Precision by recall, the mean over classes (each against the rest) and seeds, with the area under each."""
    curves = {
        arm.name: torch.stack([macro_precision(run.probability, run.label) for run in arm.runs]).mean(0) for arm in arms
    }
    canvas, axes = _square("Precision by recall, and the area under it")
    axes.set(xlabel="recall", ylabel="precision")
    _curves(axes, curves, arms, (1.0 - CORNER, 1.0))
    _legend(canvas, axes, len(arms), most=3)
    return canvas


def _curves(axes: Axes, curves: Mapping[str, Tensor], arms: Sequence[Measured], along: tuple[float, float]) -> None:
    """Curves over `SHARES`; and in an inset the corner where those of good networks crowd, `along` the x axis.

    Where a curve passes through the inset's place, it is no good network's, and there is nothing to enlarge.
    """
    colour = colours(arms)
    for name, curve in curves.items():
        area = float(torch.trapezoid(curve, SHARES))
        axes.plot(SHARES, curve, lw=1.8, color=colour[name], label=f"{name}: {area:.3f}")
    left, bottom, width, height = INSET
    beside = (left - GAP <= SHARES) & (left + width + GAP >= SHARES)
    if any(float(curve[beside].min()) < bottom + height + GAP for curve in curves.values()):
        return
    inset = axes.inset_axes(INSET)
    for name, curve in curves.items():
        inset.plot(SHARES, curve, lw=1.8, color=colour[name])
    margin = 0.05 * CORNER
    inset.set(xlim=(along[0] - margin, along[1] + margin), ylim=(1.0 - CORNER - margin, 1.0 + margin))
    _clean(inset)
    inset.tick_params(labelsize=8)
    axes.indicate_inset_zoom(inset, edgecolor=FAINT)


def _square(title: str) -> tuple[Canvas, Axes]:
    """Axes from 0 to 1 both ways; all of this shape are cards of one size."""
    canvas = _canvas(4.4, 5.0)
    axes = canvas.subplots()
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
    axes.set_title(title, fontsize=10.5, color=INK)
    _clean(axes)
    axes.tick_params(labelsize=9)
    return canvas, axes


def calibration(arms: Sequence[Measured]) -> Canvas:
    """How often answers are right by how sure the network is, all seeds together."""
    canvas, axes = _square("Calibration: on the line, 80 % sure is 80 % right")
    colour = colours(arms)
    axes.plot([0, 1], [0, 1], "--", color=FAINT, lw=1)
    for arm in arms:
        sure = torch.cat([run.probability.max(1).values for run in arm.runs])
        right = torch.cat([run.right for run in arm.runs])
        x, y = reliability(sure, right)
        axes.plot(x, y, "o-", ms=4, lw=1.8, color=colour[arm.name], label=arm.name)
    axes.set(xlabel="probability of the class named", ylabel="share that is right")
    _legend(canvas, axes, len(arms), most=3)
    return canvas


def confusion(arms: Sequence[Measured], classes: Sequence[str]) -> Iterator[tuple[str, Canvas]]:
    """Of each arm, what share of each class's pictures was named what, in percent, all seeds together."""
    for arm in arms:
        counts = np.zeros((len(classes), len(classes)))
        for run in arm.runs:
            np.add.at(counts, (run.label.numpy(), run.logits.argmax(1).numpy()), 1)
        share = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
        side = max(2.8, min(7.0, 0.42 * len(classes) + 1.8))
        canvas = _canvas(side, side)
        axes = canvas.subplots()
        axes.imshow(share, cmap="Blues", vmin=0, vmax=100)
        if len(classes) <= MOST_CLASSES:
            for row, column in np.ndindex(*share.shape):
                if share[row, column] >= 0.5:
                    dark = share[row, column] > 55
                    axes.text(
                        column, row, f"{share[row, column]:.0f}", ha="center", va="center", fontsize=7,
                        color="white" if dark else INK,
                    )  # fmt: skip
            names = [_short(name) for name in classes]
            axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
            axes.set_yticks(range(len(names)), names, fontsize=7)
        axes.set_xlabel("named", fontsize=9)
        axes.set_ylabel("is", fontsize=9)
        axes.set_title(f"{arm.name}: of each class, % named", fontsize=9, color=INK)
        axes.spines[:].set_visible(False)
        yield arm.name, canvas


def mean_maps(arms: Sequence[Measured], classes: Sequence[str]) -> Canvas:
    """Where the maps of each class's pictures lie on average, of each arm's first run."""
    shown = list(range(min(len(classes), MOST_CLASSES)))
    canvas = _canvas(1.0 * len(shown) + 1.4, 1.05 * len(arms) + 0.5)
    grid = canvas.subplots(len(arms), len(shown), squeeze=False)
    most = max(float(arm.runs[0].maps[shown].max()) for arm in arms) or 1.0
    for row, arm in enumerate(arms):
        for column, label in enumerate(shown):
            axes = grid[row][column]
            drawn = axes.imshow(arm.runs[0].maps[label], cmap=DEFAULT, vmin=0, vmax=most)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title(_short(classes[label]), fontsize=8, color=INK)
            if column == 0:
                axes.set_ylabel(_short(arm.name, 16), fontsize=8, rotation=0, ha="right", va="center")
    bar = canvas.colorbar(drawn, ax=grid, shrink=0.7, pad=0.01)
    bar.set_label("of a map's maximum, on average", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)
    return canvas


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
