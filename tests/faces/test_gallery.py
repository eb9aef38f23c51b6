"""Galleries: what is added is found again, whatever happens in between; thresholds do what they say."""

from __future__ import annotations

import json
import os
import signal
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from PIL import Image

import whylight
from galleries import TEMPLATE, some
from nets import gap_net
from whylight.errors import FaceError, WhylightError
from whylight.faces.embed import Embedder, embedder_of
from whylight.faces.gallery import Gallery, Match
from whylight.faces.people.file import FILE, KEY
from whylight.jobs.lock import only_run


def thumbnails(path: Path) -> list[str]:
    return sorted(file.name for file in (path / "thumbnails").glob("*"))


def test_search_is_what_a_plain_loop_says(tmp_path: Path, embedder: Embedder) -> None:
    gallery = Gallery.create(tmp_path / "g", embedder)
    assert gallery.search(some(1)) == []
    people = {f"p{i}": some(1 + i % 3, seed=i) for i in range(12)}
    for name, rows in people.items():
        gallery.add(name, rows[0] * 7)  # any length
        if len(rows) > 1:
            gallery.add(name, rows[1:])
    query = some(1, seed=99)[0]
    expected = []
    for name, rows in people.items():
        mean = sum(row.astype(float) for row in rows)
        expected.append((float(mean @ query / np.linalg.norm(mean)), name))
    expected.sort(reverse=True)
    for opened in (gallery, Gallery.open(tmp_path / "g", embedder)):
        found = opened.search(query, k=5)
        assert [match.name for match in found] == [name for _, name in expected[:5]]
        assert [match.similarity for match in found] == pytest.approx([value for value, _ in expected[:5]], abs=1e-6)
        assert all(opened.people[match.index] == match.name for match in found)
        assert len(opened.search(query, k=99)) == 12
        assert opened.similarities(query)[0, found[0].index] == pytest.approx(found[0].similarity)
        assert opened.template(found[0].name) @ query == pytest.approx(found[0].similarity)
        assert opened.counts == {name: len(rows) for name, rows in people.items()}
        assert opened.embeddings("p2") == pytest.approx(people["p2"], abs=1e-6)


def test_equal_people_come_in_their_order(tmp_path: Path, embedder: Embedder) -> None:
    gallery = Gallery.create(tmp_path, embedder)
    row = some(1)
    gallery.add_all({"b": row, "a": row, "c": row})
    found = gallery.search(row, k=3)
    assert found == [Match(name, index, found[0].similarity) for index, name in enumerate("bac")]


def test_names_of_any_kind(tmp_path: Path, embedder: Embedder) -> None:
    gallery = Gallery.create(tmp_path / "g", embedder)
    names = ["../../evil", "/etc/passwd", "a\x00b", "line\nbreak", "Zoë", "名前", "🙂", "con", "odd\udcff", '"}', " x "]
    picture = Image.new("RGB", (300, 100), "red")
    for seed, name in enumerate(names):
        gallery.add(name, some(1, seed=seed), picture)
    again = Gallery.open(tmp_path / "g")
    assert again.people == tuple(names)
    assert unicodedata.normalize("NFD", "Zoë") in again
    assert again.add(unicodedata.normalize("NFD", "Zoë"), some(1)) == 1
    assert again.counts["Zoë"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g"]
    assert sorted(path.name for path in (tmp_path / "g").iterdir()) == [FILE, "thumbnails"]
    assert len(thumbnails(tmp_path / "g")) == len(names)
    shown = again.thumbnail("../../evil")
    assert shown is not None
    with Image.open(shown) as small:
        assert small.size == (224, 75)
    for blank in ("", " ", "\n"):
        assert blank not in again
        with pytest.raises(WhylightError, match="must not be blank"):
            again.add(blank, some(1))


def test_a_person_can_be_forgotten(tmp_path: Path, embedder: Embedder) -> None:
    gallery = Gallery.create(tmp_path, embedder)
    for seed, name in enumerate(("Anna", "Bertha", "Clara")):
        gallery.add(name, some(2, seed=seed), Image.new("RGB", (9, 9)), sources=[f"{name} one", f"{name} two"])
    gallery.remove("Bertha")
    again = Gallery.open(tmp_path)
    assert again.people == ("Anna", "Clara")
    assert again.search(some(2, seed=2)[0], 1)[0].name == "Clara"
    assert again.embeddings("Clara") == pytest.approx(some(2, seed=2), abs=1e-6)
    assert (again.sources("Anna"), again.sources("Bertha")) == (("Anna one", "Anna two"), ())
    assert again.sources("Clara") == ("Clara one", "Clara two")
    assert len(thumbnails(tmp_path)) == 2
    for content in (path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()):
        assert b"Bertha" not in content
        assert some(2, seed=1)[0].tobytes() not in content
    for call in (again.remove, again.template, again.thumbnail, again.embeddings):
        with pytest.raises(WhylightError, match="nobody called 'Bertha' is enrolled"):
            call("Bertha")
    for name in ("Anna", "Clara"):
        again.remove(name)
    assert (len(again), again.search(some(1)), thumbnails(tmp_path)) == (0, [], [])


def test_the_same_picture_counts_once(tmp_path: Path, embedder: Embedder) -> None:
    gallery = Gallery.create(tmp_path, embedder)
    assert gallery.add("a", some(3), sources=["x", "y", "x"]) == 2
    assert gallery.add("a", some(2), sources=["y", "z"]) == 1
    assert gallery.add("b", some(1), sources=["x"]) == 1  # of another person
    assert gallery.add("a", some(2)) == 2  # nobody knows which these are
    assert gallery.counts == {"a": 5, "b": 1}
    first = thumbnails(tmp_path)
    assert gallery.add("a", some(1), Image.new("RGB", (9, 9)), sources=["x"]) == 0  # a new thumbnail alone
    assert len(thumbnails(tmp_path)) == 1
    assert thumbnails(tmp_path) != first


def test_what_cannot_be_added_or_searched(tmp_path: Path, embedder: Embedder) -> None:
    gallery = Gallery.create(tmp_path, embedder)
    with pytest.raises(
        WhylightError, match=r"embeddings of shape \(1, 5\): this gallery holds embeddings of 4 numbers"
    ):
        gallery.add("a", np.ones(5))
    for bad in (np.zeros(4), np.full(4, np.nan), np.full(4, np.inf)):
        with pytest.raises(WhylightError, match="finite and not zero"):
            gallery.add("a", bad)
    with pytest.raises(WhylightError, match="no embedding of 'a' was given"):
        gallery.add("a", np.zeros((0, 4)))
    with pytest.raises(WhylightError, match="2 embeddings, but 1 sources"):
        gallery.add("a", some(2), sources=["x"])
    with pytest.raises(WhylightError, match="expected one embedding, got 2"):
        gallery.search(some(2))
    with pytest.raises(WhylightError, match="k must be at least 1"):
        gallery.search(some(1), k=0)
    assert len(Gallery.open(tmp_path)) == 0
    with pytest.raises(FaceError, match="there is a gallery already"):
        Gallery.create(tmp_path, embedder)


def test_another_network_is_told_apart(tmp_path: Path, embedder: Embedder) -> None:
    Gallery.create(tmp_path / "g", embedder).add("a", some(1))
    other = embedder_of(whylight.wrap(gap_net(classes=4, seed=1), size=32), "other", template=TEMPLATE)
    with pytest.raises(FaceError, match=r"this gallery was built with small \(.{12}\), not with other") as caught:
        Gallery.open(tmp_path / "g", other)
    assert caught.value.code == 5
    gallery = Gallery.open(tmp_path / "g", embedder)
    (tmp_path / "g" / FILE).unlink()
    Gallery.create(tmp_path / "g", other)
    with pytest.raises(FaceError, match="replaced by one of another network"):
        gallery.add("b", some(1))


def changed(path: Path, **facts: object) -> None:
    with safetensors.safe_open(path / FILE, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in ("embeddings", "owners")}
        content = json.loads(file.metadata()[KEY]) | facts
    (path / FILE).write_bytes(safetensors.numpy.save(tensors, metadata={KEY: json.dumps(content)}))


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"people": ["a"]}, "somebody has no embedding"),
        ({"people": ["a", "a"]}, "names do not fit"),
        ({"people": ["a", 3]}, "a name is 3"),
        ({"people": None}, "damaged"),
        ({"sources": []}, "from 0 pictures"),
        ({"thumbnails": {"a": "../../x.jpg"}}, r"a thumbnail is '../../x.jpg'"),
        ({"thumbnails": {"c": "0123456789abcdef.jpg"}}, "names do not fit"),
        ({"sha256": "0"}, "not those that were written"),
        ({"calibration": {"threshold": 1}}, "damaged"),
        ({"format": 99}, "written by a newer whylight"),
        ({"format": "x"}, "damaged"),
    ],
)
def test_a_gallery_that_was_tampered_with(
    facts: dict[str, object], message: str, tmp_path: Path, embedder: Embedder
) -> None:
    Gallery.create(tmp_path, embedder).add_all({"a": some(1), "b": some(2)})
    changed(tmp_path, **facts)
    with pytest.raises(FaceError, match=message) as caught:
        Gallery.open(tmp_path)
    assert caught.value.code == 5
    assert FILE in str(caught.value)


def test_a_damaged_gallery(tmp_path: Path, embedder: Embedder) -> None:
    with pytest.raises(FaceError, match="no gallery here"):
        Gallery.open(tmp_path)
    Gallery.create(tmp_path, embedder).add_all({"a": some(1), "b": some(2)})
    good = (tmp_path / FILE).read_bytes()
    for cut in (0, 5, 100, len(good) - 1):
        (tmp_path / FILE).write_bytes(good[:cut])
        with pytest.raises(FaceError, match="damaged"):
            Gallery.open(tmp_path)
    flipped = bytearray(good)
    flipped[-30] ^= 1  # one bit of a number
    (tmp_path / FILE).write_bytes(flipped)
    with pytest.raises(FaceError, match="damaged"):
        Gallery.open(tmp_path)
    (tmp_path / FILE).write_bytes(safetensors.numpy.save({"embeddings": some(1)}))
    with pytest.raises(FaceError, match="not a gallery of whylight's"):
        Gallery.open(tmp_path)


def in_child(work: object) -> int:
    """Run in a forked process, which ends with it; its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()  # type: ignore[operator]
    finally:
        os._exit(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_leaves_the_old_or_the_new(tmp_path: Path, embedder: Embedder, one_thread: None) -> None:
    Gallery.create(tmp_path, embedder).add("stays", some(1), Image.new("RGB", (64, 64)))

    def work() -> None:
        gallery = Gallery.open(tmp_path)
        while True:
            gallery.add("comes and goes", some(50), Image.new("RGB", (64, 64)))
            gallery.remove("comes and goes")

    seen = set()
    for wait in np.linspace(0.01, 0.08, 12):
        child = in_child(work)
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        gallery = Gallery.open(tmp_path, embedder)
        seen.add(len(gallery))
        assert gallery.people in (("stays",), ("stays", "comes and goes"))
        assert gallery.thumbnail("stays") is not None
        gallery.add("stays", some(1), sources=["again"])  # the lock went with the process
    assert seen <= {1, 2}
    if "comes and goes" in gallery:
        gallery.remove("comes and goes")
    gallery.calibrate(false_rejects=0.5)
    assert len(thumbnails(tmp_path)) == 1  # what the killed runs left is swept away
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, "thumbnails"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_several_writers_lose_nothing(tmp_path: Path, embedder: Embedder, one_thread: None) -> None:
    Gallery.create(tmp_path, embedder)

    def work(who: int) -> None:
        gallery = Gallery.open(tmp_path)
        for index in range(15):
            gallery.add(f"{who}-{index}", some(1, seed=100 * who + index))

    children = [in_child(lambda who=who: work(who)) for who in range(3)]
    for child in children:
        os.waitpid(child, 0)
    gallery = Gallery.open(tmp_path)
    assert sorted(gallery.people) == sorted(f"{who}-{index}" for who in range(3) for index in range(15))
    assert gallery.embeddings("2-7") == pytest.approx(some(1, seed=207), abs=1e-6)


def test_a_change_elsewhere_is_seen(tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Gallery.create(tmp_path, embedder)
    second = Gallery.open(tmp_path)
    second.add("a", some(1))
    assert first.people == ()
    first.refresh()
    assert first.people == ("a",)
    monkeypatch.setattr("whylight.faces.people.file.PATIENCE", 0.05)
    with only_run(tmp_path), pytest.raises(WhylightError, match="another process keeps writing into this gallery"):
        first.add("b", some(1))
