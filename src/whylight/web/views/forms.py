"""What visitors send: pictures, and questions about them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from whylight.web.tasks import comparing
from whylight.web.tasks.drawing import COLORMAPS, Look
from whylight.web.tasks.questions import Explain, Face, Locate, Question

KINDS = [(kind, kind) for kind in ("explain", "locate", "face")]


class Files(forms.ClearableFileInput):
    """A chooser of several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files; at least one. Whether they are pictures is seen when they are opened."""

    def __init__(self, **options: Any) -> None:
        attributes = {"accept": "image/jpeg,image/png,image/webp", "multiple": True}
        super().__init__(widget=Files(attrs=attributes), allow_empty_file=True, **options)

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        """All that were sent."""
        given = data if isinstance(data, list | tuple) else [data]
        found = [super(FilesField, self).clean(one, initial) for one in given]
        return [one for one in found if one is not None]


class Ask(forms.Form):
    """A question; what is left out has its default."""

    kind = forms.ChoiceField(choices=KINDS, required=False)
    model = forms.CharField(max_length=200, required=False)
    method = forms.CharField(max_length=60, required=False)
    target = forms.CharField(max_length=500, required=False)
    rather_than = forms.CharField(max_length=240, required=False)
    verify = forms.BooleanField(required=False)
    sequential = forms.BooleanField(required=False)
    every = forms.BooleanField(required=False)
    language = forms.CharField(max_length=20, required=False)

    def question(self) -> Question:
        """What is asked."""
        given = self.cleaned_data
        if given["kind"] == "locate":
            return Locate(given["model"], given["target"], given["sequential"])
        if given["kind"] == "face":
            return Face(given["every"], given["language"] or "en")
        target = f"{given['target']} >> {given['rather_than']}" if given["rather_than"] else given["target"]
        return Explain(given["model"], given["method"], target, given["verify"])


class Upload(Ask):
    """Pictures, and what is asked about each."""

    picture = FilesField(error_messages={"required": "Choose a picture first."})


class Shown(forms.Form):
    """How a result is to be shown; what is left out has its default."""

    place = forms.IntegerField(min_value=0, max_value=99, required=False)
    colormap = forms.ChoiceField(choices=[(name, name) for name in COLORMAPS], required=False)
    alpha = forms.IntegerField(min_value=0, max_value=100, required=False)
    boxes = forms.BooleanField(required=False)
    part = forms.FloatField(min_value=0, max_value=1, required=False)

    def add_prefix(self, field_name: str) -> str:
        """As addresses have it: `?class=1`."""
        return "class" if field_name == "place" else field_name

    def look(self) -> Look:
        """Colours and opacity."""
        given, usual = self.cleaned_data, Look()
        alpha, part = given["alpha"], given["part"]
        return Look(
            given["colormap"] or usual.colormap,
            usual.alpha if alpha is None else alpha,
            given["boxes"],
            usual.part if part is None else part,
        )


class Comparison(forms.Form):
    """What is compared on one page."""

    by = forms.ChoiceField(choices=[(name, name) for name in comparing.BY], required=False)
    model = forms.CharField(max_length=200, required=False)
    method = forms.CharField(max_length=60, required=False)
    target = forms.CharField(max_length=240, required=False)
    scale = forms.ChoiceField(choices=[("own", "own"), ("shared", "shared")], required=False)


def first_error(form: forms.Form) -> str:
    """What is wrong with what was sent, in one sentence that names the field."""
    field, errors = next(iter(form.errors.items()))
    sentence = str(errors[0])
    return sentence if field in ("__all__", "picture") else f"{field}: {sentence}"
