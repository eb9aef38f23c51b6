"""A question is asked once, answered once, stopped when its owner says so, and never lost."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils import timezone

from whylight.web.pictures import intake, store
from whylight.web.pictures.models import Picture
from whylight.web.said import Gone, Said
from whylight.web.tasks import answering, asking, lanes, results, sweeper
from whylight.web.tasks.keeper import Keeper, is_served
from whylight.web.tasks.models import State, Task, Worker
from whylight.web.tasks.questions import Explain

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]


@pytest.fixture
def picture(photo: Path) -> Picture:
    return intake.take(SimpleUploadedFile("x", photo.read_bytes()), "me", view=True)


@pytest.fixture(autouse=True)
def worker() -> None:
    answering.be("quick-test")


def at_the_side(task: Task) -> threading.Thread:
    """Answer it in a thread, whose connection to the database ends with it."""

    def run() -> None:
        try:
            answering.answer(task.pk)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_the_same_question_is_asked_once(picture: Picture) -> None:
    first = asking.ask(picture, Explain())
    assert asking.ask(picture, Explain("face", "Grad-CAM", "")).pk == first.pk
    assert asking.ask(picture, Explain("face", "layercam")).pk != first.pk
    assert lanes.lane("quick").pending_count() == 2


def test_an_answer_is_there_with_its_map(picture: Picture) -> None:
    task = asking.ask(picture, Explain())
    answering.answer(task.pk)
    task.refresh_from_db()
    assert task.state == State.DONE
    assert "the evidence peaks" in results.read(task).words
    answering.answer(task.pk)  # a message that comes twice
    task.refresh_from_db()
    assert task.attempts == 1


def test_a_question_that_waits_is_stopped_at_once(picture: Picture) -> None:
    task = asking.ask(picture, Explain(method="rise"))
    asking.cancel(task)
    assert task.state == State.CANCELLED
    answering.answer(task.pk)
    task.refresh_from_db()
    assert (task.state, task.attempts) == (State.CANCELLED, 0)
    assert asking.ask(picture, Explain(method="rise")).state == State.QUEUED  # and may be asked again


def test_a_question_that_is_answered_stops_within_a_second(picture: Picture) -> None:
    task = asking.ask(picture, Explain(model="person", method="rise"))
    began = at_the_side(task)
    end = time.monotonic() + 30
    while not Task.objects.filter(pk=task.pk, done__gt=0).exists() and time.monotonic() < end:
        time.sleep(0.02)
    asking.cancel(task)
    asked = time.monotonic()
    began.join(10)
    task.refresh_from_db()
    assert task.state == State.CANCELLED
    assert 0 < task.done < task.total
    assert time.monotonic() - asked < 1.0
    assert not store.of_task(task.pk).exists()


def test_deleting_a_picture_stops_what_is_asked_about_it_and_leaves_nothing(picture: Picture, home: Path) -> None:
    task = asking.ask(picture, Explain(model="person", method="rise"))
    began = at_the_side(task)
    while not Task.objects.filter(pk=task.pk, done__gt=0).exists():
        time.sleep(0.02)
    sweeper.delete(picture)
    began.join(10)
    assert not began.is_alive()
    assert not list((home / "pictures").iterdir())
    assert not list((home / "tasks").iterdir())


def test_what_a_dead_worker_was_at_is_asked_again_and_at_last_given_up(picture: Picture) -> None:
    task = asking.ask(picture, Explain())
    lanes.lane("quick").flush()
    for attempt in range(1, 4):
        Task.objects.filter(pk=task.pk).update(state=State.RUNNING, worker="quick-dead", attempts=attempt)
        keeper = Keeper("quick-new", "quick")
        keeper.begin("quick-dead")
        keeper.stop()
        task.refresh_from_db()
        assert task.state == (State.QUEUED if attempt < 3 else State.FAILED)
    assert "stopped 3 times" in task.reason


def test_a_message_that_was_lost_is_sent_again(picture: Picture) -> None:
    asking.ask(picture, Explain())
    lanes.lane("quick").flush()
    Keeper("quick-new", "quick").look()
    assert lanes.lane("quick").pending_count() == 1


def test_a_worker_that_is_silent_is_taken_for_dead(picture: Picture) -> None:
    task = asking.ask(picture, Explain())
    long_ago = timezone.now() - timedelta(minutes=5)
    Task.objects.filter(pk=task.pk).update(state=State.RUNNING, worker="quick-9", attempts=1, beat=long_ago)
    Worker.objects.create(name="quick-9", lane="quick", beat=long_ago)
    assert not is_served("quick")
    Keeper("quick-new", "quick").look()
    task.refresh_from_db()
    assert task.state == State.QUEUED
    assert is_served("quick")


def test_a_picture_goes_when_its_time_is_over_and_not_before_it_is_answered(picture: Picture, home: Path) -> None:
    task = asking.ask(picture, Explain())
    Picture.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert sweeper.sweep(grace=0) == 0
    answering.answer(task.pk)
    with pytest.raises(Gone):
        asking.mine("me", task.pk)
    assert sweeper.sweep(grace=0) == 1
    assert not [path for path in home.rglob("*") if path.parent.name in ("pictures", "tasks")]


def test_orphans_are_swept(home: Path) -> None:
    for kind in ("pictures", "tasks"):
        store.made(home / kind / ("x" * 22))
    sweeper.sweep(grace=60)
    assert len(list((home / "pictures").iterdir())) == 1  # it may be a picture that is just coming in
    sweeper.sweep(grace=0)
    assert not list((home / "pictures").iterdir())
    assert not list((home / "tasks").iterdir())


def test_somebody_elses_is_not_there(picture: Picture) -> None:
    task = asking.ask(picture, Explain())
    with pytest.raises(Gone):
        asking.mine("somebody", task.pk)
    with pytest.raises(Gone):
        asking.my_picture("somebody", picture.pk)


def test_too_many_questions_are_refused(picture: Picture, settings: Any) -> None:
    settings.WHYLIGHT_MAX_QUEUE_EACH = 1
    asking.ask(picture, Explain())
    with pytest.raises(Said, match="too many of your questions"):
        asking.ask(picture, Explain(method="layercam"))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Explain(model="nosuch"), "is not offered here; choose one of face, person"),
        (Explain(model="/etc/passwd"), "is not offered here"),
        (Explain(method="grdcam"), "did you mean gradcam"),
        (Explain(method="legrad"), "cannot be asked with legrad"),
        (Explain(target="cat"), "has no class 'cat'; it has face, no face"),
        (Explain(target="7"), "numbered from 0 to 1"),
        (Explain(target="top9"), "up to top2"),
        (Explain(target="face >> "), "expected two classes"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_queued(
    picture: Picture, question: Explain, words: str
) -> None:
    with pytest.raises(Said, match=words.replace("(", r"\(")):
        asking.ask(picture, question)
    assert not Task.objects.exists()
