"""What the site keeps is its owner's alone."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from whylight.errors import WhylightError
from whylight.web import environment, place


def test_the_folder_is_private(tmp_path: Path) -> None:
    folder = place.make(tmp_path / "a" / "site")
    for each in (folder, folder / "pictures", folder / "tasks"):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700


def test_a_folder_that_others_may_read_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(WhylightError, match="others may read it"):
        place.make(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WhylightError, match=r"file.*cannot be used"):
        place.make(tmp_path / "file" / "site")


def test_the_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    folder = place.make(tmp_path / "site")
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(place.secret(folder))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found[0]) >= 50
    assert stat.S_IMODE((folder / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir() if path.is_file()] == ["secret.key"]


def test_without_a_folder_the_key_is_not_kept(tmp_path: Path) -> None:
    assert place.secret(tmp_path / "nosuch") != place.secret(tmp_path / "nosuch")
    assert not (tmp_path / "nosuch").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("number", "many"), ("number", "0"), ("number", "-3"), ("number", "1.5"), ("flag", "maybe")]
)
def test_a_variable_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("WHYLIGHT_X", value)
    with pytest.raises(WhylightError, match=r"WHYLIGHT_X=.*expected"):
        environment.number("WHYLIGHT_X", 5, least=1) if name == "number" else environment.flag("WHYLIGHT_X")
