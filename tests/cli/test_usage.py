"""Every way to ask wrongly gets one clear line on stderr and exit code 2; help comes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import Run

GOOD = ("{photos}", "--model", "{model}")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("{photos}", "--model", "resnet81"), "model 'resnet81' is not known"),
        (("{photos}", "--model", "no/such.safetensors"), "no/such.safetensors"),
        ((*GOOD, "--method", "gradcm"), "method 'gradcm' is not known. Near it: gradcam"),
        ((*GOOD, "--method", "gradcam,,cam"), "nothing between two commas"),
        ((*GOOD, "--target", "fase"), "target 'fase' is no class of this model. Near it: face"),
        ((*GOOD, "--target", "3"), "'3' is no class of this model"),
        ((*GOOD, "--target", "0", "--target", "face"), "are the same class, face"),
        ((*GOOD, "--layer", "layer4x"), "layer 'layer4x' does not exist"),
        ((*GOOD, "--colormap", "infern"), "colormap 'infern' is not known: did you mean inferno"),
        ((*GOOD, "--style", "panels"), "--style 'panels': choose one of overlay, panel, map"),
        ((*GOOD, "--format", "tiff"), "--format 'tiff': choose one of png, jpg, pdf, svg"),
        ((*GOOD, "--device", "gpu"), "device 'gpu' is not a device"),
        ((*GOOD, "--option", "gradcam.masks=3"), "method 'gradcam' has no option 'masks'"),
        ((*GOOD, "--option", "cam.masks=3"), "method 'cam' is not among those asked for: gradcam"),
        ((*GOOD, "--option", "masks=3"), "write it as METHOD.KEY=VALUE"),
        ((*GOOD, "--classes", "nowhere.txt"), "--classes nowhere.txt: cannot be read"),
        ((*GOOD, "--classes", "{two}"), "2 names were given"),
        (("nowhere.jpg", "--model", "{model}"), "nowhere.jpg: no such file or folder"),
        (("photos/*.webp", "--model", "{model}"), "photos/*.webp: no picture matches"),
        (("{empty}", "--model", "{model}"), "no picture in this folder"),
        ((*GOOD, "--out", "{two}"), "is a file, not a folder"),
        ((*GOOD, "--out", "{two}/deeper"), "is a file, not a folder"),
        ((*GOOD, "--json", "no/such/folder.json"), "--json no/such/folder.json: cannot be written"),
        ((*GOOD, "--alpha", "1.5"), "--alpha"),
        ((*GOOD, "--batch-size", "0"), "--batch-size"),
        ((*GOOD, "--metod", "cam"), "No such option"),
        ((), "INPUT"),
    ],
)
def test_bad_usage(
    arguments: tuple[str, ...], complaint: str, run: Run, good: Path, model: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "two").write_text("cat\ndog\n")
    places = {"photos": good, "model": model, "empty": tmp_path / "empty", "two": tmp_path / "two"}
    before = sorted(tmp_path.rglob("*"))
    outcome = run("explain", *(argument.format(**places) for argument in arguments))
    assert outcome.code == 2
    assert complaint in outcome.err + (outcome.out if not arguments else "")
    assert "Traceback" not in outcome.err
    if outcome.err.startswith("whylight:"):
        assert len(outcome.err.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before  # nothing was left behind


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a folder that this user cannot write")
def test_a_folder_that_cannot_be_written(run: Run, good: Path, model: str, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    outcome = run("explain", good, "--model", model, "--out", tmp_path / "locked" / "out")
    assert outcome.code == 2
    assert "no permission to write" in outcome.err


@pytest.mark.parametrize("verb", [[], ["explain"], ["models"], ["methods"], ["train"]])
def test_help_loads_nothing_heavy(verb: list[str]) -> None:
    """How quick that makes it is measured in benchmarks/speed/startup.py."""
    code = (
        "import sys; from whylight.cli import app\n"
        f"try: app({[*verb, '--help']!r})\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'torchvision', 'numpy', 'PIL', 'matplotlib', 'rich', 'cv2', 'timm', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    strict = [
        "-W",
        "error",
        "-W",
        "ignore::DeprecationWarning:typer",
    ]  # an old typer and a new click have it out between them
    done = subprocess.run([sys.executable, *strict, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_no_verb_shows_help_and_the_version_is_told(run: Run) -> None:
    assert "explain" in run().out + run().err
    assert run("--version").out.startswith("whylight ")
    assert run("--help").code == 0


def test_an_unknown_verb(run: Run) -> None:
    outcome = run("explian", "x.jpg")
    assert outcome.code == 2
    assert "explian" in outcome.err
