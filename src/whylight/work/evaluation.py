"""What the evaluations have in common as jobs: a model's maps of the pictures in one folder, measured and told in a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from whylight.errors import MethodError, WhylightError
from whylight.jobs.job import Job
from whylight.schema import Text
from whylight.work.asked import methods_of
from whylight.work.wrapping import Wrapping

if TYPE_CHECKING:
    from whylight.evaluate.data import Labelled
    from whylight.jobs.session import Session
    from whylight.methods import Method
    from whylight.models.base import Classifier

T = TypeVar("T")
Whose = Literal["true", "predicted"]


@dataclass(frozen=True)
class MethodQuestions:
    """Which methods are evaluated; `options` by method. Default: the model's own method."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    methods: tuple[Text, ...] = ()
    options: dict[str, dict[str, Any]] = field(default_factory=dict)


class Evaluation:
    """A kind of job that measures maps.

    Attributes:
        job, choice: the job and its model.
        data: the folder of pictures.
        chosen: each method asked for, with its options.
        wrapping: what is put around each.
    """

    def __init__(self, job: Job, asked: MethodQuestions, wrapping: Wrapping, default: str | None = None) -> None:
        if len(job.inputs) != 1:
            raise WhylightError(f"job {job.kind}: inputs: expected one folder of pictures, got {len(job.inputs)}")
        self.job, self.choice, self.data = job, job.choice, Path(job.inputs[0])
        self.chosen = methods_of(asked.methods or (default or job.choice.default_method,), asked.options)
        self.wrapping = wrapping

    @property
    def given(self) -> dict[str, dict[str, Any]]:
        """The methods that were given options."""
        return {name: options for name, options in self.chosen.items() if options}

    def settings(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """All that a picture's figures depend on, besides the picture and the method."""
        return {**self.choice.identity(), "options": self.given, **self.wrapping.wrapped(), **own}

    def protocol(self, model: Classifier) -> dict[str, Any]:
        """What the report says about how maps were made."""
        layer = getattr(model, "layer", "none: a black box")
        return {"options": self.given or "the methods' own", **self.wrapping.wrapped(), "layer": layer}

    def made(self, model: Classifier) -> dict[str, Method]:
        """The methods, with what goes around them.

        Raises:
            MethodError: if one is unknown or does not apply to the model.
        """
        from whylight.localize.locator import method_named

        wrap = self.wrapping.wrap
        found = {name: wrap(method_named(model, name, **options)) for name, options in self.chosen.items()}
        for method in found.values():
            if (why := model.why_not(method)) is not None:
                raise MethodError(f"{why}; leave it out of --methods")
        return found

    def loaded(
        self, label: str | None, boxes: str | None = None, masks: str | None = None
    ) -> tuple[Classifier, list[Labelled]]:
        """The model, and the annotated pictures as its classes."""
        from whylight.evaluate.data import read

        model = self.choice.load()
        return model, read(self.data, boxes, masks, model.classes, label=label)

    def asking(self, session: Session) -> dict[str, Any]:
        """How an evaluation asks the model and tells of it: arguments that all of them take."""
        return {
            "batch_size": session.batch_size,
            "precision": self.choice.precision,
            "watch": session.watch,
            "workers": session.workers,
        }


def whose(target: str, pictures: Sequence[Labelled]) -> Whose:
    """Whose class: the picture's own, where anything says which that is, unless it was asked for otherwise."""
    if target == "auto":
        return "true" if any(one.label is not None for one in pictures) else "predicted"
    return "true" if target == "true" else "predicted"


def spread(items: Sequence[T], count: int | None) -> list[T]:
    """So many of them, evenly spread over the list.

    >>> spread("abcdefg", 3)
    ['a', 'c', 'e']
    """
    if count is None or count >= len(items):
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]
