"""`whylight methods`: which there are, what they read, need and cost, and which of them suit a model."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whylight.cli import options as opt
from whylight.jsontext import dumps
from whylight.shown import shown

if TYPE_CHECKING:
    from whylight.models.base import Classifier

_WIDTH, _NAME, _COST = 118, 22, 52
_HEADS = {  # what a method reads: how its group is headed, and what most of the group need
    "activations and gradients": (
        "Activations, and the gradient of the score there",
        "a PyTorch network with a grid of places",
    ),
    "activations": ("Activations alone: what was seen, whatever the class", "a PyTorch network with a grid of places"),
    "scores": ("The score of what is left of the picture", "scores alone, so a black box will do"),
    "pixel gradients": ("Gradients down to the pixels", "a PyTorch network"),
    "attention": ("Attention", "attention over all places"),
}
_SIGNS = {True: " ±", False: " +", None: ""}


def methods(
    name: Annotated[
        str | None,
        typer.Argument(help="One method, however it is written. Default: list them all.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        opt.option(
            "Which suit this model, and why the others do not; named as for `explain --model`.",
            "--model",
            "-m",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        str | None,
        opt.option(
            "Look at the model at this layer. Default: the last spatial one.", metavar="NAME", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, opt.option("Print JSON.", "--json")] = False,
) -> None:
    """List the methods: what each reads, needs and costs; with --model, which of them suit it.

    A zoo model is built with random weights, so nothing is downloaded: what suits it does not depend on them.
    """
    found = known(name, model, layer)
    if as_json:
        typer.echo(dumps({"methods": found} if model is None else {"model": model, "methods": found}, indent=2))
    else:
        typer.echo(_card(found[0]) if name is not None else _listing(found, model))


def known(name: str | None = None, model: str | None = None, layer: str | None = None) -> list[dict[str, Any]]:
    """Facts about one method or all; with a model also `why_not`, None where the method suits it."""
    from whylight import methods as all_of_them
    from whylight.errors import WhylightError
    from whylight.methods.facts import facts_of

    if layer is not None and model is None:
        raise WhylightError("--layer: of which model? Add --model, or leave --layer out")
    chosen = [all_of_them.get(one) for one in (all_of_them.names() if name is None else [name])]
    if model is None:
        return [facts_of(one).to_dict() for one in chosen]
    asked = _loaded(model, layer)
    linear = getattr(asked, "linear", None) is not None
    return [{**facts_of(one, linear=linear).to_dict(), "why_not": asked.why_not(one)} for one in chosen]


def _loaded(name: str, layer: str | None) -> Classifier:
    from whylight.cli.screen import calm_warnings
    from whylight.models.zoo.choice import ModelChoice

    with calm_warnings():
        return ModelChoice(name, pretrained=False, layer=layer, device="cpu").load()


def _listing(found: list[dict[str, Any]], model: str | None) -> str:
    suits = [one for one in found if one.get("why_not") is None]
    lines = [] if model is None else [f"{len(suits)} of {len(found)} methods suit {shown(model)}.", ""]
    lines.append(f"  {'':<{_NAME}}{'cost for each picture':<{_COST}}  numbers of the map")
    for reads, (head, need) in _HEADS.items():
        group = [one for one in suits if one["reads"] == reads]
        if group:
            lines.append(f"{head}; needs {need}" if model is None else head)
            for one in group:
                needs = f"; needs {one['needs']}" if model is None and one["needs"] != need else ""
                cost = one["cost"].replace(*_SMALL)
                numbers = f"{one['units']}{_SIGNS[one['signed']]}{needs}"
                lines += _wrapped(one["name"], f"{cost:<{_COST}}  {numbers}")
            lines.append("")
    if refused := [one for one in found if one not in suits]:
        lines.append("Not for this model")
        for one in refused:
            lines += _wrapped(one["name"], shown(one["why_not"].removeprefix(f"method {one['name']!r} ")))
        lines.append("")
    return "\n".join([*lines, *_FOOT])


_SMALL = (" through the head unless that is linear", " *")
_FOOT = [
    "'One forward' is that of the prediction, which methods and targets share; others come on top of it.",
    "* through the head alone; not needed where that is average pooling and one linear layer.",
    "± tells what speaks for and what against the target, + only what speaks for it.",
    "Names are found however they are written: gradCAM, grad-cam, GradCAM++, IntegratedGradients.",
    "",
    "whylight methods NAME                           one method: its equation, options and paper",
    "whylight methods --model NAME                   which suit a model, and why the others do not",
    "whylight explain PICTURE --method NAME[,NAME]   uses them",
]


def _card(one: dict[str, Any]) -> str:
    options = ", ".join(f"{key}={value}" for key, value in one["options"].items()) or "none"
    rows = [
        ("map", one["does"]),
        ("size", "that of the input" if one["pixels"] else "the grid's at the layer that is looked at"),
        ("numbers", f"{one['units']}; {_TOLD[one['signed']]}"),
        ("target", "asked about one" if one["of_target"] else "the same for all: it asks what the network saw"),
        ("reads", one["reads"]),
        ("needs", one["needs"]),
        ("cost", one["cost"]),
        ("options", options),
        ("source", one["source"] or "none is told"),
    ]
    if "why_not" in one:
        rows.insert(0, ("suits it", "yes" if one["why_not"] is None else f"no: {one['why_not']}"))
    return "\n".join([one["name"], *(line for key, text in rows for line in _wrapped(key, shown(text), 10))])


_TOLD = {
    True: "positive for the target, negative against it",
    False: "nowhere negative: it tells what speaks for the target alone",
    None: "their sign tells nothing about for and against",
}


def _wrapped(name: str, text: str, room: int = _NAME) -> list[str]:
    first = f"  {name:<{room}}"
    rest = " " * len(first)
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
