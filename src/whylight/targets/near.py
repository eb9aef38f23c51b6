"""Which classes may be meant by a name that is none: those that share words with it, and else those that look like it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_STOP = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or", "s", "the", "to", "with"}
)
_WORD, _NAME = 0.75, 0.65  # shares of letters from which on a word, or a name as a whole, may be a slip for another


class _Rank(NamedTuple):
    """How near a class is, the nearest first when sorted."""

    names: int  # words shared with one of its names, negative
    other: bool  # whether none of its names ends with one of them: a tiger cat is a cat, a cat flap is a flap
    meaning: int  # words shared with what it means, negative
    place: int


def classes_near(label: str, synonyms: Sequence[Sequence[str]], meanings: Sequence[str]) -> list[int]:
    """The places of classes that a name may mean, the nearest first: by the words they share, not by letters.

    A word that no class has is taken for a slip, and for the word most like it. Only where nothing is shared, names as a whole
    are compared letter by letter.

    Args:
        label: what was written.
        synonyms: of each class, all its names.
        meanings: what each means, in a sentence, or "".

    >>> cats = [["tabby", "tabby cat"], ["carton"], ["tiger cat"], ["tow truck"]]
    >>> classes_near("cat", cats, [""] * 4), classes_near("tabbby", cats, [""] * 4), classes_near("unicorn", cats, [""] * 4)
    ([0, 2], [0], [])
    """
    named = [[_content(name) for name in names] for names in synonyms]
    known = {word for names in named for words in names for word in words}
    meant = [set(_content(meaning)) for meaning in meanings]
    explained = set().union(*meant)
    wanted = set()
    for word in _content(label):
        wanted |= {word} if word in known or word in explained else {word, *_slips(word, known, 2, _WORD)}
    ranks = []
    for place, (names, meaning) in enumerate(zip(named, meant, strict=True)):
        shared = max((len(wanted.intersection(words)) for words in names), default=0)
        if shared or wanted & meaning:
            heads = any(words and words[-1] in wanted for words in names)
            ranks.append(_Rank(-shared, not heads, -len(wanted & meaning), place))
    if ranks:
        return [rank.place for rank in sorted(ranks)]
    by_name = {name.casefold(): place for place, names in enumerate(synonyms) for name in names}
    return list(dict.fromkeys(by_name[name] for name in _slips(label.casefold(), by_name, 3, _NAME)))


def _slips(text: str, known: Iterable[str], most: int, alike: float) -> list[str]:
    """Texts about as long and mostly of the same letters, the most alike first."""
    room = 1 + len(text) // 8
    return difflib.get_close_matches(text, sorted(k for k in known if abs(len(k) - len(text)) <= room), most, alike)


def words_in(text: str) -> list[str]:
    """The words of a text in lower case; an apostrophe parts none.

    >>> words_in("Jack-o'-lantern_2")
    ['jack', 'o', 'lantern', '2']
    """
    return re.findall(r"[^\W_]+", text.casefold().replace("'", "").replace("’", ""))


def singular(word: str) -> str:
    """An English word without the ending of its plural.

    >>> [singular(word) for word in ("cats", "tabbies", "foxes", "glass", "bus")]
    ['cat', 'tabby', 'fox', 'glass', 'bus']
    """
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def _content(text: str) -> list[str]:
    return [singular(word) for word in words_in(text) if word not in _STOP]
