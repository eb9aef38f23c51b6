"""`whylight serve`: the web application, on this machine."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Annotated

import typer

from whylight.cli import options as opt
from whylight.cli.screen import warn
from whylight.errors import WhylightError
from whylight.shown import shown


def serve(
    host: Annotated[str, opt.option("Where to listen.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, opt.option("Which port.", metavar="NUMBER", min=0, max=65535)] = 8000,
    data: Annotated[
        Path | None,
        opt.option(
            "Folder that pictures and results are kept in for a while. Default: one of your own.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        opt.option(
            "Models on offer, named as for `explain --model`; the first is asked by default. Repeat it. Default: the bundled ones.",
            "--model",
            "-m",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        opt.option(
            "People who can be named on the face page: a folder of `face enroll`.", metavar="DIR", show_default=False
        ),
    ] = None,
    public: Annotated[
        bool,
        opt.option("Allow an address that other machines reach. They can then use this site as you can.", "--public"),
    ] = False,
) -> None:
    """Start the web application: upload a picture, see why. Stop it with Ctrl-C."""
    if not public and not _is_loopback(host):
        raise WhylightError(
            f"--host {shown(host)}: other machines could reach this address; if that is what you want, say so with --public, "
            "and see docs/guides/web-server.md for what belongs in front of it"
        )
    try:
        from whylight.web import place
        from whylight.web.serve import prepare
        from whylight.web.serve import serve as run
    except ModuleNotFoundError as error:
        raise WhylightError(
            f"serve: {error.name} is missing; install the extra: pip install 'whylight[web]'"
        ) from error
    chosen = {"WHYLIGHT_MODELS": ",".join(model)} if model else {}
    if gallery is not None:
        chosen["WHYLIGHT_GALLERY"] = str(gallery.absolute())
    prepare(data.absolute() if data is not None else place.default_folder(), chosen)
    if public and os.environ.get("WHYLIGHT_TLS", "0") in ("", "0"):
        warn(
            "what visitors send can be read on its way here: put a proxy with TLS in front and set WHYLIGHT_TLS=1, "
            "see docs/guides/web-server.md"
        )
    run(host, port, lambda address: typer.echo(f"whylight is at {address} (stop it with Ctrl-C)"))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
