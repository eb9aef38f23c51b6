"""A page that runs a model in whatever browser opens it, as static files: what `whylight export MODEL --web DIR` writes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from whylight.atomic import named_errors, replacing
from whylight.browser import runtime
from whylight.errors import WhylightError
from whylight.jsontext import dumps
from whylight.render.scripted import COLORMAPS, colours
from whylight.shown import html, shown

if TYPE_CHECKING:
    from whylight.graphs.export import Written
    from whylight.models.adapters.facts import Facts
    from whylight.models.base import Classifier

_HERE = Path(__file__).parent / "files"
_LOOK = Path(__file__).parents[1] / "pages" / "look"
_PARTS = Path(__file__).parents[1] / "pages" / "parts"
# What the page's script needs beside it, wherever it is served from.
SCRIPTS = {
    **{name: _HERE / name for name in ("device.js", "worker.js", "prepare.js", "steady.js")},
    **{name: _LOOK / name for name in ("watching.js", "heat.js", "live-map.js")},
}
STYLES = {name: _LOOK / name for name in ("base.css", "controls.css", "live.css", "device.css", "favicon.svg")}
GRAPH, PAGE = "model.onnx", "index.html"
# 'wasm-unsafe-eval' lets it compile WebAssembly, and no script's text.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, kw_only=True)
class Page:
    """What was written.

    Args:
        folder: with the page.
        bytes: of all its files.
        graph: the graph of the model among them.
    """

    folder: Path
    bytes: int
    graph: Written


def told_of(facts: Facts, *, title: str, graph: str, size: int) -> dict[str, Any]:
    """What the page's script is told of a model.

    Args:
        facts: of its graph, which takes pictures of the input's size alone.
        title: what it is called.
        graph: the graph's address, as seen from these facts'.
        size: the graph's bytes.
    """
    assert facts.grid is not None  # `check` has seen to it
    return {
        "title": title,
        "graph": graph,
        "bytes": size,
        "classes": facts.classes,
        "multilabel": facts.multilabel,
        "preprocess": facts.preprocess.to_dict(),
        "grid": facts.grid,
        "span": list(facts.span),
        "weights": facts.weights,
    }


def write(
    model: Classifier,
    folder: str | os.PathLike[str],
    *,
    title: str = "",
    overwrite: bool = False,
    int8: bool = False,
    pictures: Sequence[str | os.PathLike[str]] = (),
    tick: Callable[[str], None] = lambda doing: None,
) -> Page:
    """Write the page and all that it needs into a folder: script, style, model, and the runtime.

    Args:
        model: whose maps are in closed form.
        folder: new or empty, or with an earlier page that is overwritten; other files in it stay.
        title: what the model is called there; "": its own name.
        overwrite: write into a folder that has something in it.
        int8, pictures: as for `export`.
        tick: called with what is being done, in words.

    Raises:
        ModelError: the model's maps cannot be in a graph, or a package of the extra `export` is missing.
        WhylightError: there is something in the folder, or the runtime is not here and cannot be fetched.
        WriteError: a file cannot be written.
    """
    from whylight.graphs.export import export
    from whylight.graphs.network import check

    folder = Path(folder)
    check(model, logits_only=False)
    with named_errors(shown(str(folder))):
        if not overwrite and folder.is_dir() and any(folder.iterdir()):
            raise WhylightError(
                f"--web {shown(str(folder))}: there is something in it; name a new folder, or say --overwrite"
            )
        folder.mkdir(parents=True, exist_ok=True)
    ort = runtime.needed(tick)
    graph = export(model, folder / GRAPH, "onnx", int8=int8, pictures=pictures, resize=False, tick=tick)
    title = title or graph.facts.network
    contents: dict[str, bytes] = {
        **{name: path.read_bytes() for name, path in (SCRIPTS | STYLES).items()},
        **{name: (ort / name).read_bytes() for name in runtime.FILES.values()},
        runtime.LICENSE: (_HERE / runtime.LICENSE).read_bytes(),
        "colours.json": dumps(colours(), compact=True).encode(),
        "model.json": dumps(told_of(graph.facts, title=title, graph=GRAPH, size=graph.bytes)).encode(),
        "README.txt": _README.encode(),
        PAGE: page(title).encode(),  # last: there is no page before all it needs is there
    }
    for name, data in contents.items():
        with named_errors(shown(str(folder / name))), replacing(folder / name) as file:
            file.write(data)
    return Page(folder=folder, bytes=graph.bytes + sum(map(len, contents.values())), graph=graph)


def page(title: str) -> str:
    """The page of one model, whose facts lie beside it."""
    told = {"models": [{"title": shown(title), "facts": "model.json"}], "colormaps": COLORMAPS}
    known: Mapping[str, str] = {
        "policy": POLICY,
        "title": html(shown(title)),
        "version": html(version("whylight")),
        "told": dumps(told, compact=True).replace("<", "\\u003c"),  # no browser finds the end of the script in it
        **{name: _piece(_PARTS / f"{name}.html") for name in ("stays", "stage", "side", "says")},
    }
    parts = _piece(_HERE / PAGE).split("{{")
    return parts[0] + "".join(known[name] + rest for name, _, rest in (one.partition("}}") for one in parts[1:]))


def _piece(path: Path) -> str:
    return path.read_text(encoding="utf-8")


_README = """\
A page that shows where a classifier looks, live, in whatever browser opens it. The model runs in that browser;
no picture leaves it.

Serve this folder with any web server. On this machine:

    python -m http.server --bind 127.0.0.1

and open http://127.0.0.1:8000/. Browsers give the camera only to pages that come by https, or from the machine itself.
The page uses several threads where a server sends "Cross-Origin-Opener-Policy: same-origin" and
"Cross-Origin-Embedder-Policy: require-corp" with every file.
"""
