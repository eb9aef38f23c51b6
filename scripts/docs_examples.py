"""For the reference pages: a doctest at the end of a docstring becomes its "Examples" section, and is shown as code."""

from __future__ import annotations

import inspect
import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Puts the heading before a block of `>>>` lines that has none; the docstrings themselves stay free of it."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is None or re.search(r"^Examples?:$", obj.docstring.value, re.MULTILINE):
            return
        text = inspect.cleandoc(obj.docstring.value)
        start = re.search(r"^>>> ", text, re.MULTILINE)
        if start:
            examples = "\n".join("    " + line for line in text[start.start() :].splitlines())
            obj.docstring.value = f"{text[: start.start()].rstrip()}\n\nExamples:\n{examples}"
