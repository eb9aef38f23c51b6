"""The check whether a map can be trusted: a question of its own, about one map of a result."""

from __future__ import annotations

from typing import Any

from whylight.web import catalogue
from whylight.web.tasks import asking, questions, results
from whylight.web.tasks.models import State, Task
from whylight.web.tasks.questions import Explain
from whylight.web.tasks.results import Result


def question(result: Result, place: int) -> Explain:
    """What checks one map of a result."""
    asked, record = result.task.question, result.records[place]
    target = record["label"] if record["target"] is not None else asked["target"]
    return Explain(asked["model"], record["method"], target, verify=True).checked()


def find(result: Result, place: int) -> Task | None:
    """The check, where it was asked for; of a result that was made with its check, the result's own question."""
    if result.task.question["verify"]:
        return result.task
    digest = questions.digest(question(result, place))
    return Task.objects.filter(picture=result.task.picture_id, digest=digest).first()


def ask(result: Result, place: int) -> Task:
    """Check a map.

    Raises:
        Said: it cannot be asked for now.
    """
    return find_open(result, place) or asking.ask(result.task.picture, question(result, place))


def find_open(result: Result, place: int) -> Task | None:
    """The check, where it is made or being made."""
    found = find(result, place)
    return found if found is not None and found.state in (State.QUEUED, State.RUNNING, State.DONE) else None


def told(check: Task | None) -> dict[str, Any] | None:
    """What a check has found out, see `explanation.receipt`; None where there is none yet."""
    if check is None or check.state != State.DONE:
        return None
    found: dict[str, Any] | None = results.read(check).first.get("verified")
    return found


def is_cheap(result: Result, place: int) -> bool:
    """Whether a page may ask for it unasked: the method is quick."""
    method = catalogue.model(result.task.question["model"]).methods[result.records[place]["method"]]
    return not method.slow
