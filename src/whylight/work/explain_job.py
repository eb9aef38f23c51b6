"""What a job of the kind `explain` asks and sets, and what a line of its results holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from whylight.jobs.results import Written
from whylight.schema import Text
from whylight.work.wrapping import Wrapping


@dataclass(frozen=True)
class Questions:
    """What is asked about each picture: every method for every target.

    Attributes:
        methods: names; default: the model's own.
        options: of each method, by its name.
        targets: class names or indices, ranks, `A >> B`; default: each picture's top class.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    methods: tuple[Text, ...] = ()
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    targets: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Settings(Wrapping):
    """How maps are made and drawn: what is put around each method, and the look of the files.

    Attributes:
        style: `overlay`, `panel` or `map`, a file for each map; or `grid`, all maps of a picture in one.
        colormap: any matplotlib name.
        alpha: how much the strongest evidence covers, 0 … 1.
        scale: as for `Explanation.heatmap`; default: the method's.
        format: `png`, `jpg`, or for papers `pdf` or `svg`, whose words stay text.
        name: of the files, with fields in braces, such as `{label}/{stem}-{method}`: see `jobs.templates`.
        save_map: also write the raw map, as `.map.npz`.
        boxes: also note the boxes around the strongest evidence, as `Explanation.boxes()` draws them.
        verify: write a receipt for each explanation.
        html: also write `index.html`, a page with all results of the folder.
    """

    style: Literal["overlay", "panel", "map", "grid"] = "overlay"
    colormap: Text = "plasma"
    alpha: float = 0.5
    scale: float | Literal["max", "robust", "minmax", "signed"] | None = None
    format: Literal["png", "jpg", "pdf", "svg"] = "png"
    name: Text | None = None
    save_map: bool = False
    boxes: bool = False
    verify: bool = False
    html: bool = False


class ExplanationRecord(Written):
    """A line of `explanations.jsonl`, as far as anything is read from it again."""

    picture: Text
    label: Text
    score: float | None
    probability: float | None
    blank: bool
    peak_x: float | None
    peak_y: float | None
    width: int
    height: int
