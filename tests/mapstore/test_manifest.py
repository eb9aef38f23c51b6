"""Tables of pictures: names, duplicates, names that lead elsewhere, columns, growth."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import whylight
from mapstore.conftest import Run
from whylight.errors import DataError
from whylight.mapstore.inputs import listed


def rows(tmp_path: Path) -> list[tuple[str, str]]:
    store = whylight.open_maps(tmp_path / "run")
    return sorted((Path(one["picture"]).name, one["label"]) for one in store.rows(columns=["picture", "label"]))


def test_a_table_names_pictures_and_says_more_of_them(run: Run, photos: Path, tmp_path: Path) -> None:
    table = photos / "list.csv"
    table.write_text("file,age\n1.png,007\nmore/5.png,9\n1.png,7\n3.png,\n")
    outcome = run(table)
    assert [name for name, _ in rows(tmp_path)] == ["1.png", "3.png", "5.png"]
    assert any("1 picture named more than once" in note for note in outcome.result.notes)
    store = whylight.open_maps(tmp_path / "run")
    assert store.plan.columns() == ["file", "age"]
    assert store.plan.all("age")["age"].to_pylist() == ["007", "9", None]
    assert run(table).progress.done == 0


def test_parquet_and_a_column_and_a_root_of_ones_own(run: Run, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    pq.write_table(
        pa.table({"shot": ["1.png", str(photos / "3.png")], "n": [1, 2]}), tmp_path / "tables" / "list.parquet"
    )
    run(tmp_path / "tables" / "list.parquet", column="shot", root=str(photos))
    assert [name for name, _ in rows(tmp_path)] == ["1.png", "3.png"]


@pytest.mark.parametrize("name", ["../outside.png", "more/../../outside.png", "/etc/passwd", "..", "", "a\x00b.png"])
def test_names_that_lead_elsewhere_are_failed_rows(run: Run, photos: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.png").write_bytes((photos / "1.png").read_bytes())
    pq.write_table(pa.table({"file": [name, "1.png"]}), photos / "list.parquet")
    outcome = run(photos / "list.parquet")
    assert (outcome.result.maps, outcome.result.failed) == (1, 1)
    ((_, why),) = whylight.open_maps(tmp_path / "run").failed()
    assert "empty" in why if not name else "leads out of" in why
    assert run(photos / "list.parquet").progress.done == 0


def test_a_table_that_grew(run: Run, photos: Path, tmp_path: Path) -> None:
    table = photos / "list.csv"
    table.write_text("file\n1.png\n3.png\n")
    run(table)
    table.write_text("file\n3.png\n1.png\n5.png\nmore/5.png\n")
    outcome = run(table)
    assert outcome.progress.done == 2  # one of which is not there
    assert outcome.result.failed == 1
    assert [name for name, _ in rows(tmp_path)] == ["1.png", "3.png", "5.png"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "has none of the columns file, picture"),
        ("file,file\n1.png,2\n", "two columns have the same name"),
        ("file\n", "holds no picture"),
        ("", "cannot be read as a table"),
    ],
)
def test_tables_that_cannot_be_used(photos: Path, text: str, said: str) -> None:
    (photos / "list.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        listed([str(photos / "list.csv")])
