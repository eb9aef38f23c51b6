"""Carry a plan out: the network in this thread, decoding before it and drawing after it in others."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from whylight.atomic import named_errors
from whylight.cli.ledger import Ledger, Record
from whylight.cli.plan import Plan, Question
from whylight.cli.report import JsonOut, calm_warnings, sentence, show_errors
from whylight.cli.write import Writer
from whylight.errors import ImageError, TargetError, WhylightError
from whylight.jobs.lock import only_run
from whylight.progress import Bars, bars

if TYPE_CHECKING:
    from whylight.engine import Precision
    from whylight.front.verify import Networks
    from whylight.methods import Method
    from whylight.models.base import Classifier

ERRORS = "errors.jsonl"


def run(plan: Plan, *, json_to: str | None, batch_size: int | None, overwrite: bool) -> bool:
    """Do what is missing, keep account of it, and tell; returns whether every picture could be read."""
    started = loaded = time.perf_counter()
    with ExitStack() as stack:
        stack.enter_context(calm_warnings())
        stack.enter_context(only_run(plan.out))
        ledger = stack.enter_context(Ledger(plan.out))
        output = JsonOut(json_to)
        stack.callback(output.close)
        errors = Errors(plan.out / ERRORS)
        done, missing = plan.split(ledger, overwrite)
        verified = [record["verified"] for record in done if "verified" in record]
        for record in done:
            _tell(output, plan, record, again=True)
        new = 0
        if missing:
            from whylight import methods, tune_allocator

            tune_allocator()  # this process is ours, so glibc may keep the memory of activations for the next batch
            pictures = sum(map(len, missing.values()))
            chosen = {name: plan.around.wrap(methods.get(name, **options)) for name, options in plan.methods.items()}
            model = plan.source.load()
            _check_targets(plan, model)
            loaded = time.perf_counter()
            slow = any(method.is_slow for method in chosen.values())
            bar = stack.enter_context(bars(pictures, plan.source.name, slow=slow))
            explained = _explained(plan, missing, chosen, model, ledger, errors, bar, batch_size)
            for record in stack.enter_context(closing(explained)):
                new += 1
                verified += [record["verified"]] if "verified" in record else []
                _tell(output, plan, record, again=False)
        stack.pop_all().close()
    show_errors(errors.found, errors.path)
    if len(plan.pictures) > 1:
        seconds = time.perf_counter() - loaded
        output.say(_summary(plan, done, new, len(errors.found), seconds, loaded - started))
        if verified:
            good = sum(one["holds"] for one in verified)
            output.say(
                f"verified: {good} of {_count(len(verified), 'map')} pass both checks; what was found is in {ledger.path}"
            )
    return not errors.found


class Errors:
    """`errors.jsonl`: the pictures that failed in this run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[dict[str, str]] = []
        if path.is_file():
            path.unlink()  # those of an earlier run are tried again, and named again if they still fail

    def add(self, picture: Any, error: WhylightError) -> None:
        self.found.append({"picture": str(picture), "error": str(error), "kind": type(error).__name__})
        with named_errors(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.found[-1], ensure_ascii=False) + "\n")


def _explained(
    plan: Plan,
    missing: dict[tuple[Question, ...], list[Path]],
    chosen: Mapping[str, Method],
    model: Classifier,
    ledger: Ledger,
    errors: Errors,
    bar: Bars,
    batch_size: int | None,
) -> Generator[Record]:
    """Explain, draw, write and note down; yields each record once its files and its line in the ledger are on disk."""
    import whylight

    writer = Writer(plan.out, plan.look)
    networks = _networks(plan, model)
    given: set[str] = set()

    def failed(picture: Any, error: WhylightError) -> None:
        errors.add(picture, error)
        bar.picture()

    def noted(records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            ledger.add(record)
            yield record

    try:
        for questions, pictures in missing.items():
            methods = list(dict.fromkeys(method for method, _ in questions))
            targets = list(dict.fromkeys(target for _, target in questions))
            asked = [(method, target) for method in methods for target in targets]
            for explanations in whylight.explain_each(
                model,
                pictures,
                methods=[chosen[name] for name in methods],
                targets=[_target(one, model) for one in targets],
                batch_size=batch_size,
                precision=cast("Precision", plan.source.precision),
                on_error=failed,
                on_step=bar.step,
            ):
                source, size = explanations[0].source, explanations[0].picture.size
                if not plan.look.fits(size):
                    wide = f"{size[0]}×{size[1]} pixels are too many for a JPEG file; use --format png"
                    failed(source, ImageError(f"{source}: {wide}"))
                    continue
                for question, explanation in zip(asked, explanations, strict=True):
                    if (
                        question in questions
                    ):  # the engine answers every method for every target; some may be done already
                        record = plan.record(explanation, question, ledger, given)
                        if networks is not None:
                            record["verified"] = explanation.verify(networks=networks).to_dict()
                        yield from noted(writer.add(explanation, record))
                bar.picture()
                if any(chosen[name].is_slow for name in methods):
                    yield from noted(writer.drain())  # before the next picture takes its minutes
        yield from noted(writer.drain())
    finally:
        try:
            # Whatever ended the loop, Ctrl-C too: what the network has finished is worth the moment that writing it
            # takes.
            for record in writer.drain():
                ledger.add(record)
        finally:
            writer.close()


def _networks(plan: Plan, model: Classifier) -> Networks | None:
    """Where explanations are verified, the networks with random weights that all of them share."""
    if not plan.verify:
        return None
    from whylight.front.verify import Networks

    return Networks(model)


def _target(text: str | None, model: Classifier) -> Any:
    from whylight.targets import parse

    return None if text is None else parse(text, model.classes)[0]


def _check_targets(plan: Plan, model: Classifier) -> None:
    """Complain about a class asked for twice under two names: both would be one file."""
    from whylight.targets import resolve

    seen: dict[int, str] = {}
    for target in plan.targets:
        index = resolve(_target(target, model), model.classes).index
        if target is None or index is None:
            continue
        if index in seen:
            raise TargetError(
                f"targets {seen[index]!r} and {target!r} are the same class, {model.classes[index]}; give it once"
            )
        seen[index] = target


def _tell(output: JsonOut, plan: Plan, record: Record, again: bool) -> None:
    shown = {key: value for key, value in record.items() if key not in ("settings", "stamp")}  # only re-runs need these
    output.put(
        {
            **shown,
            "file": str(plan.out / record["file"]),
            "map": str(plan.out / record["map"]) if record["map"] else None,
            "skipped": again,
        }
    )
    if len(plan.pictures) == 1:
        output.say(sentence(record, plan.out) + (" (done before; --overwrite to do it again)" if again else ""))
        if "verified" in record:
            output.say(f"  {record['verified']['sentence']}")


def _summary(plan: Plan, done: list[Record], new: int, failed: int, seconds: float, loading: float) -> str:
    parts = []
    asked = len(plan.methods) * len(plan.targets)
    if new:
        rate = f"{new / asked / seconds:.3g} pictures/s after {loading:.1f} s of loading"
        parts.append(f"{_count(new, 'explanation')} in {seconds:.1f} s ({rate}) → {plan.out}/")
    if done:
        parts.append(f"{len(done)} done before" + ("" if new else f", nothing left to do in {plan.out}/"))
    if failed:
        parts.append(f"{_count(failed, 'picture')} failed, see {plan.out / ERRORS}")
    return "; ".join(parts)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
