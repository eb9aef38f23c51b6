"""Carry `whylight evaluate faithfulness` and `whylight evaluate sanity` out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from whylight.cli.around import Around
from whylight.cli.evaluating import Question, finish, open_run
from whylight.cli.source import Source
from whylight.errors import DataError, ModelError
from whylight.progress import bars

if TYPE_CHECKING:
    from whylight.engine import Precision
    from whylight.evaluate.data import Labelled
    from whylight.models.base import Classifier
    from whylight.models.model import Model

T = TypeVar("T")


@dataclass(frozen=True)
class Judged:
    """What is judged: a model's maps of pictures, and of which class."""

    source: Source
    data: Path
    label: str | None
    methods: tuple[str, ...]
    options: tuple[str, ...]
    around: Around
    target: str
    limit: int | None
    seed: int

    @property
    def question(self) -> Question:
        """The same for what all evaluations share."""
        from whylight.evaluate.maps import Rules

        methods = self.methods or (self.source.default_method,)
        return Question(
            self.source, self.data, None, None, self.label, methods, self.options, self.around, Rules(seed=self.seed)
        )

    def settings(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """All that a picture's figures depend on, besides the picture and the method."""
        given = {name: options for name, options in self.question.chosen.items() if options}
        return {**self.source.identity(), "options": given, **self.around.settings(), **own}

    def protocol(self, model: Classifier) -> dict[str, Any]:
        """What the report says about how maps were made."""
        given = {name: options for name, options in self.question.chosen.items() if options}
        return {
            "options": given or "the methods' own",
            **self.around.settings(),
            "layer": getattr(model, "layer", "none: a black box"),
            "computed in": self.source.precision,
            "seed": self.seed,
        }

    def asked(self, pictures: Sequence[Labelled]) -> Literal["true", "predicted"]:
        """Whose class: the picture's own, where anything says which that is, unless it was asked for otherwise."""
        if self.target == "auto":
            return "true" if any(one.label is not None for one in pictures) else "predicted"
        return cast("Literal['true', 'predicted']", self.target)

    def load(self) -> tuple[Classifier, list[Labelled]]:
        """The model and the pictures."""
        import whylight

        question = self.question
        question.chosen  # noqa: B018 (a mistyped option is told before a model is loaded)
        whylight.tune_allocator()
        model = self.source.load()
        return model, spread(question.read(model), self.limit)


def spread(items: Sequence[T], count: int | None) -> list[T]:
    """So many of them, evenly spread over the list.

    >>> spread("abcdefg", 3)
    ['a', 'c', 'e']
    """
    if count is None or count >= len(items):
        return list(items)
    return [items[i * len(items) // count] for i in range(count)]


def judge_faithfulness(
    judged: Judged,
    *,
    measures: str | None,
    steps: int,
    blur: tuple[int, float],
    out: Path,
    json_to: str | None,
    batch_size: int | None,
    overwrite: bool,
) -> bool:
    """`whylight evaluate faithfulness`; returns whether every picture could be measured."""
    from whylight.evaluate.faithfulness import Setup, faithfulness
    from whylight.evaluate.measures.deletion import Protocol
    from whylight.evaluate.measures.table import DEFAULT, MEASURES, chosen
    from whylight.jobs.store import Store

    named = {None: DEFAULT, "all": tuple(MEASURES)}.get(measures) or [part.strip() for part in str(measures).split(",")]
    names, protocol = chosen(named), Protocol(steps=steps, blur=blur[0], sigma=blur[1])
    with open_run(out, json_to) as (output, errors):
        model, pictures = judged.load()
        methods = judged.question.made(model)
        setup = Setup(methods, judged.asked(pictures), names, protocol, judged.seed)
        with (
            Store(out, "faithfulness", judged.settings(setup.settings()), overwrite=overwrite) as store,
            bars(len(pictures), judged.source.name, slow=True) as bar,
        ):
            result = faithfulness(
                model,
                pictures,
                setup,
                store,
                model_name=judged.source.name,
                data_name=str(judged.data),
                protocol=judged.protocol(model),
                batch_size=batch_size,
                precision=cast("Precision", judged.source.precision),
                on_error=errors.add,
                bar=bar,
            )
        return finish(result, out, output, errors)


def judge_sanity(
    judged: Judged,
    *,
    stages: int,
    random_labels: str | None,
    out: Path,
    json_to: str | None,
    batch_size: int | None,
    overwrite: bool,
) -> bool:
    """`whylight evaluate sanity`; returns whether every picture could be explained."""
    from whylight.evaluate.sanity import Setup, sanity
    from whylight.jobs.store import Store

    with open_run(out, json_to) as (output, errors):
        model, pictures = judged.load()
        methods = judged.question.made(model)
        setup = Setup(methods, judged.asked(pictures), stages, judged.seed)
        other = _other(judged, random_labels)
        settings = judged.settings({**setup.settings(), "random labels": random_labels})
        with (
            Store(out, "sanity", settings, overwrite=overwrite) as store,
            bars(len(pictures), judged.source.name, slow=True) as bar,
        ):
            result = sanity(
                model,
                pictures,
                setup,
                store,
                other=other,
                model_name=judged.source.name,
                data_name=str(judged.data),
                protocol={**judged.protocol(model), "labels at random": random_labels or "not asked for"},
                batch_size=batch_size,
                precision=cast("Precision", judged.source.precision),
                on_error=errors.add,
                bar=bar,
            )
        return finish(result, out, output, errors)


def _other(judged: Judged, name: str | None) -> Model | None:
    """The network that was trained on random labels."""
    from whylight.models.model import Model

    if name is None:
        return None
    try:
        model = replace(judged.source, name=name, weights=None, classes=None, pretrained=True, layer=None).load()
    except ModelError as error:
        raise ModelError(f"--random-labels {error}") from error
    if not isinstance(model, Model):
        raise DataError(f"--random-labels {name}: this is a black box; give a run folder or a .safetensors file")
    return model
