"""`whylight evaluate`: can the maps be trusted? Figures over pictures, with intervals, and a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from whylight.cli import options as opt
from whylight.cli import screen as on
from whylight.cli.group import new_group
from whylight.jobs.job import Job

if TYPE_CHECKING:
    from whylight.evaluate.results import Result

app = new_group(
    "Measure whether maps can be trusted: do they find the object, does the model need what they show, would they change "
    "with the model? Writes results.json and report.html; a run that was stopped goes on from there."
)

Masks = Annotated[
    str | None,
    opt.option("Masks called like their pictures; above zero is the object.", metavar="FOLDER", show_default=False),
]
MaskIgnore = Annotated[
    int | None,
    opt.option("Mask pixels of this value count neither way: 255 in Pascal VOC.", metavar="N", show_default=False),
]
Asked = Annotated[
    str,
    opt.option(
        "Whose map: of the picture's class (GT-known), or of the most probable one (top-1; a miss where it is another).",
        of=("true", "predicted", "both"),
    ),
]
Threshold = Annotated[
    float | None,
    opt.option(
        "Also count boxes at this share of the maximum, in steps of 0.01. Default: what calibrate stored, or locate has.",
        metavar="0...1",
        show_default=False,
    ),
]
Tolerance = Annotated[float, opt.option("How near the object the pointing game allows.", metavar="PIXELS", min=0.0)]
Inclusive = Annotated[
    bool, opt.option("Count overlaps as wsolevaluation does: x1 and y1 belong to the box.", "--inclusive")
]
Target = Annotated[
    str,
    opt.option(
        "Whose map and score: of the picture's class, or of the most probable one. auto: true where folders name classes.",
        of=("auto", "true", "predicted"),
    ),
]
Limit = Annotated[
    int | None,
    opt.option("Take only N pictures, evenly spread over the list.", metavar="N", min=1, show_default=False),
]
Measures = Annotated[
    str | None,
    opt.option(
        "Among insertion, deletion, road, drop, increase, infidelity, sensitivity; or all. Default: all but sensitivity, "
        "which makes every map ten times more.",
        metavar="NAME,NAME",
        show_default=False,
    ),
]
Steps = Annotated[int, opt.option("Steps of deletion and insertion.", metavar="N", min=1)]
Blur = Annotated[int, opt.option("Side of the blur that insertion starts from, odd.", metavar="PIXELS", min=1)]
Sigma = Annotated[float, opt.option("Its standard deviation.", metavar="PIXELS")]
Stages = Annotated[int, opt.option("Steps from the last layer to all layers.", metavar="N", min=1)]
RandomLabels = Annotated[
    str | None,
    opt.option(
        "A model of the same classes that was trained on labels dealt out at random: its maps should differ.",
        "--random-labels",
        metavar="RUN",
        show_default=False,
    ),
]


def localization(
    data: opt.Data,
    which: opt.ModelOptions,
    wrap: opt.WrapOptions,
    run: opt.RunOptions,
    boxes: opt.Boxes = None,
    masks: Masks = None,
    mask_ignore: MaskIgnore = None,
    label: opt.Label = None,
    methods: opt.Methods = None,
    option: opt.MethodOption = None,
    target: Asked = "true",
    threshold: Threshold = None,
    tolerance: Tolerance = 15.0,
    inclusive: Inclusive = False,
    out: opt.Out = "evaluation",
    json_to: opt.JsonTo = None,
    seed: opt.Seed = 0,
) -> None:
    """Do the maps find the object? MaxBoxAcc, PxAP, pointing games; beside a centred blob and random maps.

    Pictures that cannot be read are named at the end and in errors.jsonl, the rest is done.
    """
    held = {"boxes": boxes, "masks": masks, "mask_ignore": mask_ignore, "label": label}
    counted = {"threshold": threshold, "tolerance": tolerance, "inclusive": inclusive, "seed": seed}
    questions = {"methods": opt.named(methods), "options": opt.options_of(option), "target": target}
    choice = which.choice(layer=wrap.one_layer)
    carry_out(Job("localization", [data], out, choice, questions, {**wrap.settings(), **held, **counted}), run, json_to)


def faithfulness(
    data: opt.Data,
    which: opt.ModelOptions,
    wrap: opt.WrapOptions,
    run: opt.RunOptions,
    methods: opt.Methods = None,
    measures: Measures = None,
    steps: Steps = 28,
    blur: Blur = 11,
    sigma: Sigma = 5.0,
    option: opt.MethodOption = None,
    label: opt.Label = None,
    target: Target = "auto",
    limit: Limit = None,
    out: opt.Out = "evaluation",
    json_to: opt.JsonTo = None,
    multilabel: opt.Multilabel = False,
    seed: opt.Seed = 0,
) -> None:
    """Do the maps show what the network uses? Insertion, deletion, ROAD, ...; beside a centred blob and random maps.

    Pictures that cannot be read are named at the end and in errors.jsonl, the rest is done.
    """
    named = [] if measures is None else [part.strip() for part in measures.split(",")]
    questions = {"methods": opt.named(methods), "options": opt.options_of(option), "target": target, "measures": named}
    how = {"label": label, "limit": limit, "seed": seed, "steps": steps, "blur": blur, "sigma": sigma}
    choice = which.choice(layer=wrap.one_layer, multilabel=multilabel)
    carry_out(Job("faithfulness", [data], out, choice, questions, {**wrap.settings(), **how}), run, json_to)


def sanity(
    data: opt.Data,
    which: opt.ModelOptions,
    wrap: opt.WrapOptions,
    run: opt.RunOptions,
    methods: opt.Methods = None,
    stages: Stages = 6,
    random_labels: RandomLabels = None,
    option: opt.MethodOption = None,
    label: opt.Label = None,
    target: Target = "auto",
    limit: Limit = 50,
    out: opt.Out = "evaluation",
    json_to: opt.JsonTo = None,
    multilabel: opt.Multilabel = False,
    seed: opt.Seed = 0,
) -> None:
    """Do the maps depend on what the network learned? They should change with random weights, and stay under a little noise.

    The network is copied, its weights are randomised from the last layer down; a method whose maps stay draws edges, not reasons.
    """
    questions = {"methods": opt.named(methods), "options": opt.options_of(option), "target": target}
    how = {"label": label, "limit": limit, "seed": seed, "stages": stages, "random_labels": random_labels}
    choice = which.choice(layer=wrap.one_layer, multilabel=multilabel)
    carry_out(Job("sanity", [data], out, choice, questions, {**wrap.settings(), **how}), run, json_to)


def carry_out(job: Job, run: opt.RunOptions, json_to: str | None) -> None:
    """Do an evaluation, tell its figures, and end with its exit code."""
    from whylight.shown import plural

    with on.Screen(json_to, job.choice.name) as screen:
        outcome = screen.run(job, run)
        result: Result = outcome.result
        screen.put(result.to_dict())
        screen.say(*words(result))
        failed = f"; {len(outcome.failed)} failed, see {outcome.errors_file}" if outcome.failed else ""
        where = Path(job.out or ".") / "report.html"
        screen.say("", f"{plural(result.pictures, 'picture')}{failed}{on.limited_by(outcome.progress)} → {where}")
    on.leave(outcome)


def words(result: Result) -> list[str]:
    """The figures as lines for a terminal, measure by measure; a star marks the best."""
    from whylight.evaluate.figures import shown

    wide = max(map(len, result.methods))
    lines = list(result.remarks)
    for measure in result.measures:
        best = result.best(measure)
        cells = [cell for name in result.methods if (cell := result.cell(name, measure)) is not None]
        lines += ["", f"{measure}, {cells[0].better} is better"]
        longest = max(len(shown(cell)) for cell in cells)
        for cell in cells:
            mark = "*" if cell.method in best else " "
            lines.append(f"  {cell.method:<{wide}} {mark} {shown(cell):<{longest}}  {cell.note}".rstrip())
    return lines if lines[0] else lines[1:]


for verb in (localization, faithfulness, sanity):
    app.command(verb.__name__, no_args_is_help=True)(opt.spread(verb))
