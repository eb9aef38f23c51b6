"""The verbs of `whylight face` that keep people and weights: enroll, people, remove, convert."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from whylight.cli import options as opt
from whylight.cli import screen as on
from whylight.errors import WhylightError
from whylight.shown import plural

# What a limit for strangers was chosen for, where nobody said: else the same is asked for again when people are taken out.
BY_ITSELF = (("false_rejects", 0.05), ("false_accepts", 0.1), ("false_accepts", 0.05), ("strangers", 0.05))

Folder = Annotated[str, typer.Argument(metavar="GALLERY", help="The gallery's folder.", show_default=False)]
PersonDirs = Annotated[
    list[str],
    typer.Argument(metavar="PERSON_DIR", help="A folder of pictures for each person, named so.", show_default=False),
]
Thumbnails = Annotated[bool, opt.option("Keep a small crop of each person to show.", "--thumbnails/--no-thumbnails")]
FalseRejects = Annotated[
    float | None,
    opt.option(
        "Share of enrolled people's pictures that may be called unknown. Default: 0.05, or more where over 10 % of "
        "strangers would be named.",
        metavar="0...1",
        show_default=False,
    ),
]
Whom = Annotated[list[str], typer.Argument(metavar="NAME", help="Whom to forget.", show_default=False)]
Src = Annotated[str, typer.Argument(metavar="SRC", help=".pth, .t7, .caffemodel or .h5.", show_default=False)]
Target = Annotated[str, typer.Argument(metavar="OUT", help="The .safetensors file to write.", show_default=False)]
Names = Annotated[
    str | None, opt.option("VGG-Face's names, one a line in label order.", metavar="FILE", show_default=False)
]
Channels = Annotated[
    str | None,
    opt.option("Order of the colours that VGG-Face's file takes. Default: bgr.", of=("bgr", "rgb"), show_default=False),
]


@dataclass(frozen=True, kw_only=True)
class FindingOptions:
    """How faces are found, and laid beside others."""

    model: Annotated[
        str | None,
        opt.option(
            "Network of the embeddings: a MobileFaceNet checkpoint, hf-hub:..., or any model. Default: the gallery's own; face.",
            "--model",
            "-m",
            metavar="NAME",
            show_default=False,
        ),
    ] = None
    detector: Annotated[str, opt.option("What finds the faces.", of=("haar", "yunet", "cam"))] = "haar"
    detector_weights: Annotated[
        str | None, opt.option("ONNX file for --detector yunet.", metavar="FILE", show_default=False)
    ] = None
    cascades: Annotated[
        str | None,
        opt.option(
            "More cascades, such as haarcascade_mcs_mouth.xml and _nose.xml.", metavar="FOLDER", show_default=False
        ),
    ] = None
    device: opt.Device = "auto"
    max_megapixels: opt.MaxMegapixels = None

    def questions(self) -> dict[str, Any]:
        """What a job asks of it; its device is the model's, and how large pictures may be is the job's."""
        return {name: value for name, value in asdict(self).items() if name not in ("device", "max_megapixels")}


def enroll(
    gallery: Folder,
    person_dirs: PersonDirs,
    finding: FindingOptions,
    thumbnails: Thumbnails = True,
    false_rejects: FalseRejects = None,
) -> None:
    """Add people to a gallery, which is made where there is none: embeddings and a thumbnail each, no photographs.

    Then the limit for strangers is chosen on what is enrolled. Stopped, the same command goes on.
    """
    from whylight.faces.embed import load_embedder
    from whylight.faces.enrolment import enroll
    from whylight.faces.gallery import Gallery
    from whylight.images import allowing
    from whylight.work.face import Questions

    there = os.path.exists(os.path.join(gallery, "gallery.safetensors"))
    name = finding.model or (Gallery.open(gallery).embedder if there else "face")
    with on.calm_warnings(), allowing(finding.max_megapixels):
        named_by = gallery if there and finding.model is None else None
        embedder = load_embedder(name, device=finding.device, named_by=named_by)
        done = enroll(
            gallery,
            person_dirs,
            Questions(**finding.questions()).finder(),
            embedder,
            thumbnails=thumbnails,
            false_rejects=false_rejects,
            on_skip=lambda skipped: on.warn(f"{skipped.path}: {skipped.reason}; passed over"),
        )
    limit, before = done.gallery.calibration, f", {len(done.known)} were there" if done.known else ""
    on.tell(f"{sum(done.added.values())} pictures added{before}: {len(done.gallery)} people in {done.gallery.path}")
    on.tell(str(limit) if limit is not None else "No limit for strangers: too few pictures.")
    if limit is not None and limit.caution:
        on.tell(f"Careful: {limit.caution}.")
    if embedder.caution:
        on.tell(f"Careful: {embedder.caution}.")
    if done.skipped:
        raise typer.Exit(1)


def people(gallery: Folder) -> None:
    """List who is enrolled, with how many pictures, and the limit for strangers."""
    from whylight.faces.gallery import Gallery

    there = Gallery.open(gallery)
    for name, count in there.counts.items():
        on.tell(f"{name}: {plural(count, 'picture')}")
    limit = there.calibration
    on.tell(str(limit) if limit is not None else "No limit for strangers was chosen.")
    if limit is not None and limit.caution:
        on.tell(f"Careful: {limit.caution}.")


def remove(gallery: Folder, names: Whom) -> None:
    """Forget people: their embeddings and thumbnails are deleted."""
    from whylight.faces.gallery import Gallery

    there = Gallery.open(gallery)
    for person in names:
        if person not in there:
            nobody = f"nobody called {person!r} is enrolled"
            raise WhylightError(f"{gallery}: {nobody}; see `whylight face people {gallery}`")
    chosen = there.calibration
    for person in names:
        there.remove(person)
        on.tell(f"{person}: removed from {gallery}")
    if there.calibration is not None and not there.is_calibrated and len(there) > 1:
        by_itself = chosen is None or (chosen.aim, chosen.allowed) in BY_ITSELF
        on.tell(str(there.calibrate(**({} if by_itself or chosen is None else {chosen.aim: chosen.allowed}))))


def convert(src: Src, out: Target, names: Names = None, channels: Channels = None) -> None:
    """Turn VGG-Face's weights, in any form in circulation, into safetensors; no code in them is run."""
    from whylight.faces.conversion import convert

    done = convert(src, out, names=names, channels=channels)  # type: ignore[arg-type]  # it is one of the two
    numbers = f"{done.classes} people, {done.parameters:,} numbers"
    on.tell(f"{done.path}: {numbers}, from {done.kind} with SHA-256 {done.sha256}")
