"""The page on which the API can be read and tried: Swagger's, from the package, with nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.openapi.docs import DocsBase


class Docs(DocsBase):
    """As `ninja.Swagger`, in a template of ours."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **named: Any) -> HttpResponse:
        """The page."""
        settings = {"url": self.get_openapi_url(api, named), "layout": "BaseLayout", "deepLinking": True}
        return render(request, "api.html", {"settings": settings})
