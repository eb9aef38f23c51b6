"""Experiments: runs that differ in named factors, carried out from one recipe, with one report.

recipe = read("noise")                       # a recipe that ships, or "mine.toml"
failed = carry_out(recipe, "pictures", "out/noise")
write(recipe, plan(recipe, "pictures", "out/noise"), Path("out/noise"), failed)
"""

from __future__ import annotations

from whylight.experiment.reading import read, shipped
from whylight.experiment.recipe import Recipe
from whylight.experiment.report import write
from whylight.experiment.run import carry_out, plan

__all__ = ["Recipe", "carry_out", "plan", "read", "shipped", "write"]
