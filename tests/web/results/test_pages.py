"""Pages of results, asked for without a browser."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from whylight.web.pictures.models import Picture
from whylight.web.tasks import asking, sweeper
from whylight.web.tasks.models import State, Task, Worker
from whylight.web.tasks.questions import Explain

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("home")]
HOT = np.eye(7)


def page(visitor: Client, address: str) -> str:
    answer = visitor.get(address)
    assert answer.status_code == 200, answer.content
    return answer.content.decode()


def test_every_address_of_somebody_elses_result_leads_nowhere(made: Any, client: Client, picture: Picture) -> None:
    at = f"/results/{made(HOT).token}/"
    for rest in (
        "",
        "state/",
        "overlay.jpg",
        "heat/0.jpg",
        "download/png/",
        "download/json/",
        "receipt/0/",
        "cell/?by=methods",
    ):
        assert client.get(at + rest).status_code == 404, rest
    for rest in ("ask/", "cancel/", "share/", "share/end/", "receipt/0/"):
        assert client.post(at + rest).status_code == 404, rest
    assert client.get(f"/pictures/{picture.token}/compare/").status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("class=1", 404),
        ("class=-1", 400),
        ("class=x", 400),
        ("colormap=no", 400),
        ("alpha=101", 400),
        ("part=2", 400),
        ("alpha=", 200),
    ],
)
def test_what_an_address_asks_for_in_vain_is_said(made: Any, visitor: Client, query: str, status: int) -> None:
    at = f"/results/{made(HOT).token}/"
    for rest in ("", "overlay.jpg", "download/png/"):
        assert visitor.get(f"{at}{rest}?{query}").status_code == status, rest


@pytest.mark.parametrize(
    "asked",
    [{"target": "no <such> class"}, {"method": "nothing"}, {"model": "nobody"}, {"target": "face", "rather_than": "x"}],
)
def test_what_cannot_be_asked_is_said_on_the_page_that_asked(made: Any, visitor: Client, asked: dict[str, str]) -> None:
    answer = visitor.post(f"/results/{made(HOT).token}/ask/", {"kind": "explain", **asked})
    text = answer.content.decode()
    assert answer.status_code == 400
    assert 'role="alert">That could not be asked: ' in text
    assert "Ask something else" in text
    assert "<such>" not in text
    if asked == {"target": "no <such> class"}:
        assert 'value="no &lt;such&gt; class" aria-invalid="true"' in text


def test_an_empty_map_is_said_and_shown_as_empty(made: Any, visitor: Client) -> None:
    at = f"/results/{made(np.zeros((7, 7)), peak_x=None, peak_y=None).token}/"
    text = page(visitor, at)
    assert "no positive evidence for it anywhere" in text
    assert "No evidence anywhere: nothing to show" in text
    shown = visitor.get(at + "overlay.jpg?colormap=jet").content
    assert shown == visitor.get(at + "overlay.jpg?colormap=jet&alpha=0").content


def test_a_map_that_is_strong_all_over_is_said_to_point_nowhere(made: Any, visitor: Client) -> None:
    text = page(visitor, f"/results/{made(np.ones((7, 7)) - 0.1 * HOT, diffuse=True).token}/")
    assert "evidence all over, in no place in particular" in text
    assert "points at no place" in text


def test_numbers_are_told_without_where_files_lie(made: Any, visitor: Client) -> None:
    answer = visitor.get(f"/results/{made(HOT).token}/download/json/")
    assert answer["Content-Disposition"] == 'attachment; filename="face-gradcam.json"'
    told = b"".join(answer.streaming_content).decode()
    assert "secret" not in told
    assert str(settings.SITE) not in told


def test_while_no_worker_is_there_the_page_says_so_and_until_when_the_picture_is_kept(
    visitor: Client, picture: Picture
) -> None:
    at = f"/results/{asking.ask(picture, Explain()).token}/"
    text = page(visitor, at)
    assert "No worker answers at the moment." in text
    assert "your picture is kept until" in text
    Worker.objects.create(name="quick-1", lane="quick")
    assert "Yours is next." in page(visitor, at)


def test_progress_is_told_with_the_time_that_is_left(visitor: Client, picture: Picture) -> None:
    task = asking.ask(picture, Explain(method="rise"))
    Worker.objects.create(name="slow-1", lane="slow")
    begun = timezone.now() - timedelta(seconds=10)
    Task.objects.filter(pk=task.pk).update(state=State.RUNNING, begun=begun, done=1000, total=4000)
    answer = visitor.get(f"/results/{task.token}/state/", headers={"HX-Request": "true"})
    assert "1000 of 4000 forwards, about 30 s left" in answer.content.decode()
    assert "HX-Retarget" not in answer


def test_a_page_that_waits_for_what_is_deleted_asks_no_more(visitor: Client, picture: Picture) -> None:
    task = asking.ask(picture, Explain())
    sweeper.delete(picture)
    answer = visitor.get(f"/results/{task.token}/state/", headers={"HX-Request": "true"})
    assert (answer.status_code, b"was deleted" in answer.content) == (286, True)
    assert visitor.get(f"/results/{task.token}/state/").status_code == 404


def test_what_failed_says_why_and_can_be_asked_again(visitor: Client, picture: Picture) -> None:
    task = asking.ask(picture, Explain(method="layercam", target="face"))
    Task.objects.filter(pk=task.pk).update(state=State.FAILED, reason="there was not enough memory <here>")
    text = page(visitor, f"/results/{task.token}/")
    assert "There was not enough memory &lt;here&gt;." in text
    assert visitor.post(f"/results/{task.token}/ask/", {"method": "layercam", "target": "face"}).status_code == 302
    task.refresh_from_db()
    assert task.state == State.QUEUED


def test_a_method_that_the_model_cannot_do_is_not_on_offer_and_the_reason_is_told(made: Any, visitor: Client) -> None:
    text = page(visitor, f"/results/{made(HOT).token}/")
    assert '<option value="rollout"' not in text
    assert "<b>rollout</b>: method &#x27;rollout&#x27; needs attention" in text


def test_a_quick_method_is_asked_about_the_top_classes_and_a_slow_one_about_the_one_that_is_meant(
    made: Any, visitor: Client
) -> None:
    at = f"/results/{made(HOT, HOT).token}/ask/"
    quick = visitor.post(at, {"method": "layercam", "target": "no face"})
    task = Task.objects.get(pk=quick["Location"].split("/")[2])
    assert (task.question["target"], quick["Location"].endswith("?class=1")) == ("top2", True)
    slow = visitor.post(at, {"method": "rise", "target": "no face"})
    assert Task.objects.get(pk=slow["Location"].split("/")[2]).question["target"] == "no face"


def test_sharing_keeps_the_picture_and_taking_back_does_not(
    made: Any, visitor: Client, client: Client, picture: Picture
) -> None:
    task = made(HOT)
    visitor.post(f"/results/{task.token}/share/")
    task.refresh_from_db()
    picture.refresh_from_db()
    assert picture.expires - timezone.now() > timedelta(seconds=settings.WHYLIGHT_SHARE_TTL - 60)
    stranger = Client()
    for rest in ("", "view.jpg", "heat/0.jpg", "overlay.jpg"):
        answer = stranger.get(f"/shared/{task.share}/{rest}")
        assert (answer.status_code, answer["X-Robots-Tag"]) == (200, "noindex, nofollow"), rest
        assert answer["Cache-Control"] == "no-store"
        answer.close()
    visitor.post(f"/results/{task.token}/share/end/")
    picture.refresh_from_db()
    assert picture.expires - timezone.now() <= timedelta(seconds=settings.WHYLIGHT_TTL)
    assert stranger.get(f"/shared/{task.share}/").status_code == 404


def test_a_shared_result_is_over_with_its_time(made: Any, visitor: Client) -> None:
    task = made(HOT)
    visitor.post(f"/results/{task.token}/share/")
    Task.objects.filter(pk=task.pk).update(shared_until=timezone.now())
    task.refresh_from_db()
    assert Client().get(f"/shared/{task.share}/").status_code == 404


def test_a_receipt_is_asked_once_and_only_by_who_owns_the_map(made: Any, visitor: Client) -> None:
    task = made(HOT)
    for _ in range(2):
        answer = visitor.post(f"/results/{task.token}/receipt/0/", headers={"HX-Request": "true"})
        assert b"hx-get" in answer.content
    checks = Task.objects.filter(question__verify=True)
    assert [(one.question["target"], one.lane) for one in checks] == [("face", "medium")]
