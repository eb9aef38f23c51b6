"""What can be asked about a picture: typed questions, each checked against the model that it is for."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from django.conf import settings

from whylight.jsontext import dumps
from whylight.web import catalogue
from whylight.web.said import Said

MOST_TARGETS = 5  # the classes that a page offers at once
_LONGEST = 200  # characters of a class's name that somebody typed


@dataclass(frozen=True)
class Explain:
    """Why does the model say that?

    Attributes:
        model: as the catalogue has it; "": the first.
        method: "": the model's own.
        target: a class by name or index, `topK`, `rankK`, `A >> B`; "": the most probable.
        verify: also check whether the map can be trusted.
    """

    kind: ClassVar[str] = "explain"

    model: str = ""
    method: str = ""
    target: str = ""
    verify: bool = False

    def checked(self) -> Explain:
        """The same with names as the catalogue has them.

        Raises:
            Said: naming what cannot be asked, and why.
        """
        model = catalogue.model(self.model)
        return Explain(model.title, method_of(model, self.method), target_of(model, self.target), self.verify)

    @property
    def is_slow(self) -> bool:
        """Whether it runs the model many times."""
        return self.lane != "quick"

    @property
    def lane(self) -> str:
        """Which workers it is for, see `models.Lane`."""
        if catalogue.model(self.model).methods[self.method].slow:
            return "slow"
        return "medium" if self.verify else "quick"


@dataclass(frozen=True)
class Locate:
    """Where is it?

    Attributes:
        model: as for `Explain`.
        target: a class; "": the most probable.
        sequential: find one, erase it, look again; with the looks as a strip.
    """

    kind: ClassVar[str] = "locate"

    model: str = ""
    target: str = ""
    sequential: bool = False

    def checked(self) -> Locate:
        """As for `Explain`."""
        model = catalogue.model(self.model)
        return Locate(model.title, target_of(model, self.target, plain=True), self.sequential)

    @property
    def is_slow(self) -> bool:
        """Whether it runs the model many times."""
        return self.sequential

    @property
    def lane(self) -> str:
        """As for `Explain`."""
        return "medium" if self.sequential else "quick"


@dataclass(frozen=True)
class Face:
    """Whose face is it, and which features say so?

    Attributes:
        every: all faces, not the largest alone.
        language: of the sentence.
    """

    kind: ClassVar[str] = "face"

    every: bool = True
    language: str = "en"

    def checked(self) -> Face:
        """As for `Explain`."""
        spoken = catalogue.offered().languages
        if self.language not in spoken:
            raise Said(400, f"language: {self.language[:20]!r} is not spoken here; choose one of {', '.join(spoken)}")
        return self

    @property
    def is_slow(self) -> bool:
        """Whether it runs the model many times."""
        return False

    @property
    def lane(self) -> str:
        """As for `Explain`."""
        return "quick"


Question = Explain | Locate | Face
KINDS: dict[str, type[Explain | Locate | Face]] = {one.kind: one for one in (Explain, Locate, Face)}


def read(kind: str, question: dict[str, Any]) -> Question:
    """A question as the database has it."""
    return KINDS[kind](**question)


def written(question: Question) -> dict[str, Any]:
    """A question as the database gets it."""
    return asdict(question)


def widened(question: Question) -> Question:
    """A first question as a page asks it: where a quick method would be asked about the top class, about the top few at once."""
    if not isinstance(question, Explain) or question.target or question.verify:
        return question
    question = question.checked()
    if question.is_slow:
        return question
    return replace(question, target=f"top{min(MOST_TARGETS, len(catalogue.model(question.model).classes))}")


def digest(question: Question) -> str:
    """The same for the same question."""
    return hashlib.sha256(dumps([question.kind, written(question)]).encode()).hexdigest()


def method_of(model: catalogue.Offered, name: str) -> str:
    """A method that suits the model, however it is written; "" is the model's own.

    Raises:
        Said: there is no such method, or the model cannot do it.
    """
    if not name:
        return model.default
    found = catalogue.offered().spelled.get(catalogue.plain(name[:_LONGEST]))
    if found not in model.methods:
        near = difflib.get_close_matches(name.lower()[:_LONGEST], model.methods, n=3) or list(model.methods)
        raise Said(400, f"method: there is none called {name[:60]!r}; did you mean {', '.join(near)}?")
    if (why := model.methods[found].why_not) is not None:
        raise Said(400, f"method: {model.title} cannot be asked with {found}: {why}")
    return found


def target_of(model: catalogue.Offered, text: str, *, plain: bool = False) -> str:
    """A target that the model has, written as `whylight.targets.parse` reads it; "" is the most probable.

    Args:
        model: whose classes are meant.
        text: what was typed.
        plain: one class, and nothing else.

    Raises:
        Said: there is no such class.
    """
    text = text.strip()
    if not text or text in model.classes:
        return text
    count = len(model.classes)
    if not plain and (number := _ranked(text)) is not None:
        if number < (most := min(MOST_TARGETS, count)) + text.lower().startswith("top"):
            return text.lower()
        raise Said(400, f"target: {text[:20]!r} is more than {model.title} can be asked at once; up to top{most}")
    if not plain and ">>" in text:
        one, other, *more = (part.strip() for part in text.split(">>"))
        if more or not one or not other:
            raise Said(400, f"target: {text[:60]!r}: expected two classes, as in A >> B")
        return f"{target_of(model, one, plain=True)} >> {target_of(model, other, plain=True)}"
    if text.isascii() and text.isdecimal() and len(text) < 9:
        if int(text) < count:
            return str(int(text))
        raise Said(
            400, f"target: {model.title} has {count} classes, numbered from 0 to {count - 1}; there is no {text}"
        )
    folded = {one.casefold(): one for one in model.classes}
    if text.casefold() in folded:
        return folded[text.casefold()]
    near = [folded[one] for one in difflib.get_close_matches(text.casefold()[:_LONGEST], folded, n=3)]
    hint = (
        f"did you mean {', '.join(near)}?"
        if near
        else f"it has {', '.join(model.classes[:5])}{', …' if count > 5 else ''}"
    )
    raise Said(400, f"target: {model.title} has no class {text[:60]!r}; {hint}")


def _ranked(text: str) -> int | None:
    for start in ("top", "rank"):
        rest = text.lower().removeprefix(start)
        if rest != text.lower() and rest.isascii() and rest.isdecimal() and len(rest) < 9:
            return int(rest)
    return None


def gallery() -> str | None:
    """The people who can be named, where the owner of the site chose a gallery."""
    return settings.WHYLIGHT_GALLERY or None
