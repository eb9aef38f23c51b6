"""WordNet's ids and words for ImageNet's classes, from the lists that timm brings along; it is imported when they are asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timm.data import ImageNetInfo

WNID = re.compile(r"(n\d{8})(?:[\s_,.:-]+(.*))?", re.DOTALL)  # an id, and what may follow it: `n02085620-Chihuahua`
# How many classes there are in each of ImageNet's lists: networks with so many, and no names, are taken to be trained on it.
_LISTS = {
    1000: "imagenet-1k",
    11221: "imagenet-21k-miil",
    11821: "imagenet-12k",
    21841: "imagenet-22k",
    21842: "imagenet-22k-ms",
    21843: "imagenet-21k-goog",
}


def ids_in_order(count: int) -> tuple[str, ...] | None:
    """The ids of ImageNet's list with so many classes, in its order; None where there is no such list.

    >>> (ids_in_order(1000) or ())[281], ids_in_order(2)
    ('n02123045', None)
    """
    return tuple(_info(_LISTS[count]).label_names()) if count in _LISTS else None


def words_of(wnid: str) -> tuple[str, ...]:
    """The words that an id stands for; none for one that ImageNet does not have.

    >>> words_of("n02123045"), words_of("n99999999")
    (('tabby', 'tabby cat'), ())
    """
    return tuple(one.strip() for one in _described(wnid)[0].split(",") if one.strip())


def meaning_of(wnid: str) -> str:
    """What an id stands for, in a sentence; "" for one that ImageNet does not have.

    >>> meaning_of("n02124075")
    'a domestic cat of Egypt'
    """
    return _described(wnid)[1]


@lru_cache(maxsize=1)
def homographs() -> frozenset[str]:
    """Words that stand for several of ImageNet's 1,000 classes, in lower case.

    >>> "crane" in homographs(), "tabby" in homographs()
    (True, False)
    """
    found = Counter(word.casefold() for wnid in ids_in_order(1000) or () for word in set(words_of(wnid)))
    return frozenset(word for word, count in found.items() if count > 1)


def is_numbered(classes: Sequence[str]) -> bool:
    """Whether classes have no names but their numbers: `0`, `class 1`, `LABEL_2`.

    >>> is_numbered(["LABEL_0", "LABEL_1"]), is_numbered(["1", "2"])
    (True, False)
    """
    numbers = (re.fullmatch(r"\D*?(\d+)", name, re.ASCII) for name in classes)
    return all(found is not None and int(found[1]) == place for place, found in enumerate(numbers))


def _described(wnid: str) -> tuple[str, str]:
    info = _info(_LISTS[1000])
    try:
        words = info.label_name_to_description(wnid)
    except KeyError:
        return "", ""
    return words, info.label_name_to_description(wnid, detailed=True).removeprefix(f"{words}: ")


@lru_cache(maxsize=2)
def _info(name: str) -> ImageNetInfo:
    from timm.data import ImageNetInfo

    return ImageNetInfo(name)
