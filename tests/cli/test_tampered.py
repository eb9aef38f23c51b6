"""Results folders that somebody changed: a line that is not ours is set aside and said, and nothing leads out of the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Run
from whylight.jobs.lock import NAME as LOCK
from whylight.schema import is_inside

ODD: list[Any] = [
    None,
    0,
    -1,
    2**70,
    1.5,
    True,
    "",
    "x",
    "../x",
    "/abs/x",
    "\ud800",
    [],
    [[]],
    {},
    {"x": []},
    "a" * 5000,
]
VERBS: dict[str, tuple[tuple[str, ...], str]] = {
    "explain": (("explain", "photos", "--target", "0", "--save-map"), "explanations.jsonl"),
    "locate": (("locate", "photos", "--target", "0", "--fast", "--also", "coco,yolo,csv"), "boxes.jsonl"),
    "localization": (("evaluate", "localization", "--data", "photos", "--boxes", "boxes.csv"), "pictures.jsonl"),
    "faithfulness": (
        ("evaluate", "faithfulness", "--data", "photos", "--steps", "2", "--measures", "drop"),
        "pictures.jsonl",
    ),
}


@pytest.fixture
def run_verb(run: Run, good: Path, model: str) -> Callable[[str], tuple[int, str]]:
    """Runs a verb into `out`; returns its exit code and what it said."""
    Path("boxes.csv").write_text("file,label,x0,y0,x1,y1\na.jpg,face,10,10,60,60\nb.png,face,10,10,60,60\n")

    def call(verb: str) -> tuple[int, str]:
        outcome = run(*VERBS[verb][0], "--model", model, "--out", "out")
        assert "Traceback" not in outcome.err
        assert outcome.code in (0, 1, 2, 3)
        if outcome.code > 1:  # refused in one sentence
            assert len(outcome.err.splitlines()) == 1
            assert outcome.err.startswith("whylight: ")
        return outcome.code, outcome.err

    return call


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """The way to each value within a value, a few of each kind."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield (key,)
            yield from ((key, *rest) for rest in places(one))
    elif isinstance(value, list) and value:
        yield (0,)
        yield from ((0, *rest) for rest in places(value[0]))


def changed(record: dict[str, Any], way: tuple[Any, ...], value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(record))
    at: Any = copy
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = value
    return copy


def outside(tmp_path: Path) -> dict[str, bytes]:
    """Every file beside the results folder."""
    found = [path for path in tmp_path.rglob("*") if path.is_file() and "out" not in path.relative_to(tmp_path).parts]
    return {str(path): path.read_bytes() for path in found}


@pytest.mark.parametrize("verb", VERBS)
def test_lines_of_another_shape(verb: str, run_verb: Callable[[str], tuple[int, str]], tmp_path: Path) -> None:
    code, _ = run_verb(verb)
    assert code == 0
    store = Path("out") / VERBS[verb][1]
    whole = store.read_text()
    head = [line for line in whole.splitlines() if '"whylight"' in line][:1]
    record = json.loads(whole.splitlines()[len(head)])
    before = outside(tmp_path)
    lines = [
        json.dumps(changed(record, way, value))
        for number, way in enumerate(places(record))
        for value in ODD[number % 3 :: 3]
    ]
    lines += ["[" * 200_000, "", "null", "3", '"text"', "{}", "[1]", "\x00", "NaN", json.dumps(record)[:-4]]
    store.write_text("".join(f"{line}\n" for line in [*head, *lines]), errors="surrogatepass")
    code, said = run_verb(verb)
    assert code == 0, said
    assert "not written by whylight, and left out" in said
    assert outside(tmp_path) == before


@pytest.mark.parametrize("verb", ["localization", "faithfulness"])
@pytest.mark.parametrize(
    "head",
    [
        '{"whylight": "sanity", "format": 1, "settings": {}}',
        '{"format": 1}',
        "[" * 200_000,
        "null",
        '{"whylight": 3, "format": 9}',
    ],
)
def test_a_head_that_is_not_ours_is_refused(verb: str, head: str, run_verb: Callable[[str], tuple[int, str]]) -> None:
    assert run_verb(verb)[0] == 0
    store = Path("out") / "pictures.jsonl"
    store.write_text(head + "\n" + "".join(line + "\n" for line in store.read_text().splitlines()[1:]))
    code, said = run_verb(verb)
    assert code == 2
    assert "choose another --out" in said


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("what", ["store", "lock", "store is a folder", "store is a pipe", "errors"])
def test_links_are_not_followed(
    verb: str, what: str, run_verb: Callable[[str], tuple[int, str]], tmp_path: Path, good: Path
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine\n")
    Path("out").mkdir()
    store = Path("out") / VERBS[verb][1]
    if what == "store is a folder":
        store.mkdir()
    elif what == "store is a pipe":
        os.mkfifo(store)
    else:
        {"store": store, "lock": Path("out") / LOCK, "errors": Path("out") / "errors.jsonl"}[what].symlink_to(mine)
    (good / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    code, _ = run_verb(verb)
    if what != "errors":
        assert code == 2
    assert mine.read_text() == "mine\n"


def test_results_that_are_links_are_replaced_and_folders_that_are_links_are_not_entered(
    run_verb: Callable[[str], tuple[int, str]], tmp_path: Path
) -> None:
    mine, elsewhere = tmp_path / "mine.txt", tmp_path / "elsewhere"
    mine.write_text("mine\n")
    elsewhere.mkdir()
    Path("out").mkdir()
    (Path("out") / "a.gradcam.face.png").symlink_to(mine)
    (Path("out") / "more").symlink_to(elsewhere)
    code, said = run_verb("explain")
    assert mine.read_text() == "mine\n"
    assert list(elsewhere.iterdir()) == []
    assert not (Path("out") / "a.gradcam.face.png").is_symlink()
    assert code == 1
    assert "leads out of out" in said


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        *((name, True) for name in ("a", "a/b", "a..b", "..a/b", "a/.b", "sub/a.png")),
        *((name, False) for name in ("", ".", "..", "../a", "a/../../b", "a/..", "/a", "//a", "C:/a", "a\0b")),
    ],
)
def test_what_lies_inside_of_a_folder(name: str, inside: bool) -> None:
    assert is_inside(name) == inside
