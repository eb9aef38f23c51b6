"""What a run of `explain` has to do, worked out before a model is loaded."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.cli.around import Around
from whylight.cli.ledger import NAME, Ledger, Record, stamp
from whylight.cli.naming import file_name, root_of, stems
from whylight.cli.source import Source
from whylight.cli.write import Look
from whylight.errors import MethodError, WhylightError

if TYPE_CHECKING:
    from whylight.explanation import Explanation

Question = tuple[str, str | None]  # method name, target as asked for


@dataclass(frozen=True)
class Plan:
    """Pictures, questions, and how the answers look and are named."""

    pictures: list[Path]
    out: Path
    source: Source
    look: Look
    methods: dict[str, dict[str, Any]]  # name → options
    targets: list[str | None]  # None: the top class
    stems: dict[str, str]
    stamps: dict[str, dict[str, Any]]  # of the pictures, by absolute path; taken before they are read
    around: Around  # what is put around each method
    verify: bool  # write a receipt for each explanation
    settings: dict[
        str, Any
    ]  # all that results depend on besides picture, method and target; a change means doing them again

    def split(self, ledger: Ledger, overwrite: bool) -> tuple[list[Record], dict[tuple[Question, ...], list[Path]]]:
        """What is done already, and what is not: the pictures behind each set of questions still open."""
        questions: list[Question] = [(method, target) for method in self.methods for target in self.targets]
        done: list[Record] = []
        missing: dict[tuple[Question, ...], list[Path]] = {}
        for picture in self.pictures:
            now = None if overwrite else self.stamps.get(os.path.abspath(picture))
            records = [ledger.done(now, *question, self.settings) if now else None for question in questions]
            done += [record for record in records if record]
            left = tuple(question for question, record in zip(questions, records, strict=True) if not record)
            if left:
                missing.setdefault(left, []).append(picture)
        return done, missing

    def record(self, explanation: Explanation, question: Question, ledger: Ledger, given: set[str]) -> Record:
        """The line for `explanations.jsonl`, with a file name that no other result has nor was `given` in this run."""
        peak = explanation.peak
        path = os.path.abspath(explanation.source)
        record: Record = {
            "picture": explanation.source,
            "method": question[0],
            "target": explanation.target,
            "label": explanation.label,
            "score": explanation.score,
            "probability": explanation.probability,
            "blank": explanation.is_blank,
            "peak_x": round(peak[0], 2) if peak else None,
            "peak_y": round(peak[1], 2) if peak else None,
            "width": explanation.picture.width,
            "height": explanation.picture.height,
            "units": explanation.units,
            "details": explanation.details,
            "model": self.source.name,
            "asked": question[1],
            "file": "",
            "map": None,
            "settings": self.settings,
            "stamp": self.stamps[path],
        }
        taken = 0
        while True:
            name = file_name(self.stems[path], question[0], explanation.label, self.look.style, self.look.suffix, taken)
            owner = ledger.owner(name)
            free = owner is None or _same_thing(owner, record)
            if free and name.casefold() not in given and os.path.abspath(self.out / name) not in self.stems:
                break
            taken += 1
        given.add(name.casefold())
        record["file"] = Path(name).as_posix()
        record["map"] = Path(name).with_suffix(".npz").as_posix() if self.look.maps else None
        return record


def make_plan(
    inputs: Sequence[str],
    out: Path,
    source: Source,
    look: Look,
    *,
    methods: Sequence[str],
    targets: Sequence[str],
    options: Sequence[str],
    around: Around,
    verify: bool = False,
) -> Plan:
    """Check everything that can be checked without a model.

    Raises:
        WhylightError: naming the argument, what is wrong with it and what to do.
    """
    from whylight import images
    from whylight.render import colormap
    from whylight.targets import parse

    colormap.table(look.colormap)  # complain now, not after the first batch
    chosen = options_by_method(list(dict.fromkeys(part for entry in methods for part in parts(entry))), options)
    named_targets = [part for entry in targets for part in parts(entry)]
    asked: list[str | None] = list(dict.fromkeys(str(one) for part in named_targets for one in parse(part)))
    pictures = images.walk(inputs)
    named = {os.path.abspath(entry) for entry in inputs}
    check_folder(out)
    pictures = without_results(pictures, named, out)
    if not pictures:
        raise WhylightError(f"{', '.join(inputs)}: holds only results of earlier runs; give the pictures to explain")
    settings = {
        **source.identity(),
        "style": look.style,
        "colormap": look.colormap,
        "alpha": look.alpha,
        "format": look.suffix,
        "options": {name: given for name, given in chosen.items() if given},
        **around.settings(),
        **({"verify": True} if verify else {}),  # only where asked for, so that earlier results stay good
    }
    places = stems(pictures, root_of(inputs))
    stamps = {os.path.abspath(picture): stamp(str(picture)) for picture in pictures if picture.is_file()}
    return Plan(pictures, out, source, look, chosen, asked or [None], places, stamps, around, verify, settings)


def parts(entry: str) -> list[str]:
    """Split at commas that no space follows: `cat,dog` is two names, `tench, Tinca tinca` is one.

    Raises:
        WhylightError: if there is nothing between two commas.
    """
    found = [part.strip() for part in re.split(r",(?!\s)", entry)]
    if not all(found):
        raise WhylightError(f"{entry!r}: there is nothing between two commas, or before or after one")
    return found


def options_by_method(names: Sequence[str], options: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The options given to each method, as METHOD.KEY=VALUE.

    Raises:
        MethodError: if one is written otherwise, or is for a method that is not asked for.
    """
    values: dict[str, dict[str, Any]] = {name: {} for name in names}
    for entry in options:
        match = re.fullmatch(r"([^.=]+)\.([^.=]+)=(.*)", entry)
        if not match:
            raise MethodError(f"--option {entry!r}: write it as METHOD.KEY=VALUE, for example rise.masks=4000")
        name, key, value = match.groups()
        if name not in values:
            near = difflib.get_close_matches(name, names, n=1) or names
            raise MethodError(f"--option {entry!r}: method {name!r} is not among those asked for: {', '.join(near)}")
        values[name][key] = _value(value)
    return values


def _value(text: str) -> Any:
    """A number, true, false or null where it reads as one, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return {"none": None, "true": True, "false": False}.get(text.lower(), text)


def check_folder(out: Path) -> None:
    """Complain about a folder that cannot be written, without making it yet."""
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise WhylightError(f"--out {out}: {there} is a file, not a folder; choose another name")
    if not os.access(there, os.W_OK | os.X_OK):
        raise WhylightError(f"--out {out}: no permission to write in {there}; choose another folder")


def without_results(pictures: list[Path], named: set[str], out: Path, ledger_name: str = NAME) -> list[Path]:
    """Leave out what earlier runs wrote where the results lie among the pictures, except what was named outright."""
    inside = os.path.abspath(out) + os.sep
    if not any(os.path.abspath(picture).startswith(inside) for picture in pictures):
        return pictures
    with Ledger(out, ledger_name) as ledger:
        return [p for p in pictures if os.path.abspath(p) in named or not ledger.owns(os.path.abspath(p))]


def _same_thing(owner: Record, record: Record) -> bool:
    """Whether two records answer the same question about the same picture, perhaps drawn in other colours, or verified."""
    drawn = {"style", "colormap", "alpha", "format", "verify"}
    what = [{k: v for k, v in one["settings"].items() if k not in drawn} for one in (owner, record)]
    same = all(owner.get(key) == record[key] for key in ("method", "target", "label"))
    return same and owner["stamp"]["path"] == record["stamp"]["path"] and what[0] == what[1]
