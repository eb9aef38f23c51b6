"""A store as a whole: means, figures and strange maps, against the same in plain loops over explanations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import whylight
from cli.conftest import Run as Verb
from cli.conftest import run as verb  # the command line in this process
from mapstore.conftest import Run
from whylight.errors import DataError
from whylight.mapstore.summary import NOTHING, summarise

__all__ = ["verb"]


def test_means_are_those_of_the_explanations(run: Run, tmp_path: Path) -> None:
    run(questions={"methods": ["gradcam", "layercam"]})
    store = whylight.open_maps(tmp_path / "run")
    found = summarise(store, strange=3)
    sums: dict[tuple[str, str], list[np.ndarray]] = {}
    for ex in store:
        cells = (ex.map - ex.level).clamp(min=0).double().numpy()
        sums.setdefault((ex.method, ex.label), []).append(cells / cells.max() if not ex.flat else np.zeros_like(cells))
    assert {(one.method, one.group): one.maps for one in found.groups} == {key: len(maps) for key, maps in sums.items()}
    far = []
    for one in found.groups:
        maps = sums[one.method, one.group]
        told = [each for each in maps if each.any()]
        assert one.without == len(maps) - len(told)
        if told:
            mean = np.mean(told, 0)
            np.testing.assert_allclose(one.mean, mean, atol=1e-6)
            each = [1 - float((m * mean).sum() / np.linalg.norm(m) / np.linalg.norm(mean)) for m in told]
            assert one.spread == pytest.approx(np.mean(each), abs=1e-6)
            far += each
    assert [one.distance for one in found.strange] == pytest.approx(sorted(far)[::-1][:3], abs=1e-6)
    names = found.write(store)
    assert all((tmp_path / "run" / name).is_file() for name in names)
    told = json.loads((tmp_path / "run" / "summary" / "summary.json").read_text())
    assert sum(one["maps"] for one in told["groups"]) == len(store)
    drawing = next(name for name in names if name.endswith(".png"))
    with Image.open(tmp_path / "run" / drawing) as picture:
        assert picture.size == tuple(16 * side for side in found.groups[0].mean.shape[::-1])


def test_by_what_a_table_says(run: Run, photos: Path, tmp_path: Path) -> None:
    (photos / "list.csv").write_text("file,age\n1.png,old\n3.png,young\nmore/5.png,old\n0.png,\nbroken.png,old\n")
    run(photos / "list.csv")
    store = whylight.open_maps(tmp_path / "run")
    found = summarise(store, by="age")
    assert {one.group: one.maps for one in found.groups} == {"old": 2, "young": 1, NOTHING: 1}
    with pytest.raises(DataError, match="no column 'height'; take label, target, asked, file, age"):
        summarise(store, by="height")


def test_the_verb(verb: Verb, photos: Path, tmp_path: Path) -> None:
    verb("explain", photos, "--maps", "maps", "--method", "layercam")
    done = verb("summarise", "maps")
    assert done.code == 0
    assert "strange: " in done.out
    assert (tmp_path / "maps" / "summary" / "means.npz").is_file()
    assert verb("summarise", "maps", "--by", "nose").code == 2
    assert verb("summarise", "photos").code == 2
