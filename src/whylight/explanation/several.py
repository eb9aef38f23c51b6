"""A list of explanations that shows itself: a list in every way, and a grid in a notebook."""

from __future__ import annotations

import io
from typing import Any, SupportsIndex, overload

from PIL import Image

from whylight import render
from whylight.errors import WhylightError
from whylight.explanation.beside import Several, grid, named
from whylight.explanation.explanation import Explanation
from whylight.explanation.notebook import viewer

_DRAWN = 48  # maps that a notebook shows of a longer list


class Explanations(list[Explanation]):
    """What `whylight.explain` returns for several pictures, methods or targets: a list, with two more ways to look at it."""

    def grid(self, **options: Any) -> Image.Image:
        """Draw them side by side: `whylight.grid` with its options."""
        return grid(self, **options)

    def view(self, **options: Any) -> Any:
        """A small viewer for notebooks, with opacity, class and method to choose: `whylight.view` with its options."""
        return view(self, **options)

    @overload
    def __getitem__(self, place: SupportsIndex) -> Explanation: ...
    @overload
    def __getitem__(self, place: slice) -> Explanations: ...
    def __getitem__(self, place: SupportsIndex | slice) -> Explanation | Explanations:
        """One of them, or a part of the list, which shows itself too."""
        return Explanations(super().__getitem__(place)) if isinstance(place, slice) else super().__getitem__(place)

    def __add__(self, other: Any) -> Any:
        """Both lists in one, which shows itself too."""
        return Explanations([*self, *other]) if isinstance(other, list) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        """The same where a plain list comes first."""
        return Explanations([*other, *self]) if isinstance(other, list) else NotImplemented

    def copy(self) -> Explanations:
        """Another list of the same."""
        return Explanations(self)

    def _repr_png_(self) -> bytes | None:
        if not self or not all(isinstance(one, Explanation) for one in self):
            return None  # shown as any list
        left = len(self) - _DRAWN
        note = f"The first {_DRAWN} of {len(self):,} maps; .grid() draws more." if left > 0 else ""
        file = io.BytesIO()
        self[:_DRAWN].grid(note=note).save(file, "PNG")
        return file.getvalue()


def view(explanations: Several, *, alpha: float = 0.5, colormap: str = render.DEFAULT) -> Any:
    """Look at explanations in a notebook: one at a time, with opacity, class, method, model and picture to choose.

    Maps that were made already need no kernel; a class that was not asked for is asked of the model, where it is at hand. Needs
    anywidget: `pip install 'whylight[notebook]'`.

    Args:
        explanations: one, or a list.
        alpha: opacity at first.
        colormap: any matplotlib name.

    Returns:
        An anywidget with `explanations`, what there is to choose from by now; `chosen`, which of them is shown; and `alpha`.

    Raises:
        WhylightError: if anywidget is not installed, there is nothing to show, or an argument cannot be used.
    """
    found = named(explanations)
    if not found:
        raise WhylightError("view: there are no explanations to show")
    return viewer(found, alpha=alpha, colormap=colormap)
