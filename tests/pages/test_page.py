"""A page of results: one file, nothing from elsewhere, and nothing in it means more than itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from pathlib import Path

import pytest
from PIL import Image

from pages.reading import browse, data_of, pictures_of
from whylight.errors import WhylightError, WriteError
from whylight.pages import page
from whylight.pages.entries import Entry, Gallery, Question, View
from whylight.pages.thumbs import FOLDER, Thumbs, name_of
from whylight.pipeline.workers import Workers
from whylight.render.thumbnail import thumbnail

HOSTILE = (
    "</script><script>document.title='run'</script>",
    '"><img src=x onerror="document.title=1">',
    "<!--<script>",
    "gpj.\u202eexe",
    "caf\udce9.jpg",
    "line\u2028end\x1b[2J",
    "${1+1}{{data}}&amp;",
)


def gallery(count: int = 3, **more: object) -> Gallery:
    def view(place: int) -> View:
        label = "cat" if place % 2 else "dog"
        return View(0, label, place / count, f"{place}", "It peaks.", "./a.png", right=bool(place % 3))

    entries = [Entry(f"f/{place:04}.jpg", (4, 3), f"p{place}", "cat", views=[view(place)]) for place in range(count)]
    return Gallery("Title", "About", (Question("gradcam"),), entries, **more)  # type: ignore[arg-type]


@pytest.fixture
def thumbs(tmp_path: Path) -> Thumbs:
    made = Thumbs(tmp_path / "out")
    (tmp_path / "out").mkdir()
    for place in range(5):
        made.keep(f"p{place}", thumbnail(Image.new("RGB", (40, 30), (50 * place, 0, 0))))
    return made


def test_facts_and_pictures_are_in_the_one_file(thumbs: Thumbs) -> None:
    path = page.write(gallery(), thumbs.folder, thumbs)
    data, pictures = data_of(path), pictures_of(path)
    assert [entry["name"] for entry in data["entries"]] == ["f/0000.jpg", "f/0001.jpg", "f/0002.jpg"]
    assert [pictures[entry["picture"]] for entry in data["entries"]] == [thumbs.get(f"p{place}") for place in range(3)]
    assert data["entries"][1]["views"][0]["right"] is True
    assert data["entries"][0]["views"][0]["right"] is False  # false is kept: nothing known is another thing
    assert "error" not in data["entries"][0]


def test_a_page_lets_nothing_in_and_only_its_own_script_run(thumbs: Thumbs) -> None:
    text = page.write(gallery(), thumbs.folder, thumbs).read_text()
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert f"script-src 'sha256-{digest}'" in policy
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", script)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_mean_nothing_but_themselves(name: str, thumbs: Thumbs) -> None:
    view = View(0, name, 0.5, name, name, "./a.png", receipt=name, facts=((name, name),))
    entries = [Entry(name, (1, 1), "p0", name, name, [view])]
    whole = Gallery(name, name, (Question(name, ((name, name),)),), entries, ranked=name, overlay=name)
    path = page.write(whole, thumbs.folder, thumbs)
    text = path.read_text()
    assert len(re.findall(r"<script\b", text)) == 3  # facts, script, one small picture
    assert "<img" not in text.replace('make("img"', "")
    told = data_of(path)["entries"][0]
    assert told["name"] == told["views"][0]["label"] == told["truth"] == told["error"]
    assert all(letter.isprintable() for letter in told["name"])
    assert "\u202e" not in text
    (title,) = re.findall("<title>(.*?)</title>", text)
    assert unescape(title) == told["name"]


def test_hostile_names_in_a_browser(thumbs: Thumbs, tmp_path: Path) -> None:
    entries = [Entry(name, (1, 1), "p0", name, "", [View(0, name, 0.5, name, name, "./a.png")]) for name in HOSTILE]
    path = page.write(Gallery("T", "A", (Question(HOSTILE[0]),), entries), thumbs.folder, thumbs)
    drawn = browse(path, tmp_path)
    assert "<title>T</title>" in drawn
    assert drawn.count('class="card"') == len(HOSTILE)
    assert not re.search('<img [^>]*src="x"', drawn)


def test_a_browser_draws_only_what_is_in_sight(tmp_path: Path, thumbs: Thumbs) -> None:
    path = page.write(gallery(5000), thumbs.folder, thumbs)
    drawn = browse(path, tmp_path)  # under its own policy: the script runs, the pictures are drawn
    assert 7 <= drawn.count('class="card"') <= 100
    assert 'aria-setsize="5000"' in drawn
    assert "5,000 of 5,000 shown" in drawn
    assert 'src="data:image/webp;base64,' in drawn


def test_filters_sorting_overlay_and_the_large_view(tmp_path: Path, thumbs: Thumbs) -> None:
    path = page.write(gallery(5), thumbs.folder, thumbs)
    script = """
      const $ = (id) => document.getElementById(id), tick = () => new Promise((done) => setTimeout(done, 50));
      const names = () => [...document.querySelectorAll(".card")].sort((a, b) => a.dataset.place - b.dataset.place)
        .map((card) => card.querySelector(".name").textContent.slice(0, 4));
      const input = (node) => node.dispatchEvent(new Event("input", { bubbles: true }));
      const set = async (id, value) => { $(id).value = value; input($(id)); await tick(); };
      const told = { all: names(), kinds: [...document.querySelectorAll("#kinds label")].map((label) => label.textContent) };
      await set("sort", "-value"); told.sorted = names();
      await set("label", "=cat"); told.cats = names();
      await set("label", ""); await set("text", "0003"); told.searched = names();
      await set("text", ""); await set("sort", "name");
      document.querySelector('[value="wrong"]').click(); await tick(); told.wrong = names();
      document.querySelector('[type="reset"]').click(); await tick(); told.reset = names();
      $("overlay").click(); told.off = [$("overlay").ariaChecked, document.body.className];
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "o", bubbles: true })); told.on = $("overlay").ariaChecked;
      document.querySelectorAll(".card button")[1].click(); await tick();
      told.large = [$("large").open, $("what").textContent, $("large").querySelector(".name").textContent];
      document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true })); await tick();
      told.next = $("large").querySelector(".name").textContent;
      $("large").querySelector(".close").click();
      told.back = document.activeElement.querySelector(".name")?.textContent;
      told.alt = document.querySelector(".card img").alt;
      told.summary = $("summary").textContent;
      return told;
    """
    drawn = browse(path, tmp_path, script)
    (title,) = re.findall("<title>(.*?)</title>", drawn)
    told = json.loads(unescape(title))
    assert isinstance(told, dict), told
    assert told["all"] == told["reset"] == ["0000", "0001", "0002", "0003", "0004"]
    assert told["kinds"] == ["all (5)", "correct (3)", "wrong (2)"]
    assert told["sorted"] == ["0004", "0003", "0002", "0001", "0000"]
    assert told["cats"] == ["0003", "0001"]
    assert told["searched"] == ["0003"]
    assert told["wrong"] == ["0000", "0003"]
    assert told["off"][0] == "false"
    assert "bare" in told["off"][1]
    assert told["large"] == [True, "cat", "f/0001.jpg"]
    assert told["next"] == "f/0002.jpg"
    assert told["back"] == "0002.jpg"
    assert told["alt"] == "It peaks."
    assert told["summary"] == "3 of 5 pictures with a label are answered correctly (60.0 %)."


def test_another_page_is_not_written_over(tmp_path: Path, thumbs: Thumbs) -> None:
    page.check_place(thumbs.folder)
    ours = page.write(gallery(), thumbs.folder, thumbs)
    page.check_place(thumbs.folder)
    ours.write_text("<h1>My holiday</h1>")
    with pytest.raises(
        WhylightError, match=r"index\.html is not a page of whylight's; move it, or choose another --out"
    ):
        page.check_place(thumbs.folder)


def test_a_link_in_place_of_the_page_is_replaced(tmp_path: Path, thumbs: Thumbs) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (thumbs.folder / page.NAME).symlink_to(tmp_path / "mine.txt")
    page.check_place(thumbs.folder)
    assert not page.write(gallery(), thumbs.folder, thumbs).is_symlink()
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_what_lies_behind_a_link_or_is_no_picture_gets_on_no_page(tmp_path: Path, thumbs: Thumbs) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(thumbs.get("p1") or b"")
    place = thumbs.folder / FOLDER
    (place / "p0").unlink()
    (place / "p0").symlink_to(secret)
    (place / "p1").write_bytes(b"<script>" * 5)
    assert thumbs.get("p0") is None
    assert not thumbs.has("p0")
    assert thumbs.get("p1") is None
    thumbs.keep("p0", b"RIFF....WEBP")
    assert secret.read_bytes() != b"RIFF....WEBP"
    outside = Thumbs(tmp_path / "linked")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / FOLDER).symlink_to(place)
    assert not outside.has("p2")
    with pytest.raises(WriteError, match="leads out of"):
        outside.keep("p2", b"")
    outside.sweep(())
    assert thumbs.has("p2")


def test_small_pictures_are_made_once_and_swept(tmp_path: Path, thumbs: Thumbs, photo: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(photo.read_bytes()[:900])
    wanted = {name_of("a"): str(photo), name_of("b"): str(tmp_path / "broken.jpg"), "p0": "nowhere.jpg"}
    with Workers(2) as workers:
        thumbs.make(wanted, workers)
    assert thumbs.has(name_of("a"))
    assert not thumbs.has(name_of("b"))
    assert thumbs.has("p0")
    before = (thumbs.folder / FOLDER / name_of("a")).stat().st_mtime_ns
    with Workers(2) as workers:
        thumbs.make(wanted, workers)
    assert (thumbs.folder / FOLDER / name_of("a")).stat().st_mtime_ns == before
    thumbs.sweep({"p0"})
    assert [path.name for path in (thumbs.folder / FOLDER).iterdir()] == ["p0"]
