"""Class names as people write them: whole, one of several words for it, in another case, as a WordNet id or an index.

One look-up for all places where a class is named: targets, annotations, folders, lists of classes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

from whylight.errors import TargetError
from whylight.targets import near, wordnet

_NAMED = 8  # classes that an error names


def index_of(label: str, classes: Sequence[str], what: str = "target") -> int:
    """Find the class that a name means.

    In this order: a class's whole name; one of its names where several stand behind commas, in any case; its index; a WordNet id,
    with words behind it or not; the same name written otherwise (hyphens, underscores or spaces, singular or plural); one of
    WordNet's other words for it, where the classes are ImageNet's.

    Args:
        label: what was written.
        classes: the model's classes.
        what: a word for it in errors.

    Raises:
        TargetError: if it is unknown (classes that share words with it are given, or look like it) or ambiguous.

    >>> index_of("Tabby Cat", ["dog", "tabby, tabby cat"]), index_of("golden_retrievers", ["dog", "golden retriever"])
    (1, 1)
    """
    return _names(tuple(classes)).index(label, what)


@lru_cache(maxsize=8)
def _names(classes: tuple[str, ...]) -> Names:
    return Names(classes)


class Names:
    """The names of one model's classes, made ready to be looked up in."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        self.classes = classes
        self._whole = _places((name, i) for i, name in enumerate(classes))
        self._parts = _places((part.casefold(), i) for i, name in enumerate(classes) for part in (name, *split(name)))

    def index(self, label: str, what: str) -> int:
        """See `index_of`."""
        found = self._whole.get(label) or self._parts.get(label.casefold().strip())
        if not found and label.isascii() and label.isdigit() and int(label) < len(self.classes):
            return int(label)  # an index that came as text
        found = found or self._by_id(label) or self._by_words(label)
        if not found:
            raise self._unknown(label, what)
        if len(found) > 1:
            places = ", ".join(f"{i} ({self._called(i)})" for i in found[:_NAMED])
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            raise TargetError(f"{what} {label!r} names several classes: {places}{more}. Give the index")
        return found[0]

    @cached_property
    def ids(self) -> tuple[str | None, ...]:
        """The WordNet id of each class: from its own name, or by its place where the list is ImageNet's; None elsewhere."""
        own = tuple(match[1] if (match := wordnet.WNID.fullmatch(name)) else None for name in self.classes)
        if any(own):
            return own
        order = wordnet.ids_in_order(len(self.classes))
        if order is not None and (wordnet.is_numbered(self.classes) or self._agrees(order)):
            return order
        return own

    @cached_property
    def synonyms(self) -> tuple[tuple[str, ...], ...]:
        """Of each class, its own names and then WordNet's words for it."""
        words = [wordnet.words_of(wnid) if wnid is not None else () for wnid in self.ids]
        return tuple((*split(name), *more) for name, more in zip(self.classes, words, strict=True))

    def _by_id(self, label: str) -> list[int]:
        """The classes of a WordNet id; where none has it, those whose own names are its words, and stand for nothing else."""
        match = wordnet.WNID.fullmatch(label.casefold().strip())
        if match is None:
            return []
        if found := [i for i, wnid in enumerate(self.ids) if wnid == match[1]]:
            return found
        words = [word for word in wordnet.words_of(match[1]) if word.casefold() not in wordnet.homographs()]
        words += [match[2]] if match[2] else []  # what stands behind it, as in `n02085620-Chihuahua`
        return sorted({i for word in words for i in self._own_forms.get(form(word), ())})

    def _by_words(self, label: str) -> list[int]:
        wanted = form(label)
        return (self._own_forms.get(wanted) or self._all_forms.get(wanted, [])) if wanted else []

    @cached_property
    def _own_forms(self) -> dict[str, list[int]]:
        return _places((form(part), i) for i, name in enumerate(self.classes) for part in (name, *split(name)))

    @cached_property
    def _all_forms(self) -> dict[str, list[int]]:
        return _places((form(word), i) for i, words in enumerate(self.synonyms) for word in words)

    def _called(self, place: int) -> str:
        """A class's name; WordNet's words where that is a number or an id alone."""
        words = self.synonyms[place][1:]
        bare = self.classes[place] == self.ids[place] or wordnet.is_numbered(self.classes)
        return ", ".join(words) if words and bare else self.classes[place]

    def _agrees(self, order: Sequence[str]) -> bool:
        """Whether at least half of the names are WordNet's words for the id at their place: the spelling differs between lists."""
        alike = sum(
            not {form(word) for word in wordnet.words_of(wnid)}.isdisjoint(form(part) for part in split(name))
            for name, wnid in zip(self.classes, order, strict=True)
        )
        return 2 * alike >= len(order)

    def _unknown(self, label: str, what: str) -> TargetError:
        match = wordnet.WNID.fullmatch(label.casefold().strip())
        words = ", ".join(wordnet.words_of(match[1])) if match is not None else ""
        meanings = [wordnet.meaning_of(wnid) if wnid is not None else "" for wnid in self.ids]
        found = near.classes_near(words or label, self.synonyms, meanings)
        if found:
            named = "; ".join(f"{self._called(i)} ({i})" for i in found[:_NAMED])
            more = len(found) - _NAMED
            hint = f"Near it: {named}" + (f"; and {more} more" if more > 0 else "")
        else:
            some = ", ".join(self.classes[:_NAMED])
            hint = f"It has {len(self.classes)}: {some}{', …' * (len(self.classes) > _NAMED)}"
        called = f"{label!r} ({words})" if words else repr(label)
        return TargetError(f"{what} {called} is no class of this model. {hint}")


def split(name: str) -> tuple[str, ...]:
    """The names in a class's name: class lists give several behind commas, and some an id before them.

    >>> split("n01440764 tench, Tinca tinca"), split("cat")
    (('tench', 'Tinca tinca'), ('cat',))
    """
    match = wordnet.WNID.fullmatch(name)
    bare = match[2] if match is not None and match[2] else name
    return tuple(part.strip() for part in bare.split(",") if part.strip())


def form(name: str) -> str:
    """A name without what people write differently: case, hyphens, underscores and spaces, plural, composed letters.

    >>> form("Golden_Retrievers"), form("jack-o'-lantern"), form("dog sled") == form("dogsled")
    ('goldenretriever', 'jackolantern', True)
    """
    words = near.words_in(unicodedata.normalize("NFC", name))
    return "".join([*words[:-1], near.singular(words[-1])]) if words else ""


def _places(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """The places of each name, each once."""
    found: defaultdict[str, dict[int, None]] = defaultdict(dict)
    for name, place in pairs:
        found[name][place] = None
    return {name: list(places) for name, places in found.items() if re.search(r"\S", name)}
