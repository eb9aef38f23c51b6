"""`/api/`: what the pages do, for programs. Its description is at `/api/openapi.json`, to be read at `/api/docs`."""

from __future__ import annotations

from importlib.metadata import version

from ninja import NinjaAPI

from whylight.web.api.asking import router as asking

api = NinjaAPI(
    title="whylight",
    version=version("whylight"),
    description="Why did the model say that, and where in the picture did it look?",
    docs_url="/docs",
)
api.add_router("", asking)
