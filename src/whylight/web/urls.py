"""The site's addresses."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, register_converter

from whylight.web.api.api import api
from whylight.web.tokens import Token
from whylight.web.views import pictures, plain, results

register_converter(Token, "token")
urlpatterns: list[URLPattern | URLResolver] = [
    path("", pictures.home, name="home"),
    path("faces/", pictures.home, {"kind": "face"}, name="faces"),
    path("locate/", pictures.home, {"kind": "locate"}, name="locate"),
    path("pictures/", pictures.mine, name="mine"),
    path("pictures/send/", pictures.upload, name="upload"),
    path("pictures/sample/<slug:name>/", pictures.sample, name="sample"),
    path("pictures/<token:token>/view.jpg", pictures.view, name="view"),
    path("pictures/<token:token>/delete/", pictures.delete, name="delete"),
    path("results/<token:token>/", results.result, name="result"),
    path("results/<token:token>/state/", results.state, name="state"),
    path("results/<token:token>/ask/", results.again, name="again"),
    path("results/<token:token>/cancel/", results.cancel, name="cancel"),
    path("results/<token:token>/files/<str:name>", results.file, name="file"),
    path("models/", plain.models, name="models"),
    path("about/", plain.about, name="about"),
    path("privacy/", plain.privacy, name="privacy"),
    path("favicon.ico", plain.favicon),
    path("api/", api.urls),
]
handler400 = "whylight.web.views.plain.bad_request"
handler404 = "whylight.web.views.plain.not_found"
handler500 = "whylight.web.views.plain.fault"
