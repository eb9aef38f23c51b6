"""What a job asks, read from its description: checked before a model is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from whylight.errors import MethodError, TargetError, WhylightError
from whylight.jobs.job import Job
from whylight.schema import Schema
from whylight.shown import shown

if TYPE_CHECKING:
    from whylight.models.base import Classifier

T = TypeVar("T")


def read_part(job: Job, part: str, wanted: type[T]) -> T:
    """`questions` or `settings` of a job, as a kind of job describes them.

    Raises:
        WhylightError: naming the value that is missing, odd or of another type.
    """
    given: Mapping[str, Any] = getattr(job, part)
    try:
        found: T = Schema(wanted).read(dict(given))
    except ValueError as error:
        raise WhylightError(f"job {job.kind}: {part}: {shown(error)}") from None
    return found


def methods_of(names: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each method once, with the options given to it.

    Raises:
        MethodError: if an option is for a method that is not asked for.
    """
    chosen: dict[str, dict[str, Any]] = {name: {} for name in names}
    for name, given in options.items():
        if name not in chosen:
            near = difflib.get_close_matches(name, names, n=1) or names
            raise MethodError(f"options: method {shown(name)!r} is not among those asked for: {', '.join(near)}")
        chosen[name] = dict(given)
    return chosen


def check_targets(targets: Sequence[str | None], model: Classifier) -> None:
    """Complain about a class asked for twice under two names: both would be one file."""
    from whylight.targets import resolve

    seen: dict[int, str] = {}
    for target in targets:
        index = resolve(target_of(target, model), model.classes).index
        if target is None or index is None:
            continue
        if index in seen:
            raise TargetError(
                f"targets {seen[index]!r} and {target!r} are the same class, {model.classes[index]}; give it once"
            )
        seen[index] = target


def target_of(text: str | None, model: Classifier) -> Any:
    """What a target's text means to a model."""
    from whylight.targets import parse

    return None if text is None else parse(text, model.classes)[0]
