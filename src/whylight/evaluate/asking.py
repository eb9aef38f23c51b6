"""How evaluations ask a model about pictures: through the one runner of jobs, picture by picture, what is known left out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypedDict

from torch import Tensor

from whylight.cells import Span
from whylight.engine import Precision
from whylight.evaluate.data import Labelled
from whylight.evaluate.labels import Labels
from whylight.explanation import Explanation
from whylight.jobs.events import Watch
from whylight.jobs.lines import Key, Record
from whylight.jobs.runner import Answer, Question, carry_out
from whylight.jobs.store import Store
from whylight.methods import Method
from whylight.models.base import Classifier
from whylight.pipeline.ahead import OnError
from whylight.pipeline.explain import explain_placed
from whylight.pipeline.workers import Workers
from whylight.targets import Target

Made = tuple[Key, Callable[[], Mapping[str, Any]]]  # a record's key, and what makes it, in a thread


class Seen(NamedTuple):
    """What measures need of a picture that was explained; the picture itself may be large."""

    item: Labelled
    inputs: tuple[Tensor, ...]  # (3, H, W) each, as the network takes it, and others that were asked for
    target: int
    maps: dict[str, Tensor]  # evidence by method, (h, w)
    spans: dict[str, Span]  # over which part of the input each one's cells are spread


class How(TypedDict, total=False):
    """How a model is asked, and who is told."""

    batch_size: int | None
    precision: Precision
    on_error: OnError | None
    watch: Watch | None
    workers: int | None


def evidence(ex: Explanation) -> Tensor:
    """An explanation's map less the value that means no evidence, (h, w)."""
    return ex.map - ex.level


class Asking:
    """Work for the runner: what is measured of each picture goes into a store, under the picture's key and the question.

    Args:
        model: whose maps are measured.
        pictures: of which.
        store: what is known already; it gets the rest.
        questions: the ends of the keys.
        batch_size, precision: as in `explain`.
        on_error: called with picture and error where one cannot be measured; the rest goes on. Default: it is raised.
        watch: is told of everything, and stops the work; instead of `on_error`.
        workers: threads that decode and measure.
    """

    patient: ClassVar[bool] = False

    def __init__(
        self,
        model: Classifier,
        pictures: Sequence[Labelled],
        store: Store,
        questions: Sequence[Question],
        *,
        batch_size: int | None = None,
        precision: Precision = "auto",
        on_error: OnError | None = None,
        watch: Watch | None = None,
        workers: int | None = None,
    ) -> None:
        self.model, self.pictures, self.store, self.questions = model, pictures, store, questions
        self.batch_size, self.precision = batch_size, precision
        self.watch = watch or Watch(on_error=on_error)
        self._threads = workers

    def run(self) -> None:
        """Ask what the store does not know yet."""
        carry_out(self, self.pictures, self.watch, self._threads)

    def key(self, item: Labelled) -> Key:
        """What tells a picture from others, and from what it was before."""
        raise NotImplementedError

    def ask(
        self, items: Sequence[Labelled], questions: Sequence[Question], workers: Workers
    ) -> Generator[Answer[Labelled]]:
        """Ask about pictures."""
        raise NotImplementedError

    def explained(
        self, items: Sequence[Labelled], methods: Sequence[Method], targets: Sequence[Target], workers: Workers
    ) -> Iterator[tuple[Labelled, list[Explanation]]]:
        """Explain pictures; those that fail are told and left out."""
        for place, explanations in explain_placed(
            self.model,
            [item.path for item in items],
            methods=methods,
            targets=targets,
            batch_size=self.batch_size,
            precision=self.precision,
            on_error=self.watch.failed,
            on_step=self.watch.step,
            workers=workers,
        ):
            yield items[place], explanations
            del explanations  # nothing of one picture is held while the next is made

    def seen(
        self,
        items: Sequence[Labelled],
        methods: Mapping[str, Method],
        asked: str,
        workers: Workers,
        *others: Classifier,
    ) -> Iterator[Seen]:
        """Explain pictures, for their label's class where `true` is asked for, else for their top class.

        The inputs come for the network that is explained, and for others.
        """
        target = self.classes(items) if asked == "true" else None
        for item, explained in self.explained(items, list(methods.values()), [target], workers):
            first = explained[0]
            assert first.target is not None  # a label or the top class: each is a class
            made = tuple(one.preprocessing(first.picture).to(one.device) for one in (self.model, *others))
            maps = {name: evidence(ex) for name, ex in zip(methods, explained, strict=True)}
            spans = {name: ex.span for name, ex in zip(methods, explained, strict=True)}
            found = Seen(item, made, first.target, maps, spans)
            del first, explained
            yield found

    def classes(self, items: Sequence[Labelled]) -> list[int]:
        """The classes that their labels name."""
        labels = Labels(self.model.classes)
        return [labels.index(item.label or "") for item in items]

    def knows(self, item: Labelled, question: Question) -> bool:
        """Whether the store does."""
        return (*self.key(item), *map(str, question)) in self.store

    def prepare(self) -> None:
        """The model is there."""

    def source(self, item: Labelled) -> Path:
        """The picture's path."""
        return item.path

    def write(self, part: Made) -> tuple[Key, Record]:
        """Make a record."""
        key, make = part
        return key, dict(make())

    def note(self, part: tuple[Key, Record]) -> None:
        """One line more."""
        self.store.add(*part)
