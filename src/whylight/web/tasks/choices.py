"""What can be asked next about a picture: classes, methods and models, as pages offer them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone

from whylight.web import catalogue
from whylight.web.tasks import results
from whylight.web.tasks.models import State, Task
from whylight.web.tasks.questions import MOST_TARGETS, Explain, widened
from whylight.web.tasks.results import Result
from whylight.work.words import certainty

_SOON = 1.0  # seconds of work, before which nothing is said of how long the rest takes


@dataclass(frozen=True)
class Class:
    """One class on offer.

    Attributes:
        label: its name, or `A >> B`.
        sure: how sure the model is, in words; "" where that is not known.
        share: the same as a number, where it is a probability.
        place: of its map in this result; None: it has to be asked for.
    """

    label: str
    sure: str
    share: float | None
    place: int | None


@dataclass(frozen=True)
class Methods:
    """A model's methods by what they cost; those that it cannot be asked with, apart."""

    quick: list[catalogue.Method]
    slow: list[catalogue.Method]
    never: list[catalogue.Method]


@dataclass(frozen=True)
class Progress:
    """How far a question is.

    Attributes:
        percent: of the work, where its amount is known.
        left: seconds that the rest takes if it goes on as before; None: that cannot be told yet.
    """

    percent: int | None
    left: int | None


def classes(result: Result) -> list[Class]:
    """Classes to choose from: those of this result, and the most probable ones as far as another result of the picture has them."""
    found = [_class(record, number) for number, record in enumerate(result.records)]
    known = {one.label for one in found}
    for record in _top(result.task):
        if record["label"] not in known:
            found.append(_class(record, None))
            known.add(record["label"])
    every = catalogue.model(result.task.question["model"]).classes
    if len(every) <= MOST_TARGETS:
        found += [Class(label, "", None, None) for label in every if label not in known]
    return sorted(found, key=lambda one: -1.0 if one.share is None else -one.share)


def methods(model: catalogue.Offered) -> Methods:
    """The methods of a model."""
    able = [one for one in model.methods.values() if one.why_not is None]
    return Methods(
        [one for one in able if not one.slow],
        [one for one in able if one.slow],
        [one for one in model.methods.values() if one.why_not is not None],
    )


def progress(task: Task) -> Progress:
    """How far a question is, and about how long the rest takes."""
    if not task.total or task.begun is None:
        return Progress(None, None)
    done, total = min(task.done, task.total), task.total
    since = (timezone.now() - task.begun).total_seconds()
    left = round(since / done * (total - done)) if done and since > _SOON else None
    return Progress(round(100 * done / total), left)


def following(task: Task, question: Explain) -> tuple[Explain, int]:
    """The next question about a picture as a page asks it, and at which place of its answer the class will be that was meant.

    A quick method that is asked about one of the most probable classes is asked about all of these, at nearly the same price.
    """
    question = question.checked()
    if question.is_slow or not question.target:
        found = widened(question)
        return (found if isinstance(found, Explain) else question), 0
    labels = [record["label"] for record in _top(task)] if question.model == task.question.get("model") else []
    if question.target not in labels:
        return question, 0
    return replace(question, target=f"top{len(labels)}"), labels.index(question.target)


def _class(record: dict[str, Any], number: int | None) -> Class:
    return Class(record["label"], certainty(record), record["probability"], number)


def _top(task: Task) -> list[dict[str, Any]]:
    """The most probable classes of the picture by the same model, from any result that has them."""
    asked = {"question__model": task.question["model"], "question__target__startswith": "top"}
    for one in Task.objects.filter(picture=task.picture_id, kind="explain", state=State.DONE, **asked):
        return results.read(one).records
    return []
