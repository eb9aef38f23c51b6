"""What a job asks, read from its description: checked before a model is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from whylight.errors import MethodError, TargetError, WhylightError
from whylight.jobs.job import Job
from whylight.schema import Schema
from whylight.shown import shown

if TYPE_CHECKING:
    from whylight.models.base import Classifier

T = TypeVar("T")
_schema: Callable[[type], Schema] = cache(Schema)  # made once a type: that takes longer than reading a job does


def read_part(job: Job, part: str, wanted: type[T]) -> T:
    """`questions` or `settings` of a job, as a kind of job describes them.

    Raises:
        WhylightError: naming the value that is missing, odd or of another type.
    """
    given: Mapping[str, Any] = getattr(job, part)
    try:
        found: T = _schema(wanted).read(dict(given))
    except ValueError as error:
        raise WhylightError(f"job {job.kind}: {part}: {shown(error)}") from None
    return found


def methods_of(names: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each method once, by its own name however it was written, with the options given to it.

    Raises:
        MethodError: if an option is for a method that is not asked for, or the same option is given twice.
    """
    chosen: dict[str, dict[str, Any]] = {method_name(name): {} for name in names}
    for name, given in options.items():
        called = method_name(name)
        if called not in chosen:
            near = difflib.get_close_matches(called, chosen, n=1) or chosen
            raise MethodError(f"options: method {shown(name)!r} is not among those asked for: {', '.join(near)}")
        if twice := chosen[called].keys() & given.keys():
            raise MethodError(f"options: {called}.{shown(min(twice))} is given twice, under two names of the method")
        chosen[called] |= given
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


def method_name(name: str) -> str:
    """A method's own name, however it is written; a name that means none, as it is: whoever looks the method up says so.

    >>> method_name("Grad-CAM++"), method_name("locate"), method_name("grdcam")
    ('gradcam++', 'locate', 'grdcam')
    """
    from whylight.methods import meant, naming

    if (found := meant(name)) is not None:
        return found
    from whylight.localize.locator import NAMES  # what `locate` takes by default has names, too

    return next((one for one in NAMES if naming.plain(one) == naming.plain(name)), name)
