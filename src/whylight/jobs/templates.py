"""`--name "{label}/{stem}-{method}"`: names of results as people want them, which never lead out of the results folder."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from string import Formatter
from typing import Any

from whylight.errors import WhylightError
from whylight.jobs.names import LONGEST, cut, safe
from whylight.shown import shown

FIELDS = ("stem", "folder", "method", "label", "target", "style", "model", "probability", "score")
_ENDINGS = (".png", ".jpg", ".jpeg", ".pdf", ".svg")
_Piece = tuple[str, str | None]  # words as they are, then a field


class Template:
    """A name with fields in braces, read once.

    A `/` makes sub-folders, and the whole place is then the template's; without one (and without `{folder}`) results lie where
    their pictures do, in the sub-folders that mirror the inputs. `{{` and `}}` are braces.

    Args:
        text: as it was written.
        suffix: of the files, which the template need not name.

    Raises:
        WhylightError: naming what is wrong: an unknown field, a place outside of the folder, another format's ending, nothing.

    >>> facts = {"label": "tabby, tabby cat", "method": "gradcam", "target": 281}
    >>> Template("{label}/{stem}-{method}", "png").place("sub/a", facts)
    'tabby_tabby_cat/a-gradcam'
    >>> Template("{stem}-{target}", "png").place("sub/a", facts, taken=1)
    'sub/a-281-2'
    """

    def __init__(self, text: str, suffix: str) -> None:
        self._text = text
        ending = next((one for one in _ENDINGS if text.lower().endswith(one)), None)
        if ending is not None and ending[1:] != suffix:
            raise self._wrong(f"it ends in {ending}: say --format {ending[1:]}, or leave the ending out")
        bare = text if ending is None else text[: -len(ending)]
        if not bare.isprintable() or "\\" in bare:
            raise self._wrong("it holds a character that no name should: a control character, or a backslash")
        self._parts: list[list[_Piece]] = []
        for part in bare.split("/"):
            if part.strip() in ("", ".", ".."):
                raise self._wrong(
                    "it leads out of the results folder, or nowhere: a name goes between and behind each /"
                )
            self._parts.append(self._read(part))
        used = {field for part in self._parts for _, field in part}
        if used <= {None, "folder", "style", "model"}:
            raise self._wrong("all results would have one name: use {stem}, or another field that tells them apart")
        self._mirrors = len(self._parts) == 1 and "folder" not in used

    def place(self, stem: str, facts: Mapping[str, Any], taken: int = 0) -> str:
        """The place of a result in the results folder, without its ending.

        Args:
            stem: the picture's place, `sub/a`.
            facts: about the result, by the names of the fields; None where it has none.
            taken: how many others have the name: `-2`, `-3`, … stand behind it.
        """
        folder, base = os.path.split(stem)
        folders = [one for one in folder.split(os.sep) if one]
        found = folders if self._mirrors else []
        for part in self._parts:
            if part == [("", "folder")]:
                found += folders
            else:
                found.append("".join(words + self._value(field, base, folder, facts) for words, field in part))
        number = f"-{taken + 1}" if taken else ""
        *above, last = [one if one.strip() not in ("", ".", "..") else "_" for one in found] or ["_"]
        return os.path.join(*(cut(one, LONGEST) for one in above), cut(last, LONGEST - 16 - len(number)) + number)

    def _read(self, part: str) -> list[_Piece]:
        try:
            pieces = list(Formatter().parse(part))
        except ValueError as error:
            raise self._wrong(f"{error}; a brace that is meant is written twice") from None
        for _, field, spec, conversion in pieces:
            if field is not None and (field not in FIELDS or spec or conversion):
                near = difflib.get_close_matches(field, FIELDS, n=1)
                hint = f", did you mean {{{near[0]}}}?" if near and field not in FIELDS else ""
                what = field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                every = ", ".join(f"{{{one}}}" for one in FIELDS)
                raise self._wrong(f"{{{what}}} is no field{hint or ''}; there are {every}")
        return [(words, field) for words, field, _, _ in pieces]

    def _value(self, field: str | None, base: str, folder: str, facts: Mapping[str, Any]) -> str:
        if field is None:
            return ""
        if field == "stem":
            return base
        value = folder if field == "folder" else facts.get(field)
        if isinstance(value, float):
            return f"{value:.3f}"
        return "none" if value is None else safe(str(value))

    def _wrong(self, why: str) -> WhylightError:
        return WhylightError(f"--name {shown(self._text)!r}: {why}")
