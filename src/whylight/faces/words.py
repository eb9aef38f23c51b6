"""From numbers to one, two or three plain sentences that are never more certain than the numbers."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from whylight.errors import WhylightError
from whylight.faces.scores import PartScore

LANGUAGES = Path(__file__).parent / "languages"
SURE = 0.5  # probability from which a name is more than a guess
OUTSIDE = 0.5  # share of the evidence off the face from which it is warned of
EVEN = 1.5  # lift: no facial feature above it, and the evidence is spread
_PAIRS = {
    "eyes": ("right_eye", "left_eye"),
    "eyebrows": ("right_eyebrow", "left_eyebrow"),
    "cheeks": ("right_cheek", "left_cheek"),
}

Measure = Literal["face", "probability", "similarity", "pair"]


@dataclass(frozen=True)
class Facts:
    """What a sentence is made of.

    Attributes:
        name: whom the model names; of a pair, the other picture.
        score: its probability, or the similarity to it.
        measure: `"probability"` of a name among others, `"similarity"` to someone in a gallery, `"pair"`: similarity of two
            pictures, `"face"`: probability that it is a face at all.
        limit: the similarity from which on somebody is known; None: no such limit.
        other: whom `name` was told from, if that was asked.
        scores: of the parts, all of them.
        significant: those of the facial parts that count, the most important first.
        off_face: share of the evidence on hair and background.
        cut: whether a feature of the face lies outside of the picture.
        blank: whether nothing speaks for the answer.
        of_identity: whether the network was trained to tell people apart.
    """

    name: str
    score: float
    measure: Measure
    scores: Sequence[PartScore]
    significant: Sequence[PartScore]
    off_face: float
    limit: float | None = None
    other: str | None = None
    cut: bool = False
    blank: bool = False
    of_identity: bool = True


def say(facts: Facts, language: str = "en") -> str:
    """One to three sentences: who, why, and with which care.

    Raises:
        WhylightError: if there are no words in this language.
    """
    words = read(language)
    sentences = [_who(facts, words), _why(facts, words), _care(facts, words)]
    return " ".join(sentence for sentence in sentences if sentence)


def languages() -> tuple[str, ...]:
    """The languages there are words for.

    >>> languages()
    ('de', 'en')
    """
    return tuple(sorted(path.stem for path in LANGUAGES.glob("*.toml")))


@lru_cache(maxsize=8)
def read(language: str) -> Mapping[str, Any]:
    """The words of a language: one that ships, or a file `….toml` of the same form.

    Raises:
        WhylightError: if there is none, or its keys or {places} are not those of the English one.
    """
    own = language.endswith(".toml")
    path = Path(language) if own else LANGUAGES / f"{language}.toml"
    if not path.is_file() or (not own and language not in languages()):
        raise WhylightError(f"language: there is no {language!r}; choose {', '.join(languages())} or give a .toml file")
    try:
        words = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WhylightError(f"{path}: no language file: {error}") from error
    if path != LANGUAGES / "en.toml" and (why := _differs(words, read("en"))):
        raise WhylightError(f"{path}: {why}")
    return words


def _who(facts: Facts, words: Mapping[str, Any]) -> str:
    if facts.measure == "face":
        key = "face" if facts.score >= SURE else "no_face"
    elif facts.measure == "probability":
        key = "probable" if facts.score >= SURE else "unsure"
    elif facts.measure == "pair":
        key = "pair"
    elif facts.limit is None:
        key = "unlimited"
    else:
        key = "known" if facts.score >= facts.limit else "unknown"
    similar = facts.measure in ("similarity", "pair")
    score = f"{facts.score:.2f}" if similar else percent(facts.score, words["percent"])
    limit = "" if facts.limit is None else f"{facts.limit:.2f}"
    if limit and similar and limit == score:  # two digits hide which is larger
        score, limit = f"{facts.score:.4f}", f"{facts.limit:.4f}"
    return str(words["who"][key]).format(name=facts.name, score=score, limit=limit)


def _why(facts: Facts, words: Mapping[str, Any]) -> str:
    why = words["why"]
    if facts.blank:
        return str(why["blank"])
    if facts.significant:
        key = "identity" if facts.other is None else "margin"
        parts = _names([score.name for score in facts.significant], words)
        return str(why[key]).format(parts=parts, name=facts.name, other=facts.other)
    strongest = max(facts.scores, key=lambda score: score.score, default=None)
    return "" if strongest is None else str(why["none"]).format(parts=words["parts"][strongest.name])


def _care(facts: Facts, words: Mapping[str, Any]) -> str:
    care = words["care"]
    if not facts.of_identity and facts.measure != "face":
        return str(care["features"])
    if facts.blank:
        return ""
    if facts.cut:
        return str(care["cut"])
    if facts.off_face > OUTSIDE:
        return str(care["off_face"]).format(share=percent(facts.off_face, words["percent"]))
    if facts.significant and max(score.lift for score in facts.significant) < EVEN:
        return str(care["spread"])
    return ""


def _names(parts: Sequence[str], words: Mapping[str, Any]) -> str:
    """The parts in words, both of a kind as one, joined as the language joins them."""
    told: list[str] = []
    for part in parts:
        both = next((name for name, pair in _PAIRS.items() if part in pair and {*pair} <= {*parts}), part)
        if both not in told:
            told.append(both)
    names = [str(words["parts"][name]) for name in told]
    text = names[0]
    for number, name in enumerate(names[1:], start=2):
        text = str(words["two" if number == len(names) else "more"]).format(first=text, last=name)
    return text


def percent(share: float, form: str = "{value} %") -> str:
    """A share in percent, never rounded to certainty.

    >>> percent(0.9996), percent(0.0004), percent(0.42)
    ('99.9 %', '0.1 %', '42 %')
    """
    value = 100 * share
    text = f"{min(max(value, 0.1), 99.9):.1f}" if value > 99 or value < 1 else f"{value:.0f}"
    return form.format(value=text)


def _differs(words: Mapping[str, Any], english: Mapping[str, Any], where: str = "") -> str | None:
    """In what a language file is not like the English one, or None."""
    for key in english:
        if key not in words:
            return f"{where}{key} is missing"
        if isinstance(english[key], Mapping) != isinstance(words[key], Mapping):
            return f"{where}{key} must be {'a table' if isinstance(english[key], Mapping) else 'a text'}"
        if isinstance(english[key], Mapping):
            if why := _differs(words[key], english[key], f"{key}."):
                return why
        elif _places(str(words[key])) != _places(str(english[key])):
            return f"{where}{key} must have the places {', '.join(sorted(_places(str(english[key])))) or 'none'}"
    if more := set(words) - set(english):
        return f"{where}{min(more)} is no key of a language file"
    return None


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}
