"""The site's addresses."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from whylight.web.api.api import api
from whylight.web.views import pictures, plain, results

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pictures.home, name="home"),
    path("faces/", pictures.home, {"kind": "face"}, name="faces"),
    path("locate/", pictures.home, {"kind": "locate"}, name="locate"),
    path("pictures/", pictures.mine, name="mine"),
    path("pictures/send/", pictures.upload, name="upload"),
    path("pictures/sample/<slug:name>/", pictures.sample, name="sample"),
    path("pictures/<str:token>/view.jpg", pictures.view, name="view"),
    path("pictures/<str:token>/delete/", pictures.delete, name="delete"),
    path("results/<str:token>/", results.result, name="result"),
    path("results/<str:token>/state/", results.state, name="state"),
    path("results/<str:token>/ask/", results.again, name="again"),
    path("results/<str:token>/cancel/", results.cancel, name="cancel"),
    path("results/<str:token>/files/<str:name>", results.file, name="file"),
    path("models/", plain.models, name="models"),
    path("about/", plain.about, name="about"),
    path("privacy/", plain.privacy, name="privacy"),
    path("api/", api.urls),
]
handler400 = "whylight.web.views.plain.bad_request"
handler404 = "whylight.web.views.plain.not_found"
handler500 = "whylight.web.views.plain.fault"
