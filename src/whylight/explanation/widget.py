"""The viewer for notebooks: `viewer.js` draws in the browser, this side hands over maps and asks the model for more.

Needs the extra `notebook`; `viewing.viewer` says so where it is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from whylight.errors import WhylightError
from whylight.explanation.viewing import STEPS, Pictures, Seen, blends, class_names, entry
from whylight.render.colormap import SIGNED, table
from whylight.shown import shown

_HERE = Path(__file__).parent


class Viewer(anywidget.AnyWidget):
    """Picture and map, with the opacity and the class to choose; made by `whylight.view`.

    Args:
        explanations: what there is to choose from, at least one.
        alpha: opacity at first, brought to the nearest 5 %.
        colormap: any matplotlib name.

    Attributes:
        explanations: what there is to choose from by now, with what was asked for in the browser.
        chosen: which of them is shown.
        alpha: the opacity.
    """

    _esm = (_HERE / "viewer.js").read_text(encoding="utf-8")
    _css = (_HERE / "viewer.css").read_text(encoding="utf-8")

    pictures: traitlets.List[Any] = traitlets.List().tag(sync=True)
    maps: traitlets.List[Any] = traitlets.List().tag(sync=True)
    classes: traitlets.List[Any] = traitlets.List().tag(sync=True)  # the names to choose from, of each model once
    blends = traitlets.Bytes().tag(sync=True)
    colours = traitlets.Bytes().tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)
    alpha = traitlets.Float(0.5).tag(sync=True)

    def __init__(self, explanations: Sequence[Seen], *, alpha: float, colormap: str) -> None:
        self.explanations: list[Any] = []
        colormap = SIGNED if all(one.scale == "signed" for one in explanations) else colormap
        self._pictures = Pictures()
        self._lists: list[list[str]] = []
        made = [self._entry(one) for one in explanations]
        super().__init__(
            pictures=self._pictures.entries,
            maps=made,
            classes=self._lists,
            blends=blends(colormap),
            colours=table(colormap).tobytes(),
            alpha=round(alpha * STEPS) / STEPS,
        )
        self.on_msg(self._asked)

    def _entry(self, explanation: Seen) -> dict[str, Any]:
        self.explanations.append(explanation)
        names = class_names(explanation.asking.classes) if explanation.asking is not None else []
        if names not in self._lists:
            self._lists.append(names)
        return {**entry(explanation, self._pictures), "classes": self._lists.index(names)}

    def _asked(self, _: Any, content: Any, buffers: Any) -> None:
        """A class was chosen in the browser of which there is no map yet: `{"ask": index of the class, "of": map}`."""
        told: dict[str, str] = {"failed": "the model could not be asked; what it said is in the notebook's log"}
        try:
            told = self._ask(content)
        except WhylightError as error:
            told = {"failed": shown(error)}
        finally:
            self.send(told)  # the browser waits for a word, whatever happened

    def _ask(self, content: Any) -> dict[str, str]:
        target, of = (content.get(name) if isinstance(content, Mapping) else None for name in ("ask", "of"))
        if type(target) is not int or type(of) is not int or not 0 <= of < len(self.explanations):
            return {"failed": "this is not a question that the viewer asks"}
        made = self._entry(self.explanations[of].about(target))
        self.maps = [*self.maps, made]
        self.chosen = len(self.maps) - 1
        return {"done": made["label"]}
