"""Pages about pictures: send some, see yours, delete them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import SimpleUploadedFile, UploadedFile
from django.db.models import Prefetch, Q
from django.http import FileResponse, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST

from whylight.errors import WhylightError
from whylight.web import catalogue, limits
from whylight.web.caller import Visit, wants_json
from whylight.web.pictures import intake, viewing
from whylight.web.pictures.models import Picture
from whylight.web.said import Gone, Said
from whylight.web.tasks import asking, sweeper
from whylight.web.tasks.models import Task
from whylight.web.tasks.questions import Question, widened
from whylight.web.views.forms import Ask, Upload, first_error

SAMPLES = Path(__file__).parent.parent / "static" / "whylight" / "samples"


@require_GET
@ensure_csrf_cookie
def home(request: Visit, kind: str = "explain") -> HttpResponse:
    """Where pictures are sent from; for faces and boxes, too."""
    told = catalogue.offered()
    models = list(told.models.values())
    classes = dict.fromkeys(name for one in models for name in one.classes)
    samples = sorted(path.stem for path in SAMPLES.glob("*.jpg"))
    size, files = settings.WHYLIGHT_MAX_BYTES, settings.WHYLIGHT_MAX_FILES
    most = {"most_bytes": size, "most_megabytes": f"{size / 2**20:.3g}", "most_files": files}
    shown = {"kind": kind, "models": models, "classes": classes, "languages": told.languages, "samples": samples}
    return render(request, "home.html", shown | most)


@require_POST
def upload(request: Visit) -> HttpResponse:
    """Take pictures in and ask about each; to the result of one, to the list of several."""
    limits.count(request)
    form = Upload(request.POST, request.FILES)
    if not form.is_valid():
        raise Said(400, first_error(form))
    question = widened(form.question().checked())
    tokens, refused = [], []
    for one in form.cleaned_data["picture"]:
        try:
            tokens.append(_taken(request, one, question))
        except (WhylightError, Said) as error:
            if len(form.cleaned_data["picture"]) == 1:
                raise
            refused.append(str(error))
    for sentence in refused:
        messages.error(request, f"One picture was left out: {sentence}")
    following = reverse("result", args=tokens) if len(tokens) == 1 else reverse("mine")
    return JsonResponse({"next": following}) if wants_json(request) else redirect(following)


@require_POST
def sample(request: Visit, name: str) -> HttpResponse:
    """Ask about a picture that comes with the site."""
    limits.count(request)
    file = SAMPLES / f"{name}.jpg"
    if name not in {path.stem for path in SAMPLES.glob("*.jpg")}:
        raise Gone("picture")
    form = Ask(request.POST)
    if not form.is_valid():
        raise Said(400, first_error(form))
    taken = SimpleUploadedFile("sample", file.read_bytes())
    return redirect("result", _taken(request, taken, widened(form.question().checked())))


@require_GET
def mine(request: Visit) -> HttpResponse:
    """All pictures of the caller, with what was asked about each."""
    seen = ~Q(kind="explain") | Q(question__verify=False)  # whether a map can be trusted stands beside the map
    asked = Prefetch("tasks", Task.objects.filter(seen).order_by("created"))
    kept = Picture.objects.filter(owner=request.owner).order_by("-created").prefetch_related(asked)
    pictures = [one for one in kept if not one.is_over]
    waiting = [one for one in pictures if any(task.is_open for task in one.tasks.all())]
    return render(request, "mine.html", {"pictures": pictures, "waiting": waiting})


@require_GET
def view(request: Visit, token: str) -> HttpResponseBase:
    """The picture as pages show it: made anew, at most 1600 pixels a side."""
    return shown(asking.my_picture(request.owner, token))


@require_POST
def delete(request: Visit, token: str) -> HttpResponse:
    """Delete a picture and all that came of it."""
    sweeper.delete(asking.my_picture(request.owner, token))
    messages.success(request, "The picture and everything that was made of it are deleted.")
    return redirect("mine" if request.POST.get("back") == "mine" else "home")


@require_POST
def delete_all(request: Visit) -> HttpResponse:
    """Delete all of the caller's pictures and all that came of them."""
    for picture in Picture.objects.filter(owner=request.owner):
        sweeper.delete(picture)
    messages.success(request, "All your pictures and everything that was made of them are deleted.")
    return redirect("mine")


def shown(picture: Picture) -> HttpResponseBase:
    """A picture's view as a response."""
    headers = {"Cache-Control": "private, max-age=600"}
    return FileResponse(viewing.opened(picture.token), content_type="image/jpeg", headers=headers)


def _taken(request: Visit, one: UploadedFile[Any], question: Question) -> str:
    picture = intake.take(one, request.owner, view=True)
    request.keep_owner = True
    try:
        task = asking.ask(picture, question)
    except BaseException:
        sweeper.delete(picture)
        raise
    return task.token
