"""`whylight models`: what can be loaded, and what one model is made of."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from whylight.jsontext import dumps
from whylight.shown import shown


def models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A model to inspect, named as for `explain --model`. Default: list them.", show_default=False
        ),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="List the zoo's names that hold this text; * and ? work.", show_default=False
        ),
    ] = None,
    pretrained: Annotated[
        bool,
        typer.Option("--pretrained/--no-pretrained", help="Inspect a zoo model with its published weights, or none."),
    ] = False,
    layer: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Inspect it at this layer. Default: the last spatial one.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that can be loaded, or inspect one: its split, layers, methods, input and classes.

    Nothing is downloaded unless --pretrained asks for it.
    """
    if name is not None:
        facts = inspect(name, pretrained=pretrained, layer=layer)
        _print(facts, as_json, _card)
    elif search is not None:
        _print(
            {"models": find(search)}, as_json, lambda found: "\n".join(found["models"]) or f"no name holds {search!r}"
        )
    else:
        _print({"bundled": bundled(), "zoo": families()}, as_json, _listing)


def bundled() -> list[dict[str, Any]]:
    """What the package brings along: name, classes, input and size on disk, read without loading any weights."""
    from whylight.models.zoo.bundled import file_of, names
    from whylight.models.zoo.files import read_spec

    found = []
    for name in names():
        file = file_of(name)
        assert file is not None
        spec = read_spec(file)
        found.append(
            {
                "name": name,
                "classes": list(spec.classes),
                "network": spec.arch,
                "input": list(spec.preprocess.size),
                "megabytes": round(file.stat().st_size / 1e6, 1),
                "card": str(file.with_suffix(".md")) if file.with_suffix(".md").is_file() else None,
            }
        )
    return found


def families() -> dict[str, int]:
    """How many architectures the zoos know."""
    from whylight.models.zoo.architectures import TORCHVISION, names

    known = names()
    theirs = sum(name.startswith(TORCHVISION) for name in known)
    return {"timm": len(known) - theirs, "torchvision": theirs}


def find(text: str) -> list[str]:
    """The zoo's names that hold a text, or match it where it has wildcards."""
    from fnmatch import fnmatch

    from whylight.models.zoo.architectures import names

    pattern = text.lower() if any(sign in text for sign in "*?[") else f"*{text.lower()}*"
    return [name for name in names() if fnmatch(name.lower(), pattern)]


def inspect(name: str, *, pretrained: bool, layer: str | None) -> dict[str, Any]:
    """Everything worth knowing about one model before explaining with it."""
    from whylight import methods
    from whylight.cli.screen import calm_warnings
    from whylight.models.layers import spatial_layers
    from whylight.models.model import Model
    from whylight.models.zoo.choice import ModelChoice

    with calm_warnings():
        model = ModelChoice(name, pretrained=pretrained, layer=layer, device="cpu").load()
    height, width = model.preprocessing.size
    refused = {method: why for method in methods.names() if (why := model.why_not(method)) is not None}
    outside = {
        "model": name,
        "classes": list(model.classes),
        "methods": model.applicable_methods(),
        "refused": refused,
        "input": {**model.preprocessing.to_dict(), "size": [height, width]},
    }
    if not isinstance(model, Model):
        return outside
    return {
        **outside,
        "network": type(model.module).__name__,
        "parameters": sum(parameter.numel() for parameter in model.module.parameters()),
        "layer": model.layer,
        "channels": model.channels,
        "grid": list(model.grid),
        "split": model.split_kind,
        "closed_forms": model.linear is not None,
        "layers": [{"name": name, "shape": list(shape)} for name, shape in spatial_layers(model).items()],
    }


def _print(facts: dict[str, Any], as_json: bool, words: Any) -> None:
    typer.echo(dumps(facts, indent=2) if as_json else words(facts))


def _listing(facts: dict[str, Any]) -> str:
    lines = ["Bundled, ready without a network:"]
    for one in facts["bundled"]:
        height, width = one["input"]
        lines.append(
            f"  {one['name']:<12}{_names(one['classes'])}; {one['network']}, {width} × {height} pixels, "
            f"{one['megabytes']} MB" + (f"; card: {one['card']}" if one["card"] else "")
        )
    if not facts["bundled"]:
        lines.append("  none")
    zoo = facts["zoo"]
    lines += [
        "",
        "By name, weights fetched on first use (or --no-pretrained, or --weights FILE):",
        f"  resnet50, vit_base_patch16_224, ...           {zoo['timm']:,} timm architectures",
        f"  torchvision/mobilenet_v2, ...                 {zoo['torchvision']} torchvision architectures",
        "  hf-hub:OWNER/NAME                             timm models on the Hugging Face hub",
        "",
        "Your own:",
        "  runs/7                                        a folder that `whylight train` wrote",
        "  path/to/model.safetensors                     a file that it wrote",
        "  path/to/model.onnx                            a black box, for methods that ask from outside: rise, occlusion",
        "  model.onnx or model.xml of `whylight export`   fast, with the maps in it: cam, gradcam, hirescam",
        "",
        "whylight models --search resnet                 finds names",
        "whylight models NAME                            inspects one: layers, methods, input, classes",
    ]
    return "\n".join(lines)


def _card(facts: dict[str, Any]) -> str:
    height, width = facts["input"]["size"]
    rows = [
        ("classes", f"{len(facts['classes']):,}: {_names(facts['classes'])}"),
        ("input", f"{width} × {height} pixels, {_fitting(facts['input'])}"),
    ]
    if "network" in facts:
        down, across = facts["grid"]
        rows = [
            ("network", f"{facts['network']}, {facts['parameters'] / 1e6:.2f} million parameters"),
            *rows,
            ("looks at", f"{facts['layer']}: {facts['channels']} channels on a grid of {across} × {down}"),
            ("split", facts["split"]),
            (
                "head",
                "global average pooling + linear: maps in closed form"
                if facts["closed_forms"]
                else "more than pooling + linear",
            ),
        ]
    else:
        rows = [("network", "a black box: it is asked from outside"), *rows]
    rows.append(("methods", ", ".join(facts["methods"])))
    lines = [shown(facts["model"]), *(f"  {key:<10}{value}" for key, value in rows)]
    if facts["refused"]:
        lines += ["", "Methods that do not apply"]
        for why, names in _by_reason(facts["refused"]).items():
            lines.append(f"  {', '.join(names)}: {why}")
    if "layers" in facts:
        lines += ["", "Layers for --layer, as they run: channels × height × width"]
        lines += [f"  {shown(one['name']):<28}{' × '.join(map(str, one['shape']))}" for one in facts["layers"]]
    return "\n".join(lines)


def _by_reason(refused: dict[str, str]) -> dict[str, list[str]]:
    """Reasons, and the methods that each of them rules out."""
    found: dict[str, list[str]] = {}
    for method, why in refused.items():
        found.setdefault(why.removeprefix(f"method {method!r} "), []).append(method)
    return found


def _fitting(facts: dict[str, Any]) -> str:
    way = (
        "the whole picture, stretched" if facts["mode"] == "squash" else f"the middle {facts['crop_pct']:.0%}, cropped"
    )
    mean, std = ([f"{value:.3g}" for value in facts[key]] for key in ("mean", "std"))
    return f"{way} ({facts['interpolation']}); mean {', '.join(mean)}; std {', '.join(std)}"


def _names(classes: list[str], most: int = 6) -> str:
    return ", ".join(map(shown, classes[:most])) + (", …" if len(classes) > most else "")
