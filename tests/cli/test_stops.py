"""What ends a run early, and what it says then: another run in the folder, a full disk, Ctrl-C."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from cli.conftest import Run, ledger
from whylight.jobs.lock import NAME, only_run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and limits as POSIX has them")


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to let any file grow beyond a size, as a full disk would."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_second_run_is_kept_out_of_the_folder(run: Run, good: Path, model: str) -> None:
    with only_run(Path("out")):
        outcome = run("explain", good, "--model", model, "--out", "out")
        assert outcome.code == 2
        assert outcome.err == (
            "whylight: out: another run of whylight writes there; wait for it, or choose another --out\n"
        )
        assert os.listdir("out") == [NAME]
    assert not Path("out").exists()  # nothing was written, so nothing is left
    assert run("explain", good, "--model", model, "--out", "out").code == 0
    assert NAME not in os.listdir("out")


def test_the_lock_file_of_a_killed_run_keeps_nobody_out(tmp_path: Path) -> None:
    (tmp_path / NAME).touch()
    with only_run(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_folder_that_holds_something_stays(tmp_path: Path) -> None:
    with only_run(tmp_path / "a" / "b"):
        (tmp_path / "a" / "mine.txt").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "mine.txt"]


def test_a_full_disk_under_a_picture(run: Run, good: Path, model: str) -> None:
    with files_of_at_most(100):
        outcome = run("explain", good / "a.jpg", "--model", model, "--out", "out", "--target", "0")
    assert outcome.code == 3
    assert outcome.err.startswith("whylight: out/a.gradcam.face.png: cannot be written: ")
    assert len(outcome.err.splitlines()) == 1
    assert not Path("out").exists()
    assert run("explain", good / "a.jpg", "--model", model, "--out", "out").code == 0


def test_a_full_disk_under_the_ledger(run: Run, good: Path, model: str) -> None:
    Path("out").mkdir()
    (Path("out") / "explanations.jsonl").write_text("{}\n" * 30_000)  # lines of others, as long as the limit allows
    with files_of_at_most(90_000):
        outcome = run("explain", good, "--model", model, "--out", "out", "--target", "0")
    assert outcome.code == 3
    strange, full = outcome.err.splitlines()
    assert strange.startswith("whylight: out/explanations.jsonl: line 1 and 29,999 more were not written by whylight")
    assert full == "whylight: out/explanations.jsonl: cannot be written: File too large"
    assert run("explain", good, "--model", model, "--out", "out", "--target", "0", "--json", "-").code == 0
    assert [record.get("target") for record in ledger(Path("out"))] == [None] * 30_000 + [0] * 3


def test_a_full_disk_under_the_errors(run: Run, pictures: Path, model: str) -> None:
    with files_of_at_most(10):
        outcome = run("explain", pictures / "broken.jpg", "--model", model, "--out", "out")
    assert outcome.code == 3
    assert outcome.err.splitlines() == ["whylight: out/errors.jsonl: cannot be written: File too large"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_under_the_json(run: Run, good: Path, model: str) -> None:
    outcome = run("explain", good / "a.jpg", "--model", model, "--out", "out", "--json", "/dev/full")
    assert outcome.code == 3
    assert "whylight: /dev/full: cannot be written: No space left on device" in outcome.err


def test_any_other_error_of_the_system_is_one_line_too(run: Run, good: Path, model: str) -> None:
    (Path("out") / NAME).mkdir(parents=True)
    outcome = run("explain", good, "--model", model, "--out", "out")
    assert (outcome.code, outcome.err) == (3, f"whylight: out/{NAME}: Is a directory\n")


def test_a_picture_too_wide_for_jpeg_fails_alone(run: Run, good: Path, model: str) -> None:
    Image.new("RGB", (65_501, 2)).save(good / "wide.png")
    arguments = ("explain", good, "--model", model, "--out", "out", "--target", "0", "--format", "jpg")
    outcome = run(*arguments)
    assert outcome.code == 1
    assert f"{good / 'wide.png'}: 65501×2 pixels are too many for a JPEG file; use --format png" in outcome.err
    assert len(ledger(Path("out"))) == 3
    shutil.rmtree(good / "more")
    Image.new("RGB", (65_500, 2)).save(good / "wide.png")
    assert run(*arguments).code == 0


@pytest.mark.parametrize(
    ("module", "function", "arguments", "said"),
    [
        ("cli.models", "find", ("models", "--search", "x"), "whylight: stopped\n"),
        (
            "work.results",
            "find",
            ("explain", "x.jpg"),
            "whylight: stopped; what is done is kept, the same command goes on from there\n",
        ),
    ],
)
def test_ctrl_c_promises_no_more_than_the_verb_keeps(
    module: str, function: str, arguments: tuple[str, ...], said: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module(f"whylight.{module}"), function, stop)
    outcome = run(*arguments)
    assert (outcome.code, outcome.err) == (130, said)


def test_the_help_names_every_exit_code(run: Run, root: Path) -> None:
    page = (root / "docs" / "guides" / "explain.md").read_text(encoding="utf-8")
    for code in ("0 done", "1 some inputs failed", "2 bad usage", "3 could not go on", "130 interrupted"):
        assert code in " ".join(run("--help").out.split())
        assert "| {} | {}".format(*code.split(" ", 1)) in page
