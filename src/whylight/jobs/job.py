"""A job: inputs × questions × settings, in one description that can be written down, sent to a worker and read back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, ClassVar, Self

from whylight.errors import WhylightError
from whylight.jobs.folder import put
from whylight.jsontext import dumps, loads, plain
from whylight.models.zoo.choice import ModelChoice
from whylight.schema import Schema, Text
from whylight.shown import shown

NAME = "job.json"
FORMAT = 1
STANDARD_INPUT = "-"  # one picture that is piped in, rather than a path


@dataclass(frozen=True)
class Job:
    """What is to be done with which pictures, and how.

    Attributes:
        kind: `explain`, `maps`, `locate`, `face`, `localization`, `faithfulness`, `sanity`, `calibrate` or `attention`.
        inputs: pictures, folders (searched recursively) and globs; `-` is a picture that is piped in.
        out: the results folder; None: nothing is kept (`face` and `calibrate` alone).
        model: a name as `whylight.load` takes it, or a `ModelChoice`.
        questions: what is asked about every picture: methods, targets, …; what is left out has the command line's default.
        settings: how answers are made, drawn and written, in the same way.
        max_megapixels: how many million pixels a picture may have, see `whylight.images.allowing`; None: 100. No result depends on
            it but those of JPEGs that have more, so that it is no reason to make others again.

    Raises:
        WhylightError: where a field is of another type; `whylight.jobs.run` checks the rest.

    >>> job = Job("explain", ["photos"], "looked", questions={"methods": ["layercam"]}, settings={"style": "panel"})
    >>> Job.of(job.to_dict(), out="looked").questions
    {'methods': ['layercam']}
    """

    kind: str
    inputs: Sequence[str]
    out: str | None = None
    model: ModelChoice | str = field(default_factory=ModelChoice)
    questions: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_megapixels: float | None = None

    def __post_init__(self) -> None:
        wanted: dict[str, Any] = {
            "kind": str,
            "inputs": Sequence,
            "out": (str, os.PathLike, NoneType),
            "model": (ModelChoice, str),
            "questions": Mapping,
            "settings": Mapping,
        }
        for name, types in wanted.items():
            if not isinstance(getattr(self, name), types):
                raise WhylightError(f"job: {name}: cannot be {shown(repr(getattr(self, name)))}")
        if self.out is not None and "\0" in os.fspath(self.out):
            raise WhylightError(f"job: out: no folder can be called {shown(repr(self.out))}")
        try:
            dumps([plain(self.questions), plain(self.settings)])
        except TypeError as error:
            raise WhylightError(f"job: questions and settings hold plain values alone: {error}") from None
        if isinstance(self.inputs, str) or not all(isinstance(one, str | os.PathLike) for one in self.inputs):
            raise WhylightError(f"job: inputs: expected a list of paths, got {shown(repr(self.inputs))}")
        if not self.inputs:
            raise WhylightError("job: inputs: there are none; give files, folders or globs")
        if self.max_megapixels is not None:
            from whylight.images.limits import checked_megapixels  # not before: what reads pictures takes time to load

            checked_megapixels(self.max_megapixels)
        object.__setattr__(self, "inputs", tuple(os.fspath(one) for one in self.inputs))
        if isinstance(self.model, str):
            object.__setattr__(self, "model", ModelChoice(self.model))

    @property
    def choice(self) -> ModelChoice:
        """The model."""
        assert isinstance(self.model, ModelChoice)
        return self.model

    def to_dict(self) -> dict[str, Any]:
        """The job as plain JSON values; inputs by absolute path, so that it can be run from any folder; `-` as it is."""
        model = {name: value for name, value in asdict(self.choice).items() if value is not None}
        return {
            "whylight": "job",
            "format": FORMAT,
            "kind": self.kind,
            "inputs": [one if one == STANDARD_INPUT else os.path.abspath(one) for one in self.inputs],
            "model": plain(model),
            "questions": plain(self.questions),
            "settings": plain(self.settings),
            **({} if self.max_megapixels is None else {"max_megapixels": self.max_megapixels}),
        }

    def write(self) -> Path:
        """Write `job.json` into the results folder."""
        if self.out is None:
            raise WhylightError("job: it has no results folder to be written to; give out=…")
        return put(Path(self.out), NAME, (dumps(self.to_dict(), indent=1) + "\n").encode())

    @classmethod
    def of(cls, value: Any, *, out: str | None) -> Self:
        """The job of a dict as `to_dict` makes it.

        Raises:
            ValueError: saying what is wrong with it.
        """
        if not isinstance(value, dict) or value.get("whylight") != "job":
            raise ValueError("is no job of whylight's")
        if value.get("format") != FORMAT:
            raise ValueError(
                f"was written by another version of whylight (format {shown(value.get('format'))}, this one reads {FORMAT})"
            )
        known = {name: given for name, given in value.items() if name not in ("whylight", "format")}
        found: _Written = _SCHEMA.read(known)
        return cls(found.kind, found.inputs, out, found.model, found.questions, found.settings, found.max_megapixels)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a `job.json`; its folder is the results folder, whatever the file says.

        Raises:
            WhylightError: naming the file, and what in it is wrong.
        """
        file = Path(path)
        if file.is_dir():
            file = file / NAME
        try:
            value = loads(file.read_bytes())
        except OSError as error:
            raise WhylightError(f"{shown(file)}: cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise WhylightError(
                f"{shown(file)}: is cut short or no JSON ({shown(error)}); give the command again that made it"
            ) from None
        try:
            return cls.of(value, out=str(file.parent))
        except ValueError as error:
            raise WhylightError(f"{shown(file)}: {shown(error)}; mend it, or give the command again") from None


@dataclass(frozen=True)
class _Written:
    """What lies in the file."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    kind: Text
    inputs: list[Text]
    model: ModelChoice
    questions: dict[Any, Any]
    settings: dict[Any, Any]
    max_megapixels: float | None = None


_SCHEMA = Schema(_Written)
