"""A file is replaced as a whole or stays as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from whylight.atomic import named_errors, replacing
from whylight.errors import WriteError


@pytest.mark.parametrize("durable", [True, False])
def test_what_was_there_stays_until_the_new_one_is_whole(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / ("long" * 60 + ".txt")
    path.write_text("old")
    with replacing(path, durable=durable) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    with pytest.raises(KeyboardInterrupt), replacing(path):
        raise KeyboardInterrupt
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="modes and pipes as POSIX has them")
def test_modes_links_and_pipes_are_respected(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "a") as file:
            file.write(b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    (tmp_path / "link").symlink_to("a")
    with replacing(tmp_path / "link") as file:
        file.write(b"2")
    assert not (tmp_path / "link").is_symlink()  # or a link among results would have something else overwritten
    assert (tmp_path / "link").read_text() == "2"
    assert (tmp_path / "a").read_text() == "1"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDWR | os.O_NONBLOCK)
    with replacing(tmp_path / "pipe") as file:
        file.write(b"3")
    assert os.read(reader, 9) == b"3"
    os.close(reader)


def test_errors_name_the_file(tmp_path: Path) -> None:
    for path, cause in ((tmp_path / "no" / "a", "No such file"), (tmp_path, "Is a directory")):
        with (
            pytest.raises(WriteError, match=f"{path}: cannot be written: {cause}"),
            named_errors(path),
            replacing(path),
        ):
            pass
