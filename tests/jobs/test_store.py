"""What is known of each picture: it survives a kill, and other settings are told apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from whylight.errors import WhylightError, WriteError
from whylight.jobs.store import NAME, Store, stamp

SETTINGS = {"model": "face", "layers": ("a", "b"), "tolerance": 15.0}


def filled(folder: Path) -> Path:
    with Store(folder, "localization", SETTINGS) as store:
        store.add(("a.jpg", "1-2", "cam"), {"energy": 0.5, "hits": np.array([1, 2])})
        store.add(("b.jpg", "1-2", "cam"), {"energy": float("nan")})
    return folder / NAME


def test_records_come_back(tmp_path: Path) -> None:
    filled(tmp_path)
    with Store(tmp_path, "localization", SETTINGS) as store:
        assert list(store) == [("a.jpg", "1-2", "cam"), ("b.jpg", "1-2", "cam")]
        assert store.get(("a.jpg", "1-2", "cam")) == {"energy": 0.5, "hits": [1, 2]}
        assert store.get(("b.jpg", "1-2", "cam")) == {"energy": None}
        assert store.get(("c.jpg", "1-2", "cam")) is None
        store.add(("a.jpg", "1-2", "cam"), {"energy": 0.75})  # the later one counts
        assert store.get(("a.jpg", "1-2", "cam")) == {"energy": 0.75}
    with Store(tmp_path, "localization", SETTINGS) as store:
        assert store.get(("a.jpg", "1-2", "cam")) == {"energy": 0.75}
        assert len(store) == 2


@pytest.mark.parametrize("cut", [1, 10, 25])
def test_a_line_cut_short_is_dropped(tmp_path: Path, cut: int) -> None:
    path = filled(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    with Store(tmp_path, "localization", SETTINGS) as store:
        assert len(store) == 1
        store.add(("c.jpg", "1-2", "cam"), {"energy": 1.0})
        assert store.get(("c.jpg", "1-2", "cam")) == {"energy": 1.0}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["key"][0] for line in lines[1:]] == ["a.jpg", "c.jpg"]


def test_a_header_cut_short_begins_anew(tmp_path: Path) -> None:
    path = filled(tmp_path)
    path.write_bytes(path.read_bytes()[:20])
    with Store(tmp_path, "localization", SETTINGS) as store:
        assert len(store) == 0
        store.add(("c.jpg",), {})
    assert len(Store(tmp_path, "localization", SETTINGS)) == 1


def test_nothing_is_made_before_there_is_a_record(tmp_path: Path) -> None:
    with Store(tmp_path / "out", "localization", SETTINGS):
        pass
    assert not (tmp_path / "out").exists()


def test_other_settings_are_named(tmp_path: Path) -> None:
    filled(tmp_path)
    expected = r"another setting, tolerance: 15\.0 there, 0\.0 now\. Choose another --out, or --overwrite"
    with pytest.raises(WhylightError, match=expected):
        Store(tmp_path, "localization", {**SETTINGS, "tolerance": 0.0})
    with pytest.raises(WhylightError, match="another setting, flip: null there, true now"):
        Store(tmp_path, "localization", {**SETTINGS, "flip": True})
    with pytest.raises(WhylightError, match="holds results of evaluate localization; choose another --out"):
        Store(tmp_path, "sanity", SETTINGS)
    with Store(tmp_path, "localization", {}, overwrite=True) as store:
        store.add(("a",), {})
    assert len(Store(tmp_path, "localization", {})) == 1


def test_a_file_of_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"picture": "a.jpg"}\n')
    with pytest.raises(WhylightError, match="was not written by this whylight evaluate"):
        Store(tmp_path, "localization", SETTINGS)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with (
        Store(tmp_path / "out", "localization", SETTINGS) as store,
        pytest.raises(WriteError, match="cannot be written"),
    ):
        store.add(("a",), {})


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    assert stamp(path) == "missing"
    path.write_bytes(b"1")
    before = stamp(path)
    assert stamp(path) == before
    path.write_bytes(b"22")
    assert stamp(path) != before
