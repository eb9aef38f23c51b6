"""What an explanation is to who works with it interactively: it asks its model again, and shows itself."""

from __future__ import annotations

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Self

from whylight import render
from whylight.errors import WhylightError
from whylight.explanation.asking import Asking
from whylight.explanation.viewing import Seen
from whylight.render.colormap import table
from whylight.render.overlay import check_alpha

INSTALL = "pip install 'whylight[notebook]'"


class InNotebooks:
    """Asking again, and display in notebooks: `Explanation` inherits it."""

    asking: Asking | None

    def about(self, target: Any) -> Self:
        """The same picture explained for another class, by the same model and method.

        Args:
            target: as for `whylight.explain`.

        Raises:
            WhylightError: if this explanation is a copy, or was read from a file, and knows its model no longer.
            TargetError: if the model has no such class.
        """
        if self.asking is None:
            raise WhylightError(
                "about: this explanation does not know the model it came from, as copies and files do not; "
                "call whylight.explain(model, picture, target=…)"
            )
        found: Self = self.asking.explain(self, target)
        return found

    def view(self: Seen, alpha: float = 0.5, colormap: str = render.DEFAULT) -> Any:
        """A small viewer for notebooks, with the opacity and the class to choose: an anywidget; see `whylight.view`."""
        return viewer([self], alpha=alpha, colormap=colormap)

    def _repr_png_(self: Seen) -> bytes:
        file = io.BytesIO()
        self.panel().save(file, "PNG")
        return file.getvalue()

    def _repr_mimebundle_(self: Seen, **options: Any) -> Any:
        # The panel comes along (`_repr_png_`), for wherever widgets cannot be shown.
        return viewer([self])._repr_mimebundle_(**options) if find_spec("anywidget") is not None else {}


def viewer(explanations: Sequence[Seen], *, alpha: float = 0.5, colormap: str = render.DEFAULT) -> Any:
    """The widget that shows them, the first at first.

    Raises:
        WhylightError: if anywidget is not installed, or the opacity or colormap cannot be used.
    """
    check_alpha(alpha)
    table(colormap)  # complain before anything is drawn
    try:
        from whylight.explanation.widget import Viewer
    except ModuleNotFoundError as error:
        if error.name != "anywidget":
            raise
        raise WhylightError(f"view: the viewer needs anywidget, which is not installed: {INSTALL}") from None
    return Viewer(explanations, alpha=alpha, colormap=colormap)
