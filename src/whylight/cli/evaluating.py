"""Carry `whylight evaluate localization` out; and what the other evaluations share with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from whylight.cli.around import Around
from whylight.cli.plan import check_folder, options_by_method, parts
from whylight.cli.report import JsonOut, calm_warnings, show_errors
from whylight.cli.run import ERRORS, Errors
from whylight.cli.source import Source
from whylight.errors import MethodError
from whylight.jobs.lock import only_run
from whylight.progress import bars

if TYPE_CHECKING:
    from whylight.engine import Precision
    from whylight.evaluate.data import Labelled
    from whylight.evaluate.localization import Asked
    from whylight.evaluate.maps import Rules
    from whylight.evaluate.results import Result
    from whylight.jobs.store import Store
    from whylight.methods import Method
    from whylight.models.base import Classifier


@dataclass(frozen=True)
class Question:
    """What is held against what: a model's maps against annotations."""

    source: Source
    data: Path
    boxes: Path | None
    masks: Path | None
    label: str | None
    methods: tuple[str, ...]
    options: tuple[str, ...]
    around: Around
    rules: Rules

    @property
    def chosen(self) -> dict[str, dict[str, Any]]:
        """The methods asked for, each with its options."""
        names = list(dict.fromkeys(part for entry in self.methods for part in parts(entry)))
        return options_by_method(names, self.options)

    def made(self, model: Classifier) -> dict[str, Method]:
        """The methods, with what goes around them.

        Raises:
            MethodError: if one is unknown or does not apply to the model.
        """
        from whylight.localize.locator import method_named

        found = {name: self.around.wrap(method_named(model, name, **options)) for name, options in self.chosen.items()}
        for method in found.values():
            if (why := model.why_not(method)) is not None:
                raise MethodError(f"{why}; leave it out of --methods")
        return found

    def settings(self) -> dict[str, Any]:
        """All that a picture's figures depend on, besides the picture and the method."""
        given = {name: options for name, options in self.chosen.items() if options}
        return {**self.source.identity(), "options": given, **self.around.settings(), **self.rules._asdict()}

    def read(self, model: Classifier) -> list[Labelled]:
        """The annotated pictures."""
        from whylight.evaluate.data import read

        return read(self.data, self.boxes, self.masks, model.classes, label=self.label)


@contextmanager
def open_run(out: Path, json_to: str | None) -> Iterator[tuple[JsonOut, Errors]]:
    """What every evaluation needs around it: the folder to itself, a place for JSON, account of failed pictures, which are named at
    the end.
    """
    check_folder(out)
    with ExitStack() as stack:
        stack.enter_context(calm_warnings())
        stack.enter_context(only_run(out))
        output = JsonOut(json_to)
        stack.callback(output.close)
        errors = Errors(out / ERRORS)
        stack.callback(lambda: show_errors(errors.found, errors.path))
        yield output, errors


def finish(result: Result, out: Path, output: JsonOut, errors: Errors) -> bool:
    """Write the results and the report, and tell the figures; returns whether every picture could be measured."""
    from whylight.evaluate.figures import plural

    page = result.save(out)
    output.put(result.to_dict())
    output.say(words(result))
    failed = f"; {len(errors.found)} failed, see {errors.path}" if errors.found else ""
    output.say(f"\n{plural(result.pictures, 'picture')}{failed} → {page}")
    return not errors.found


def words(result: Result) -> str:
    """The figures as lines for a terminal, measure by measure; a star marks the best."""
    from whylight.evaluate.figures import shown

    wide = max(map(len, result.methods))
    lines = list(result.remarks)
    for measure in result.measures:
        best = result.best(measure)
        cells = [cell for name in result.methods if (cell := result.cell(name, measure)) is not None]
        lines += ["", f"{measure}, {cells[0].better} is better"]
        longest = max(len(shown(cell)) for cell in cells)
        for cell in cells:
            mark = "*" if cell.method in best else " "
            lines.append(f"  {cell.method:<{wide}} {mark} {shown(cell):<{longest}}  {cell.note}".rstrip())
    return "\n".join(lines).lstrip("\n")


def localize(
    question: Question,
    asked: str,
    threshold: float | None,
    out: Path,
    *,
    json_to: str | None,
    batch_size: int | None,
    overwrite: bool,
) -> bool:
    """`whylight evaluate localization`; returns whether every picture could be measured."""
    from whylight.evaluate.localization import check_threshold
    from whylight.jobs.store import Store

    if threshold is not None:
        check_threshold(threshold, "--threshold")
    with open_run(out, json_to) as (output, errors):
        model, pictures = loaded(question)
        thresholds = {"": threshold} if threshold is not None else _calibrated(question, model)
        with Store(out, "localization", question.settings(), overwrite=overwrite) as store:
            result = _measured(question, model, pictures, asked, thresholds, store, errors, batch_size)
        return finish(result, out, output, errors)


def loaded(question: Question) -> tuple[Classifier, list[Labelled]]:
    """The model, and the annotated pictures as its classes."""
    import whylight

    question.chosen  # noqa: B018 (a mistyped option is told before a model is loaded)
    whylight.tune_allocator()
    model = question.source.load()
    return model, question.read(model)


def _calibrated(question: Question, model: Classifier) -> dict[str, float]:
    """The threshold that `calibrate` stored with the model, for the method it was chosen for, under the same options; and of
    locate's own maps, the one that `locate` takes.
    """
    from whylight.localize.locator import NAMES, default_locator

    around, found = question.around.settings(), {}
    if not around:
        fast = {name: name == "locate-fast" for name in NAMES if name in question.chosen}
        found = {name: default_locator(model, fast=quick).threshold_for(model) for name, quick in fast.items()}
    stored = model.localization
    if stored is not None and stored.get("around", {}) == around and question.chosen.get(str(stored["method"])) == {}:
        found[str(stored["method"])] = float(stored["threshold"])
    return found


def _measured(
    question: Question,
    model: Classifier,
    pictures: Sequence[Labelled],
    asked: str,
    thresholds: dict[str, float],
    store: Store,
    errors: Errors,
    batch_size: int | None,
) -> Result:
    from whylight.evaluate.localization import Setup, localization

    methods = question.made(model)
    slow = any(method.is_slow for method in methods.values())
    given = {name: options for name, options in question.chosen.items() if options}
    protocol = {
        "options": given or "the methods' own",
        **question.around.settings(),
        "layer": getattr(model, "layer", "none: a black box"),
        "overlaps": "corners count as pixels inside, as in wsolevaluation" if question.rules.inclusive else "half-open",
        "seed": question.rules.seed,
    }
    with bars(len(pictures), question.source.name, slow=slow) as bar:
        return localization(
            model,
            pictures,
            Setup(methods, cast("Asked", asked), question.rules, thresholds),
            store,
            model_name=question.source.name,
            data_name=" + ".join(
                str(one) for one in (question.data, question.boxes, question.masks) if one is not None
            ),
            protocol=protocol,
            batch_size=batch_size,
            precision=cast("Precision", question.source.precision),
            on_error=errors.add,
            bar=bar,
        )
