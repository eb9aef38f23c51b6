"""`whylight face`: who is in a photograph, and which features say so."""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from whylight.cli import options as opt
from whylight.cli import screen as on
from whylight.cli.gallery import Channels, FindingOptions, Names, convert, enroll, people, remove
from whylight.cli.group import Group, new_group
from whylight.errors import FaceError, WhylightError
from whylight.jobs.events import Event, Failed, Known, Noted, Planned
from whylight.jobs.folder import alone_in, check_folder, put
from whylight.jobs.job import STANDARD_INPUT, Job
from whylight.jobs.names import key_of
from whylight.models.zoo.choice import ModelChoice
from whylight.work.words import likeness

if TYPE_CHECKING:
    from whylight.images import Picture

Photo = Annotated[
    str, typer.Argument(metavar="PHOTO", help="A picture; - for one that is piped in.", show_default=False)
]
Gallery = Annotated[
    str | None,
    opt.option("Your own people, made by `whylight face enroll`.", metavar="FOLDER", show_default=False),
]
VggFace = Annotated[
    str | None,
    opt.option("VGG-Face's weights in any of their forms.", "--vggface", metavar="FILE", show_default=False),
]
Faces = Annotated[str, opt.option("Which faces of a picture.", of=("largest", "all"))]
Margin = Annotated[bool, opt.option("Explain why this person rather than the runner-up.", "--margin")]
RatherThan = Annotated[str | None, opt.option("... rather than this one.", metavar="NAME", show_default=False)]


@dataclass(frozen=True, kw_only=True)
class EvidenceOptions:
    """How an answer is explained and told, and what is written."""

    landmarks: Annotated[
        str | None,
        opt.option("FaceMesh's weights: the features' places by 468 landmarks.", metavar="FILE", show_default=False),
    ] = None
    method: Annotated[
        str | None,
        opt.option(
            "How to explain; see `explain`. Default: gradcam; layercam, mirrored too, for a similarity.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None
    parts: Annotated[
        str, opt.option("What tells where the features are.", of=("auto", "landmarks", "haar", "geometry"))
    ] = "auto"
    threshold: Annotated[
        float, opt.option("Mean of the map in a feature from which on it is significant.", metavar="0...1")
    ] = 0.5
    language: Annotated[str, opt.option("Of the sentence.", metavar="en|de|FILE")] = "en"
    files: Annotated[
        str,
        opt.option(
            "Which: crop, the map (heat) in colours, in grey, blended in, a card; <photograph>.face<number>[.<person>].<which>.",
            metavar="all|crop,heat,grey,blend,card",
        ),
    ] = "all"

    def settings(self, **more: Any) -> dict[str, Any]:
        """What of it a job has as settings."""
        chosen = [part.strip() for part in self.files.split(",") if part.strip()]
        return {**({} if self.files == "all" else {"files": chosen}), **more}

    def questions(self, **more: Any) -> dict[str, Any]:
        """The rest."""
        return {**{name: value for name, value in asdict(self).items() if name != "files"}, **more}


class _IdentifyFirst(Group):
    """`whylight face PHOTO` is `whylight face identify PHOTO`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["identify", *args]
        return super().parse_args(ctx, args)


app = new_group(
    "Say who is in a photograph and which features of the face say so: "
    "whylight face PHOTO... [--gallery FOLDER | --vggface FILE].",
    of=_IdentifyFirst,
    epilog="Exit codes of identify and compare: 1 a picture cannot be loaded; 2 the cascades cannot (or bad usage); 3 no face; "
    "4 the network or the explanation failed; 5 no name for the label, or an unusable gallery; 6 no significant feature. "
    "Of several photographs, the first that failed decides.",
)


def identify(
    inputs: opt.Inputs,
    finding: FindingOptions,
    evidence: EvidenceOptions,
    gallery: Gallery = None,
    vggface: VggFace = None,
    names: Names = None,
    channels: Channels = None,
    faces: Faces = "largest",
    margin: Margin = False,
    rather_than: RatherThan = None,
    out: opt.KeptOut = None,
    html: opt.Html = False,
    json_to: opt.JsonTo = None,
    colormap: opt.Colormap = "plasma",
    workers: opt.Workers = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Find the largest face, say who it is, where the network looked, and which features count.

    Without --gallery and --vggface nobody is named: the bundled model says whether it is a face, and why.
    """
    who: dict[str, Any] = {"gallery": gallery, "vggface": vggface, "names": names, "channels": channels, "faces": faces}
    who["rather_than"] = margin if rather_than is None else rather_than
    asked, look = evidence.questions(**who, **finding.questions()), evidence.settings(colormap=colormap, html=html)
    job = Job("face", inputs, out, ModelChoice(device=finding.device), asked, look)
    with _Answers(json_to) as screen:
        try:
            limit = finding.max_megapixels
            outcome = screen.run(job, opt.RunOptions(workers=workers, overwrite=overwrite, max_megapixels=limit))
        except FaceError as error:
            screen.refuse(error)
            raise
        screen.tell()
        if screen.pictures > 1:
            progress = outcome.progress
            rate = f", {progress.rate:.3g} pictures/s{on.limited_by(progress)}" if progress.total else ""
            where = "" if out is None else f" → {Path(out)}/"
            failed = sum(code != 0 for code in screen.codes)
            said = f"; {failed} without an answer" if failed else ""
            what = f"{screen.faces} faces in {screen.pictures} pictures"
            screen.say(f"{what} ({screen.known} done before{rate}){where}{said}")
        if html and out is not None:
            on.say_page(screen, out)
    _leave([*screen.codes, *(1 for _ in outcome.failed)])


class _Answers(on.Screen):
    """Tells what was found in the order of the photographs, those that were known among the others.

    Attributes:
        codes: of each answer.
        faces: how many were seen.
    """

    def __init__(self, json_to: str | None) -> None:
        super().__init__(json_to, "faces")
        self.codes: list[int] = []
        self.faces = 0
        self._left: deque[str] = deque()
        self._waiting: dict[str, list[on.Record]] = {}
        self._failed: set[str] = set()  # said at the end

    def __call__(self, event: Event) -> None:
        """Take an event of the job."""
        super().__call__(event)
        if isinstance(event, Planned):
            self._left.extend(event.names)
        elif isinstance(event, Known | Noted):
            self._waiting[event.record["stamp"]["path"]] = event.record["results"]
        elif isinstance(event, Failed):
            path = key_of(event.picture)
            self._failed.add(path)
            self._waiting[path] = [_without_answer(event.picture, event.error)]
        if isinstance(event, Noted | Failed):
            self.tell()

    def tell(self) -> None:
        """Tell what is there, up to the first photograph that is not."""
        while self._left and (path := key_of(self._left[0])) in self._waiting:
            self._left.popleft()
            for record in self._waiting.pop(path):
                self.put(record)
                if path not in self._failed:
                    _tell(record, self)
                self.codes.append(record["code"])
                self.faces += record["face"] is not None

    def refuse(self, error: FaceError) -> None:
        """Say of each photograph that nothing can be asked."""
        for picture in self._left:
            if key_of(picture) not in self._waiting:
                self.put(_without_answer(picture, error))


def _without_answer(picture: str, error: WhylightError) -> on.Record:
    from whylight.faces.result import FaceResult

    return {**FaceResult(picture, getattr(error, "code", 1), str(error)).to_dict(), "files": {}}


def compare(
    first: Photo,
    second: Photo,
    finding: FindingOptions,
    evidence: EvidenceOptions,
    out: opt.KeptOut = None,
    json_to: opt.JsonTo = None,
) -> None:
    """Say how alike the faces in two photographs are, with the evidence on both; files go to FOLDER/1 and FOLDER/2."""
    from whylight.faces.card import pair
    from whylight.faces.embed import load_embedder
    from whylight.faces.query import compare
    from whylight.faces.result import encoded
    from whylight.images import allowing
    from whylight.work.face import Questions
    from whylight.work.facefiles import Settings, written

    if first == second == STANDARD_INPUT:
        raise WhylightError(f"{STANDARD_INPUT}: stands for one picture that is piped in; give the other's path")

    asked, look = Questions(**evidence.questions(**finding.questions())), Settings(**evidence.settings())
    look.check()
    folder = None if out is None else Path(out)
    if folder is not None:
        check_folder(folder)
    with (
        nullcontext() if folder is None else alone_in(folder),
        on.calm_warnings(),
        on.Screen(json_to, "faces") as screen,
    ):
        embedder = load_embedder(asked.model or "face", device=finding.device)
        with allowing(finding.max_megapixels):
            results = compare(_photo(first), _photo(second), embedder, detector=asked.finder(), **asked.options())
        for number, result in enumerate(results, start=1):
            record = written(result, folder, look, lambda kind, name, at=number: f"{at}/{name}")  # type: ignore[misc]
            screen.put(record)
            if result.code == 0 or number == 1:
                _tell(record, screen)
        if folder is not None and "card" in look.files and all(result.explanation is not None for result in results):
            screen.say(f"both → {put(folder, 'both.png', encoded(pair(*results), 'both.png'))}")
    _leave([result.code for result in results])


def _photo(name: str) -> Picture:
    """A path, or what is piped in."""
    from whylight.jobs.pictures import piped_in

    return piped_in() if name == STANDARD_INPUT else name


def _tell(record: on.Record, screen: on.Screen) -> None:
    """The sentence on stdout, the error on stderr."""
    if record["sentence"]:
        which = f" (face {record['number'] + 1} of {record['faces']})" if record["faces"] > 1 else ""
        file = record["files"].get("card") or next(iter(record["files"].values()), None)
        screen.say(
            f"{record['picture']}{which}: {record['sentence']}{likeness(record)}" + (f" → {file}" if file else "")
        )
    if record["code"]:
        on.warn(f"error {record['code']}: {record['message']}")


def _leave(codes: list[int]) -> None:
    """End with the code of the first photograph that failed."""
    if code := next((code for code in codes if code), 0):
        raise typer.Exit(code)


for verb in (identify, compare, enroll, people, remove, convert):
    app.command(verb.__name__, no_args_is_help=True)(opt.spread(verb))
