"""Any number of pictures through a model: opened ahead, asked in batches, each picture's failure its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from typing import TypeVar

from whylight.engine import in_batches
from whylight.errors import WhylightError, is_of_question
from whylight.models.base import Classifier
from whylight.models.device import is_out_of_memory
from whylight.pipeline.ahead import OnError, Opened, Source, ahead, for_model, picture_error
from whylight.pipeline.workers import Workers
from whylight.targets import Resolved

T = TypeVar("T")


def ask_each(
    model: Classifier,
    pictures: Iterable[Source],
    run: Callable[[Sequence[Opened]], Sequence[T | WhylightError]],
    batch_size: int,
    *,
    targets: Sequence[Resolved] = (),
    on_error: OnError | None = None,
    workers: Workers | None = None,
) -> Iterator[tuple[Opened, T]]:
    """Give each picture with its answer, in order; those that cannot be opened or answered are left out.

    Where a model fails on a batch, its pictures are asked about one by one, so that one does not fail the others.

    Args:
        model: whose input is made of the pictures.
        pictures: any number of them; no more than two batches are in memory.
        run: asks about some; returns an answer for each, or what is wrong with it.
        batch_size: so many at a time; fewer where they are large, or memory runs out.
        targets: those with one class for each picture are checked against the number of pictures at the end.
        on_error: called with the picture and the error where one fails. Default: the error is raised.
        workers: the threads that open; default: some of its own.
    """

    def attempt(batch: Sequence[Opened]) -> Sequence[T | WhylightError]:
        try:
            with threads.at("model"):
                return run(batch)
        except Exception as error:  # whatever a network does on one picture: it is named, and the others go on
            if on_error is None or is_of_question(error) or (len(batch) > 1 and is_out_of_memory(error)):
                raise
            if len(batch) == 1:
                return [picture_error(batch[0].source, error)]
            return [answer for one in batch for answer in attempt([one])]

    def check(count: int) -> None:
        for target in targets:
            target.check(count)

    with Workers() if workers is None else nullcontext(workers) as threads:
        opened = ahead(pictures, for_model(model), threads, 2 * batch_size, on_error, check)
        for batch, answers in in_batches(opened, attempt, batch_size):
            for one, answer in zip(batch, answers, strict=True):
                if not isinstance(answer, WhylightError):
                    yield one, answer
                elif on_error is None:
                    raise answer
                else:
                    on_error(one.source, answer)
                pixels = one.pixels
                del one, answer  # whoever has taken the answer may be done with it
                threads.give(pixels)
            del batch, answers
