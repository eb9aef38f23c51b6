"""Which class of a model a label in somebody's annotations means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from whylight.errors import TargetError
from whylight.targets.names import index_of


class Labels:
    """Looks labels up in a model's classes: by name, by index, by WordNet synset.

    A synset (`n01440764`) is found where it is a class's name or its first word (`n01440764 tench, Tinca tinca`), and in a
    model of ImageNet's 1,000 classes by its place among them.

    >>> Labels(["n01440764 tench, Tinca tinca", "dog"]).index("n01440764")
    0
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._first = {
            name.split()[0]: index for index, name in reversed(list(enumerate(self.classes))) if name.split()
        }
        self._known: dict[str, int] = {}

    def index(self, label: str) -> int:
        """The index of the class.

        Raises:
            TargetError: if there is none, or there are several.
        """
        if label not in self._known:
            self._known[label] = self._look_up(label)
        return self._known[label]

    def name(self, label: str) -> str:
        """The name of the class."""
        return self.classes[self.index(label)]

    def _look_up(self, label: str) -> int:
        if re.fullmatch(r"n\d{8}", label):
            if label in self._first:
                return self._first[label]
            synsets = imagenet_synsets() if len(self.classes) == 1000 else {}
            if label in synsets:
                return synsets[label]
        try:
            return index_of(label, self.classes)
        except TargetError as error:
            raise TargetError(str(error).replace("target ", "label ", 1)) from error


@lru_cache(maxsize=1)
def imagenet_synsets() -> dict[str, int]:
    """The place of each synset among ImageNet-1k's classes, from timm's list."""
    from timm.data import ImageNetInfo

    return {name: index for index, name in enumerate(ImageNetInfo("imagenet-1k").label_names())}
