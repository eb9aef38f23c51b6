"""`whylight face`: who is in a photograph, and which features say so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from whylight.cli.group import Group
from whylight.errors import WhylightError

DEFAULT = "identify"
FILES = ("crop", "heat", "grey", "blend", "card")

Gallery = Annotated[
    str | None,
    typer.Option(
        "--gallery", metavar="FOLDER", help="Your own people, made by `whylight face enroll`.", show_default=False
    ),
]
VggFace = Annotated[
    str | None,
    typer.Option("--vggface", metavar="FILE", help="VGG-Face's weights in any of their forms.", show_default=False),
]
Names = Annotated[
    str | None,
    typer.Option("--names", metavar="FILE", help="VGG-Face's names, one a line in label order.", show_default=False),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        metavar="NAME",
        help="Network of the embeddings: a MobileFaceNet checkpoint, hf-hub:..., or any model. Default: the gallery's own; face.",
        show_default=False,
    ),
]
DetectorName = Annotated[str, typer.Option("--detector", metavar="haar|yunet|cam", help="What finds the faces.")]
DetectorWeights = Annotated[
    str | None, typer.Option(metavar="FILE", help="ONNX file for --detector yunet.", show_default=False)
]
Cascades = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER", help="More cascades, such as haarcascade_mcs_mouth.xml and _nose.xml.", show_default=False
    ),
]
Landmarks = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="FaceMesh's weights: the features' places by 468 landmarks.", show_default=False),
]
Parts = Annotated[str, typer.Option(metavar="auto|landmarks|haar|geometry", help="What tells where the features are.")]
MethodName = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How to explain; see `explain`. Default: gradcam; layercam, mirrored too, for a similarity.",
        show_default=False,
    ),
]
Channels = Annotated[
    str | None,
    typer.Option(
        metavar="bgr|rgb", help="Order of the colours that VGG-Face's file takes. Default: bgr.", show_default=False
    ),
]
Threshold = Annotated[
    float, typer.Option(metavar="0...1", help="Mean of the map in a feature from which on it is significant.")
]
Language = Annotated[str, typer.Option(metavar="en|de|FILE", help="Of the sentence.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FOLDER", help="Folder for the files; none are written without.", show_default=False
    ),
]
Files = Annotated[
    str,
    typer.Option(
        metavar="all|crop,heat,grey,blend,card",
        help="Which: cropped.jpg, heat_map_<label>.png, gc_map_<label>.png, blended_<label>.jpg, card_<label>.png.",
    ),
]
Json = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE|-", help="One JSON line a face to a file, or to stdout (-).", show_default=False
    ),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, cuda:1, mps.")]


class _Jobs(Group):
    """`whylight face PHOTO` is `whylight face identify PHOTO`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_Jobs,
    help="Say who is in a photograph and which features of the face say so: "
    "whylight face PHOTO... [--gallery FOLDER | --vggface FILE].",
    epilog="Exit codes of identify and compare: 1 a picture cannot be loaded; 2 the cascades cannot (or bad usage); 3 no face; "
    "4 the network or the explanation failed; 5 no name for the label, or an unusable gallery; 6 no significant feature. "
    "Of several photographs, the first that failed decides.",
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def identify(
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO", help="Pictures, folders, globs.", show_default=False)],
    gallery: Gallery = None,
    vggface: VggFace = None,
    names: Names = None,
    channels: Channels = None,
    model: ModelName = None,
    detector: DetectorName = "haar",
    detector_weights: DetectorWeights = None,
    cascades: Cascades = None,
    landmarks: Landmarks = None,
    faces: Annotated[str, typer.Option(metavar="largest|all", help="Which faces of a picture.")] = "largest",
    method: MethodName = None,
    margin: Annotated[
        bool, typer.Option("--margin", help="Explain why this person rather than the runner-up.")
    ] = False,
    rather_than: Annotated[
        str | None, typer.Option(metavar="NAME", help="... rather than this one.", show_default=False)
    ] = None,
    parts: Parts = "auto",
    threshold: Threshold = 0.5,
    language: Language = "en",
    out: Out = None,
    files: Files = "all",
    json_to: Json = None,
    colormap: Annotated[str, typer.Option(metavar="NAME", help="Of the coloured maps; see `explain`.")] = "plasma",
    device: Device = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Do again what is done already.")] = False,
) -> None:
    """Find the largest face, say who it is, where the network looked, and which features count.

    Without --gallery and --vggface nobody is named: the bundled model says whether it is a face, and why.
    """
    from whylight.cli.facing import run

    if gallery is not None and vggface is not None:
        raise WhylightError("--gallery and --vggface are two ways to name people: leave one out")
    if names is not None and vggface is None:
        raise WhylightError("--names: belongs to --vggface; a gallery has its own names")
    asked = _asked(
        gallery=gallery,
        vggface=vggface,
        names=names,
        channels=_channels(channels),
        model=model,
        detector=detector,
        detector_weights=detector_weights,
        cascades=cascades,
        landmarks=landmarks,
        faces=faces,
        method=method,
        rather_than=rather_than if rather_than is not None else margin,
        parts=parts,
        threshold=threshold,
        language=language,
        device=device,
        files=files,
        colormap=colormap,
    )
    _leave(run(photos, out, asked, json_to=json_to, overwrite=overwrite))


def compare(
    first: Annotated[str, typer.Argument(metavar="PHOTO", help="One picture.", show_default=False)],
    second: Annotated[str, typer.Argument(metavar="PHOTO", help="Another.", show_default=False)],
    model: ModelName = None,
    detector: DetectorName = "haar",
    detector_weights: DetectorWeights = None,
    cascades: Cascades = None,
    landmarks: Landmarks = None,
    method: MethodName = None,
    parts: Parts = "auto",
    threshold: Threshold = 0.5,
    language: Language = "en",
    out: Out = None,
    files: Files = "all",
    json_to: Json = None,
    device: Device = "auto",
) -> None:
    """Say how alike the faces in two photographs are, with the evidence on both; files go to FOLDER/1 and FOLDER/2."""
    from whylight.cli.facing import run_pair

    asked = _asked(
        model=model,
        detector=detector,
        detector_weights=detector_weights,
        cascades=cascades,
        landmarks=landmarks,
        method=method,
        parts=parts,
        threshold=threshold,
        language=language,
        device=device,
        files=files,
    )
    _leave(run_pair(first, second, out, asked, json_to=json_to))


def enroll(
    gallery: Annotated[str, typer.Argument(metavar="GALLERY", help="The gallery's folder.", show_default=False)],
    people: Annotated[
        list[str],
        typer.Argument(
            metavar="PERSON_DIR", help="A folder of pictures for each person, named so.", show_default=False
        ),
    ],
    model: ModelName = None,
    detector: DetectorName = "haar",
    detector_weights: DetectorWeights = None,
    cascades: Cascades = None,
    thumbnails: Annotated[
        bool, typer.Option("--thumbnails/--no-thumbnails", help="Keep a small crop of each person to show.")
    ] = True,
    false_rejects: Annotated[
        float | None,
        typer.Option(
            metavar="0...1",
            help="Share of enrolled people's pictures that may be called unknown. Default: 0.05, or more where over 10 % of "
            "strangers would be named.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
) -> None:
    """Add people to a gallery, which is made where there is none: embeddings and a thumbnail each, no photographs.

    Then the limit for strangers is chosen on what is enrolled. Stopped, the same command goes on.
    """
    from whylight.cli.facing import enrolled

    asked = _asked(model=model, detector=detector, detector_weights=detector_weights, cascades=cascades, device=device)
    if not enrolled(gallery, people, asked, thumbnails=thumbnails, false_rejects=false_rejects):
        raise typer.Exit(1)


def people(
    gallery: Annotated[str, typer.Argument(metavar="GALLERY", help="The gallery's folder.", show_default=False)],
) -> None:
    """List who is enrolled, with how many pictures, and the limit for strangers."""
    from whylight.faces.gallery import Gallery as Store

    there = Store.open(gallery)
    for name, count in there.counts.items():
        typer.echo(f"{name}: {count} picture{'' if count == 1 else 's'}")
    typer.echo(str(there.calibration) if there.calibration is not None else "No limit for strangers was chosen.")


def remove(
    gallery: Annotated[str, typer.Argument(metavar="GALLERY", help="The gallery's folder.", show_default=False)],
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Whom to forget.", show_default=False)],
) -> None:
    """Forget people: their embeddings and thumbnails are deleted."""
    from whylight.cli.facing import forget

    forget(gallery, names)


def convert(
    src: Annotated[Path, typer.Argument(metavar="SRC", help=".pth, .t7, .caffemodel or .h5.", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .safetensors file to write.", show_default=False)],
    names: Names = None,
    channels: Channels = None,
) -> None:
    """Turn VGG-Face's weights, in any form in circulation, into safetensors; no code in them is run."""
    from whylight.faces.conversion import convert as turn

    done = turn(src, out, names=names, channels=_channels(channels))
    typer.echo(
        f"{done.path}: {done.classes} people, {done.parameters:,} numbers, from {done.kind} with SHA-256 {done.sha256}"
    )


def _asked(**given: Any) -> Any:
    from whylight.cli.facing import Asked

    defaults: dict[str, Any] = {
        **dict.fromkeys(
            ("gallery", "vggface", "names", "channels", "model", "method", "detector_weights", "cascades", "landmarks")
        ),
        "detector": "haar",
        "faces": "largest",
        "rather_than": False,
        "parts": "auto",
        "threshold": 0.5,
        "language": "en",
        "device": "auto",
    }
    files = str(given.pop("files", "all"))
    chosen = FILES if files == "all" else tuple(part.strip() for part in files.split(",") if part.strip())
    if unknown := [one for one in chosen if one not in FILES]:
        raise WhylightError(f"--files {unknown[0]!r}: choose among {', '.join(FILES)}, or all")
    return Asked(**{**defaults, **given, "files": chosen})


def _channels(value: str | None) -> Any:
    if value not in (None, "bgr", "rgb"):
        raise WhylightError(f"--channels {value!r}: choose bgr or rgb")
    return value


def _leave(code: int) -> None:
    if code:
        raise typer.Exit(code)


app.command("identify", no_args_is_help=True)(identify)
app.command("compare", no_args_is_help=True)(compare)
app.command("enroll", no_args_is_help=True)(enroll)
app.command("people", no_args_is_help=True)(people)
app.command("remove", no_args_is_help=True)(remove)
app.command("convert", no_args_is_help=True)(convert)
