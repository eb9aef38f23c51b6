"""The site's addresses."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path, register_converter

from whylight.web.api.api import api
from whylight.web.tokens import Token
from whylight.web.views import compare, device, downloads, keys, live, pictures, plain, receipts, results, sharing

register_converter(Token, "token")
urlpatterns: list[URLPattern | URLResolver] = [
    path("", pictures.home, name="home"),
    path("faces/", pictures.home, {"kind": "face"}, name="faces"),
    path("locate/", pictures.home, {"kind": "locate"}, name="locate"),
    path("pictures/", pictures.mine, name="mine"),
    path("pictures/send/", pictures.upload, name="upload"),
    path("pictures/delete/", pictures.delete_all, name="delete_all"),
    path("pictures/sample/<slug:name>/", pictures.sample, name="sample"),
    path("pictures/<token:token>/view.jpg", pictures.view, name="view"),
    path("pictures/<token:token>/delete/", pictures.delete, name="delete"),
    path("results/<token:token>/", results.result, name="result"),
    path("results/<token:token>/state/", results.state, name="state"),
    path("results/<token:token>/ask/", results.again, name="again"),
    path("results/<token:token>/cancel/", results.cancel, name="cancel"),
    path("results/<token:token>/files/<str:name>", results.file, name="file"),
    path("results/<token:token>/receipt/<int:place>/", receipts.receipt, name="receipt"),
    path("results/<token:token>/heat/<int:place>.jpg", downloads.heat, name="heat"),
    path("results/<token:token>/overlay.jpg", downloads.overlay, name="overlay"),
    path("results/<token:token>/download/<slug:what>/", downloads.download, name="download"),
    path("results/<token:token>/boxes/<slug:what>/", downloads.boxes, name="boxes"),
    path("results/<token:token>/share/", sharing.share, name="share"),
    path("results/<token:token>/share/end/", sharing.take_back, name="unshare"),
    path("results/<token:token>/cell/", compare.cell, name="cell"),
    path("pictures/<token:token>/compare/", compare.compare, name="compare"),
    path("colours.json", downloads.colours, name="colours"),
    path("shared/<token:share>/", sharing.shared, name="shared"),
    path("shared/<token:share>/view.jpg", sharing.view, name="shared_view"),
    path("shared/<token:share>/heat/<int:place>.jpg", sharing.heat, name="shared_heat"),
    path("shared/<token:share>/overlay.jpg", sharing.overlay, name="shared_overlay"),
    path("shared/<token:share>/files/<str:name>", sharing.file, name="shared_file"),
    path("live/", live.page, name="live"),
    path("live/frame/", live.frame, name="live_frame"),
    path("live/device/", device.page, name="device"),
    path("live/device/files/<str:name>", device.file, name="device_file"),
    path("live/device/models/<str:title>/facts.json", device.facts, name="device_facts"),
    path("live/device/models/<str:title>/<slug:graph>.onnx", device.graph, name="device_graph"),
    path("models/", plain.models, name="models"),
    path("about/", plain.about, name="about"),
    path("privacy/", plain.privacy, name="privacy"),
    path("favicon.ico", plain.favicon),
    path("keys/", keys.keys, name="keys"),
    path("keys/<int:number>/delete/", keys.delete, name="delete_key"),
    path("api/", api.urls),
]
handler400 = "whylight.web.views.plain.bad_request"
handler404 = "whylight.web.views.plain.not_found"
handler500 = "whylight.web.views.plain.fault"
