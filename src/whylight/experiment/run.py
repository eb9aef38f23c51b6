"""Carry an experiment out: run after run, or several at once; what is done is kept, and a stopped one goes on."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from whylight.atomic import named_errors, replacing
from whylight.errors import TrainError, WeightsError, WhylightError, WriteError
from whylight.experiment.curves import check_installed
from whylight.experiment.measure import is_measured, measure, read_measured
from whylight.experiment.recipe import Arm, Recipe
from whylight.jobs.folder import alone_in
from whylight.jsontext import loads
from whylight.models.zoo.files import FILE
from whylight.shown import shown
from whylight.train import TrainConfig, resume, train
from whylight.train.data.folders import find
from whylight.train.run import CONFIG

EXPERIMENT = "experiment.json"
RUNS = "runs"


@dataclass(frozen=True)
class Planned:
    """One run: of which arm, with which seed, in which folder."""

    arm: Arm
    seed: int
    config: TrainConfig

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return Path(self.config.out)


@dataclass(frozen=True)
class Failed:
    """A run that could not be carried out, and why."""

    run: str
    why: str


def plan(
    recipe: Recipe, data: str | os.PathLike[str], out: str | os.PathLike[str], device: str = "auto"
) -> list[Planned]:
    """Every run of an experiment, in order: seed by seed, so that a stopped one has something of every arm."""
    data, root = str(Path(data).resolve()), Path(out).resolve() / RUNS
    return [
        Planned(arm, seed, recipe.config(arm, seed, data, str(root / arm.folder / f"seed-{seed}"), device))
        for seed in recipe.seeds
        for arm in recipe.arms
    ]


def carry_out(
    recipe: Recipe,
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    device: str = "auto",
    jobs: int = 1,
    say: Callable[[str], None] = lambda line: None,
    words: Callable[[str], str] = str,
    progress: bool = False,
) -> list[Failed]:
    """Train and measure every run that is not done yet.

    Args:
        recipe: what to do.
        data: an image-folder tree, as `whylight train` takes it.
        out: the experiment's folder. One that was begun goes on where it stopped.
        device: where to train.
        jobs: runs at a time, each with its share of the processor's threads.
        say: takes a line about each run.
        words: puts an error into the words of whoever reads the lines.
        progress: show the bars of training; with several jobs there are none.

    Returns:
        The runs that failed. The others are done.

    Raises:
        TrainError: the folder holds another experiment.
        WriteError: the disk is full; the same call goes on.
        Interrupted: Ctrl-C; the same call goes on.
    """
    check_measure(recipe, Path(data))
    with opened(recipe, data, out):
        todo = plan(recipe, data, out, device)
        left = [one for one in todo if not is_measured(one.folder, recipe.measure)]
        if len(left) < len(todo):
            say(f"{len(todo) - len(left)} of {len(todo)} runs are done already")
        failed: list[Failed] = []
        known: set[WhylightError] = set()
        for count, (one, error) in enumerate(_results(left, recipe, jobs, progress), len(todo) - len(left) + 1):
            name = f"{one.arm.name}, seed {one.seed}"
            if error is not None:
                failed.append(Failed(name, str(error)))
                told = "failed as those before" if error in known else f"failed: {words(str(error))}"
                known.add(error)
            else:
                told = _told(one.folder)
            say(f"run {count} of {len(todo)}: {name}: {told}")
        return failed


def check_measure(recipe: Recipe, data: Path) -> None:
    """See that what is to be measured is there, before anything is trained.

    Raises:
        TrainError, DataError: if the pictures, the split or the boxes are not there.
    """
    check_installed()
    if not data.is_dir():
        raise TrainError(f"data: {data}: no such folder")
    asked, found = recipe.measure, find(data)
    if asked.split != "auto" and found.given and asked.split not in found.splits:
        raise TrainError(f"measure: split = {asked.split!r}, and {data} has no {asked.split}/")
    if asked.boxes is not None and not (data / asked.boxes).is_file():
        raise TrainError(f"measure: boxes: {data / asked.boxes}: no such file")


@contextmanager
def opened(recipe: Recipe, data: str | os.PathLike[str], out: str | os.PathLike[str]) -> Iterator[None]:
    """Keep others out of the experiment's folder, and see that it holds this experiment."""
    out = Path(out)
    with alone_in(out):
        check_same(recipe, data, out)
        path = out / EXPERIMENT
        facts = {**recipe.to_dict(), "data": str(Path(data).resolve()), "classes": list(find(data).classes)}
        with named_errors(path), replacing(path, durable=True) as file:
            file.write((json.dumps(facts, indent=2) + "\n").encode())
        yield


def check_same(recipe: Recipe, data: str | os.PathLike[str], out: Path) -> None:
    """See that a folder holds no other experiment than this one, nor a run.

    How often it is repeated may grow, and other things may be measured. What a run is may not change under those that are there.

    Raises:
        TrainError: naming what is different.
    """
    path = out / EXPERIMENT
    if not path.exists():
        if (out / CONFIG).exists():
            raise TrainError(f"{out}: holds a training run: choose another --out")
        return
    try:
        before = loads(path.read_bytes())
    except ValueError as error:
        raise TrainError(f"{shown(path)}: damaged ({error}); choose another --out") from error
    if not isinstance(before, dict):
        raise TrainError(f"{shown(path)}: damaged; choose another --out")
    if not any((out / RUNS).glob("*/*")):
        return  # nothing was begun
    now = {**recipe.to_dict(), "data": str(Path(data).resolve()), "classes": list(find(data).classes)}
    keys = ("data", "classes", "settings", "factors", "weights")
    if changed := [key for key in keys if _plain(before.get(key)) != _plain(now[key])]:
        raise TrainError(
            f"{out}: holds an experiment with other {' and '.join(changed)}: choose another --out, or go on with it as it was"
        )


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _results(
    left: list[Planned], recipe: Recipe, jobs: int, progress: bool
) -> Iterator[tuple[Planned, WhylightError | None]]:
    if jobs == 1:
        # By architecture: weights that could not be had are not waited for in each run.
        missing: dict[str, WeightsError] = {}
        for one in left:
            before = missing.get(one.config.arch) if one.config.pretrained else None
            error = before or _run(one, recipe, progress)
            if isinstance(error, WeightsError):
                missing[one.config.arch] = error
            yield one, error
        return
    threads = max(1, torch.get_num_threads() // jobs)
    with ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_worker, initargs=(threads,)
    ) as pool:
        # No more are handed out than are carried out: one that waits in the pool's queue could not be taken back.
        waiting, asked = deque(left), dict[Future[WhylightError | None], Planned]()
        while waiting or asked:
            while waiting and len(asked) < jobs:
                one = waiting.popleft()
                asked[pool.submit(_run, one, recipe, False)] = one
            for done in wait(asked, return_when=FIRST_COMPLETED).done:
                yield asked.pop(done), done.result()


def _worker(threads: int) -> None:
    from whylight.allocator import tune_allocator

    torch.set_num_threads(threads)
    tune_allocator()


def _run(one: Planned, recipe: Recipe, progress: bool) -> WhylightError | None:
    """Train and measure one run; an error of its own ends it alone, a full disk ends them all."""
    try:
        if not (one.folder / FILE).exists():
            if (one.folder / CONFIG).exists():
                resume(one.folder, progress=progress)
            else:
                train(one.config, progress=progress)
        measure(one.folder, recipe.measure)
    except WriteError:
        raise
    except WhylightError as error:
        return error
    return None


def _told(folder: Path) -> str:
    found = read_measured(folder)
    where = f", boxes right {found['localization']['boxes']:.1f} %" if found.get("localization") else ""
    return f"accuracy {found['accuracy']:.2%}{where}, {found['seconds']:.0f} s of training"
