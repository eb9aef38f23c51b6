"""The options of the command line, each told once: the same option has the same words in every verb.

Those that always come together are a group: a dataclass among a verb's parameters, which `spread` takes apart for typer.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

import typer

from whylight.cli.given import config
from whylight.cli.given.reading import named as named
from whylight.cli.given.reading import one_of as one_of
from whylight.cli.given.reading import options_of as options_of
from whylight.cli.given.reading import parts as parts
from whylight.errors import WhylightError
from whylight.models.zoo.choice import ModelChoice
from whylight.shown import shown
from whylight.work.wrapping import read_layers, read_scales


def option(about: str, *names: str, metavar: str | None = None, of: tuple[str, ...] = (), **more: Any) -> Any:
    """An option; its default is shown where it says something. `of` are the values it may have."""
    if of:
        metavar, more["callback"] = "|".join(of), _among(of)
    return typer.Option(*names, help=about, metavar=metavar, **more)


def _among(allowed: tuple[str, ...]) -> Callable[[typer.CallbackParam, Any], Any]:
    def check(param: typer.CallbackParam, value: Any) -> Any:
        if value is not None and value not in allowed:
            raise WhylightError(f"{param.opts[0]} {shown(value)!r}: choose one of {', '.join(allowed)}")
        return value

    return check


_quiet: dict[str, Any] = {"show_default": False}
Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT", help="Pictures, folders (searched recursively), globs; - for one that is piped in.", **_quiet
    ),
]
Data = Annotated[
    str,
    option(
        "The pictures, at any depth. Without --boxes, the folders at its top are their classes.",
        metavar="FOLDER",
        **_quiet,
    ),
]
_BOXES = "Annotated boxes, columns file,label,x0,y0,x1,y1: pixels of the upright picture, x1 and y1 the first outside."
Boxes = Annotated[str | None, option(_BOXES, metavar="CSV", **_quiet)]
NeededBoxes = Annotated[str, option(_BOXES, "--boxes", metavar="CSV", **_quiet)]
Label = Annotated[
    str | None,
    option("The class that everything annotated is, whatever the labels say.", metavar="CLASS", **_quiet),
]
Methods = Annotated[
    list[str] | None,
    option(
        "How: gradcam, cam, layercam, ... Repeat it or separate by commas. Default: gradcam (rise for black boxes).",
        "--method",
        "--methods",
        metavar="NAME[,NAME]",
        **_quiet,
    ),
]
MethodOption = Annotated[
    list[str] | None,
    option(
        "An option of a method, e.g. rise.masks=4000. Repeatable.", "--option", metavar="METHOD.KEY=VALUE", **_quiet
    ),
]
Multilabel = Annotated[bool, option("Classes do not exclude each other: probabilities are sigmoids.", "--multilabel")]
Out = Annotated[
    str,
    option("Folder for the results; sub-folders of the inputs are mirrored in it.", "--out", "-o", metavar="FOLDER"),
]
KeptOut = Annotated[
    str | None,
    option("Folder for the results; nothing is kept without.", "--out", "-o", metavar="FOLDER", **_quiet),
]
JsonTo = Annotated[
    str | None,
    option(
        "Also write one JSON line for each result to a file, or to stdout (-) and nothing else there.",
        "--json",
        metavar="FILE|-",
        **_quiet,
    ),
]
Colormap = Annotated[
    str, option("Any matplotlib name; plasma, inferno, viridis, ...; jet for the classic look.", metavar="NAME")
]
Device = Annotated[str, option("auto, cpu, cuda, cuda:1, mps.", metavar="DEVICE")]
Workers = Annotated[
    int | None,
    option("Threads that decode, draw and write. Default: as many as there are cores.", metavar="N", min=1, **_quiet),
]
Html = Annotated[
    bool, option("Also write index.html: all results of the folder as one page to filter and sort.", "--html")
]
Overwrite = Annotated[bool, option("Do again what is done already.", "--overwrite")]
Verbose = Annotated[
    bool, option("A line for each result, however many; without, up to 20 pictures, else a table.", "--verbose", "-v")
]
MaxMegapixels = Annotated[
    float | None,
    option(
        "Million pixels a picture may have, at 10 bytes each; larger JPEGs are read reduced. Default: 100, at most 1000.",
        metavar="N",
        **_quiet,
    ),
]
Seed = Annotated[int, option("Decides everything random.", metavar="N")]
_MODEL = (
    "A bundled, timm or torchvision/ name, hf-hub:..., a run folder, a .safetensors, .onnx or .xml file; see `models`."
)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model is meant."""

    model: Annotated[str, option(_MODEL, "--model", "-m", metavar="NAME")] = "face"
    weights: Annotated[
        str | None,
        option(
            "File with weights for a timm or torchvision architecture: .pth, .pt or .safetensors.",
            metavar="FILE",
            **_quiet,
        ),
    ] = None
    classes: Annotated[
        str | None,
        option("File with class names, one a line, or .json, for a model that has none.", metavar="FILE", **_quiet),
    ] = None
    pretrained: Annotated[
        bool,
        option("Take a zoo model's published weights, or random ones.", "--pretrained/--no-pretrained"),
    ] = True
    precision: Annotated[
        str,
        option(
            "Of methods that run the network many times. auto: bf16 where the processor has it and the network agrees.",
            of=("auto", "fp32", "bf16"),
        ),
    ] = "auto"
    device: Device = "auto"
    size: Annotated[
        str | None,
        option(
            "Input in pixels, where the weights were trained with another. Default: the model's.",
            metavar="N|H,W",
            **_quiet,
        ),
    ] = None
    mean: Annotated[
        str | None,
        option("Likewise: what is subtracted, of colours from 0 to 1.", metavar="R,G,B", **_quiet),
    ] = None
    std: Annotated[str | None, option("Likewise: what is divided by.", metavar="R,G,B", **_quiet)] = None
    crop: Annotated[
        str | None,
        option(
            "Likewise: share of the shorter side cut out of the centre; 0 squeezes the whole picture in.",
            metavar="0...1",
            **_quiet,
        ),
    ] = None

    def choice(self, **more: Any) -> ModelChoice:
        """The model, with what only some verbs ask for."""
        given = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "model"}
        return ModelChoice(self.model, **given, **more)


@dataclass(frozen=True, kw_only=True)
class NeededModel(ModelOptions):
    """The same where there is no model that would do for all."""

    model: Annotated[str, option(_MODEL, "--model", "-m", metavar="NAME", **_quiet)] = field()


@dataclass(frozen=True, kw_only=True)
class WrapOptions:
    """What is put around every method."""

    layer: Annotated[
        str | None,
        option("Layer to look at; several are fused. Default: the last spatial one.", metavar="NAME[,NAME]", **_quiet),
    ] = None
    fusion: Annotated[str, option("How the maps of several layers become one.", metavar="max|mean|sum")] = "max"
    flip: Annotated[bool, option("Average with the map of the mirrored picture.", "--flip")] = False
    scales: Annotated[
        str, option("Average over inputs of these sizes, relative to the usual one.", metavar="1,1.5")
    ] = "1"
    smooth: Annotated[bool, option("Project the map onto the main patterns of the activations.", "--smooth")] = False

    @property
    def one_layer(self) -> str | None:
        """The layer, if it is one alone."""
        return read_layers(self.layer)[0]

    def settings(self) -> dict[str, Any]:
        """The rest, as a job has it."""
        return {
            "layers": read_layers(self.layer)[1],
            "fusion": self.fusion,
            "flip": self.flip,
            "scales": read_scales(self.scales),
            "smooth": self.smooth,
        }


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a job is run; nothing of it changes a result, but that very large pictures are read at all, or reduced."""

    batch_size: Annotated[
        int | None,
        option(
            "Pictures in one forward. Default: 16 on the processor, 32 elsewhere, 1 for methods of many forwards.",
            metavar="N",
            min=1,
            **_quiet,
        ),
    ] = None
    workers: Workers = None
    overwrite: Overwrite = False
    quiet: Annotated[bool, option("Say nothing but what went wrong.", "--quiet", "-q")] = False
    max_megapixels: MaxMegapixels = None


def spread(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb that has groups among its parameters, as a function that has each of their options by itself, and --config: what typer
    reads.
    """
    hints = get_type_hints(verb, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(verb).parameters.values():
        if parameter.name not in groups:
            parameters.append(parameter.replace(annotation=hints[parameter.name], kind=parameter.KEYWORD_ONLY))
            continue
        group = groups[parameter.name]
        inner = get_type_hints(group, include_extras=True)
        for one in fields(group):
            default = parameter.empty if one.default is MISSING else one.default
            parameters.append(
                inspect.Parameter(one.name, parameter.KEYWORD_ONLY, default=default, annotation=inner[one.name])
            )

    parameters.append(
        inspect.Parameter(config.NAME, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=config.Config)
    )

    @functools.wraps(verb)
    def called(**given: Any) -> None:
        given.pop(config.NAME, None)  # it has done its work
        made = {}
        for name, group in groups.items():
            make: Any = group
            made[name] = make(**{one.name: given.pop(one.name) for one in fields(group)})
        verb(**given, **made)

    del called.__wrapped__  # else it would be read instead
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called
