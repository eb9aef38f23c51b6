"""Which class of a model a label in somebody's annotations means."""

from __future__ import annotations

from collections.abc import Sequence

from whylight.targets.names import index_of


class Labels:
    """Looks labels up in a model's classes, as targets are: by name, by index, by WordNet id (see `targets.names.index_of`).

    >>> Labels(["n01440764 tench, Tinca tinca", "dog"]).index("n01440764")
    0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._known: dict[str, int] = {}

    def index(self, label: str) -> int:
        """The index of the class.

        Raises:
            TargetError: if there is none, or there are several.
        """
        if label not in self._known:
            self._known[label] = index_of(label, self.classes, "label")
        return self._known[label]

    def name(self, label: str) -> str:
        """The name of the class."""
        return self.classes[self.index(label)]
