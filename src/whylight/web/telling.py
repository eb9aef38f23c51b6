"""Looks at each model that the site offers and writes down what can be asked of it: `python -m whylight.web.telling`.

In a process of its own, since running every method on every model takes memory that a worker would keep; and only when something
has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from whylight.atomic import replacing
from whylight.jsontext import dumps
from whylight.web.catalogue import NAME, Method, Offered, plain


def ensure() -> None:
    """See to it that the catalogue tells of the models as they are now; of several processes that ask, one does the work."""
    from django.conf import settings

    file = Path(settings.SITE, NAME)
    with open(file.with_suffix(".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            known = json.loads(file.read_bytes()).get("made_of")
        except (FileNotFoundError, ValueError):
            known = None
        if known != _made_of(settings.WHYLIGHT_MODELS):
            subprocess.run([sys.executable, "-m", __name__], stdin=subprocess.DEVNULL, check=True)  # noqa: S603  # our own module


def write(folder: Path, names: list[str]) -> None:
    """Write the catalogue of some models, named as for `--model`."""
    from whylight import methods
    from whylight.faces.words import languages
    from whylight.methods.naming import ALIASES

    told = {
        "made_of": _made_of(names),
        "models": [asdict(_looked_at(name)) for name in names],
        "spelled": {plain(name): methods.get(name).name for name in (*methods.names(), *ALIASES)},
        "languages": languages(),
    }
    with replacing(folder / NAME) as stream:
        stream.write(dumps(told).encode())


def _made_of(names: list[str]) -> str:
    """The same as long as the models and whylight are."""
    from whylight.models.zoo.choice import ModelChoice

    facts = [version("whylight"), *(ModelChoice(name).identity() for name in names)]
    return hashlib.sha256(dumps(facts).encode()).hexdigest()


def _looked_at(name: str) -> Offered:
    from whylight import methods
    from whylight.methods.facts import facts_of
    from whylight.models.model import Model
    from whylight.models.zoo.choice import ModelChoice

    choice = ModelChoice(name)
    model = choice.load()
    linear = getattr(model, "linear", None) is not None
    found = {}
    for one in methods.names():
        method = methods.get(one)
        facts = facts_of(method, linear=linear)
        found[one] = Method(
            one,
            facts.does,
            facts.reads,
            facts.cost,
            facts.units,
            facts.source,
            method.is_slow,
            facts.of_target,
            model.why_not(one),
        )
    height, width = model.preprocessing.size
    module = model.module if isinstance(model, Model) else None
    return Offered(
        name=name,
        title=Path(name).stem if "/" in name or "\\" in name else name,
        network="a black box" if module is None else type(module).__name__,
        parameters=0 if module is None else sum(one.numel() for one in module.parameters()),
        input=(height, width),
        classes=tuple(model.classes),
        multilabel=bool(getattr(model, "multilabel", False)),
        default=choice.default_method,
        methods=found,
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "whylight.web.settings")
    from django.conf import settings

    write(Path(settings.SITE), settings.WHYLIGHT_MODELS)
