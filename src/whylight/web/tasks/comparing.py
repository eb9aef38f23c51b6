"""Several questions about one picture that differ in one thing: the method, the class or the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from whylight.web import catalogue
from whylight.web.pictures.models import Picture
from whylight.web.said import Gone, Said
from whylight.web.tasks import asking, choices, describing, keeper, results
from whylight.web.tasks.models import State, Task
from whylight.web.tasks.questions import Explain
from whylight.work.words import certainty

_SINGLE = {"class": "classes", "method": "methods", "model": "models"}
MOST = 12  # cells of one page
BY = ("methods", "classes", "models")
_USUAL = ("gradcam", "gradcam++", "layercam", "hirescam", "eigencam", "cam")  # chosen unless others are


@dataclass(frozen=True)
class Cell:
    """One result among several.

    Attributes:
        task: the question.
        title, under: what it differs in from the others, and the rest.
        sure, words: the answer; "" where there is none yet.
        flat: as for `showing.Map`.
        reach: how far its map rises above no evidence, in `units`; 0 where there is none yet.
        part: of the scale that it is drawn on, what its own strongest evidence reaches.
        progress, served: how far it is, and whether a worker is there.
    """

    task: Task
    title: str
    under: str
    sure: str = ""
    words: str = ""
    flat: str = ""
    reach: float = 0.0
    units: str = ""
    part: float = 1.0
    progress: choices.Progress | None = None
    served: bool = True


def usual(model: catalogue.Offered) -> list[str]:
    """Methods that are chosen unless others are: quick ones that the model can be asked with."""
    able = {one.name for one in choices.methods(model).quick}
    return [name for name in dict.fromkeys((model.default, *_USUAL)) if name in able]


def questions(by: str, chosen: Sequence[str], model: str, method: str, target: str) -> list[Explain]:
    """One question for each thing that was chosen.

    Raises:
        Said: nothing was chosen, or too much, or what cannot be asked.
    """
    chosen = list(dict.fromkeys(one.strip() for one in chosen if one.strip()))
    if not chosen:
        raise Said(400, f"with: choose which {by} to compare")
    if len(chosen) > MOST:
        raise Said(400, f"with: {len(chosen)} {by} are too many for one page; choose at most {MOST}")
    if by == "methods":
        asked = [Explain(model, one, target) for one in chosen]
    elif by == "classes":
        asked = [Explain(model, method, one) for one in chosen]
    else:
        asked = [Explain(one, method, "") for one in chosen]
    return list(dict.fromkeys(one.checked() for one in asked))


def tasks(picture: Picture, tokens: Sequence[str]) -> list[Task]:
    """Questions about a picture by their names, in that order.

    Raises:
        Gone: one is not about this picture.
    """
    if len(tokens) > MOST:
        raise Said(400, f"r: {len(tokens)} results are too many for one page; at most {MOST}")
    found = {one.token: one for one in picture.tasks.filter(pk__in=tokens, kind="explain")}
    if any(token not in found for token in tokens):
        raise Gone
    return [found[token] for token in tokens]


def ask(picture: Picture, asked: Sequence[Explain]) -> list[Task]:
    """Ask all of them."""
    return [asking.ask(picture, one) for one in asked]


def cell(task: Task, by: str) -> Cell:
    """What is shown of one question."""
    asked = task.question
    names = {
        "methods": asked["method"],
        "classes": asked["target"],
        "models": asked["model"],
    }
    if task.state != State.DONE:
        is_open = task.is_open
        return Cell(
            task,
            names[by] or "most probable class",
            _under(names, by),
            progress=choices.progress(task) if is_open else None,
            served=not is_open or keeper.is_served(task.lane),
        )
    found = results.read(task)
    record = found.first
    names["classes"] = record["label"]
    return Cell(
        task,
        names[by],
        _under(names, by),
        certainty(record),
        found.told(),
        (record.get("flat") or "blank") if record["blank"] else "",
        describing.reach(found, 0),
        record["units"],
    )


def _under(names: dict[str, str], by: str) -> str:
    return ", ".join(f"{kind} {names[many]}" for kind, many in _SINGLE.items() if many != by and names[many])


def units(cells: Sequence[Cell]) -> list[str]:
    """What the maps are measured in; only where that is one thing can they be drawn on one scale."""
    return sorted({one.units for one in cells if one.units})
