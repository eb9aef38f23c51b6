"""Folders that cannot be read are told of and do not end the search; links cannot lead it round in circles."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from whylight.errors import ImageError
from whylight.images import decode, walk


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/one.jpg", "a/deep/two.png", "shut/three.jpg", "z/four.jpg"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path


@pytest.fixture
def shut(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the tree that gives an error, for whoever reads it."""
    scan = os.scandir

    def refusing(folder: str) -> Iterator[os.DirEntry[str]]:
        if Path(folder).name == "shut":
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    return tree / "shut"


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_that_cannot_be_read_is_told_of_and_the_rest_is_found(tree: Path, shut: Path) -> None:
    told: list[tuple[Path, ImageError]] = []
    for entry in (tree, f"{tree}/*", f"{tree}/**/*", f"{tree}/**/*.*", f"{tree}/*/*.jpg"):
        told.clear()
        found = walk([entry], lambda folder, error: told.append((folder, error)))
        assert names(found) == (
            ["one.jpg", "four.jpg"] if str(entry).endswith("*.jpg") else ["two.png", "one.jpg", "four.jpg"]
        )
        assert [folder for folder, _ in told] == [shut]
        assert str(told[0][1]) == f"{shut}: this folder cannot be read: no permission to read it; check who owns it"


def test_without_a_callback_it_is_an_error_as_ever(tree: Path, shut: Path) -> None:
    with pytest.raises(ImageError, match=r"shut: this folder cannot be read"):
        walk([tree])
    assert names(walk([f"{tree}/*/*.jpg"])) == ["one.jpg", "four.jpg"]  # a pattern looks into what is open to it


def test_an_input_that_cannot_be_read_is_told_of_and_holds_no_picture(tree: Path, shut: Path) -> None:
    told: list[Path] = []
    assert names(walk([shut, tree / "z"], lambda folder, error: told.append(folder))) == ["four.jpg"]
    assert walk([shut], lambda folder, error: told.append(folder)) == []
    assert told == [shut, shut]
    (tree / "empty").mkdir()
    with pytest.raises(ImageError, match="no picture in this folder"):
        walk([tree / "empty"], lambda folder, error: told.append(folder))


def test_a_folder_that_vanishes_meanwhile(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def late(folder: str) -> Iterator[os.DirEntry[str]]:
        if Path(folder).name == "deep":
            (tree / "a/deep/two.png").unlink()
            (tree / "a/deep").rmdir()
        return scan(folder)

    monkeypatch.setattr(os, "scandir", late)
    told: list[str] = []
    assert names(walk([tree], lambda folder, error: told.append(str(error)))) == ["one.jpg", "three.jpg", "four.jpg"]
    assert told == [f"{tree / 'a/deep'}: this folder cannot be read: no such file or folder; check the path"]


def test_paths_that_are_too_long(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    here = Path.cwd()
    try:
        os.chdir(tmp_path)
        for _ in range(20):  # 5,000 letters in all, which no system call takes
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
    finally:
        os.chdir(here)
    told: list[str] = []
    assert names(walk([tmp_path], lambda folder, error: told.append(str(error)))) == ["a.jpg"]
    assert len(told) == 1
    assert told[0].endswith("this folder cannot be read: the name is too long for this system; shorten the path")
    for act in (walk, decode):
        with pytest.raises(ImageError, match="the name is too long"):
            act("x" * 5000)  # type: ignore[operator]
    with pytest.raises(ImageError, match="no picture matches"):
        walk("x" * 300 + "*")


def test_links_lead_nowhere_twice(tree: Path) -> None:
    (tree / "round.jpg").symlink_to(tree / "round.jpg")
    for number in range(3):
        (tree / f"a/{number}").symlink_to(tree, target_is_directory=True)
    (tree / "gone.png").symlink_to(tree / "nothing")
    begun = time.perf_counter()
    for entry in (tree, f"{tree}/**", f"{tree}/**/*.jpg"):
        assert {"one.jpg", "three.jpg", "four.jpg", "round.jpg"} <= set(names(walk([entry])))
        assert len(walk([entry])) <= 6
    assert time.perf_counter() - begun < 2
    with pytest.raises(ImageError, match=r"round\.jpg: this file cannot be opened: a link in the path leads round"):
        decode(tree / "round.jpg")
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        decode(tree / "gone.png")


def test_links_to_folders_are_followed_where_they_are_named(tree: Path) -> None:
    (tree / "link").symlink_to(tree / "a", target_is_directory=True)
    assert names(walk([tree / "link"])) == ["two.png", "one.jpg"]
    assert len(walk([tree])) == 4


def test_a_pattern_with_a_slash_at_its_end_means_folders(tree: Path) -> None:
    (tree / "top.jpg").write_bytes(b"")
    assert "top.jpg" in names(walk([f"{tree}/*"]))
    assert "top.jpg" not in names(walk([f"{tree}/*/"]))


def test_what_the_system_itself_refuses() -> None:
    """Root may read everything: a process that is nobody looks at a folder that only root may open."""
    if sys.platform == "win32" or os.geteuid() != 0:
        pytest.skip("takes the rights of root to give them up")
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        for name, mode in (("open", 0o755), ("shut", 0o700)):
            Path(top, name).mkdir()
            Path(top, name, "a.jpg").write_bytes(b"")
            os.chmod(Path(top, name), mode)
        code = (
            "import os, sys\n"
            "from whylight.images import walk\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "print(walk([sys.argv[1]], lambda folder, error: print(error)))\n"
        )
        done = subprocess.run([sys.executable, "-c", code, top], capture_output=True, text=True, check=True)
    assert f"{top}/shut: this folder cannot be read: no permission" in done.stdout
    assert "open/a.jpg" in done.stdout
