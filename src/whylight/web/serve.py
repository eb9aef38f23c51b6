"""The site and its workers in one command, for one machine: this process answers browsers and watches over the workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from whylight.errors import WhylightError
from whylight.web import place
from whylight.web.watching import workers


def prepare(folder: Path, environment: dict[str, str]) -> None:
    """Make the data folder, set Django up, and bring the database to its present form."""
    place.make(folder)
    os.environ.update({place.VARIABLE: str(folder), "DJANGO_SETTINGS_MODULE": "whylight.web.settings", **environment})
    place.secret(folder)
    os.umask(0o077)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0, interactive=False)


def serve(host: str, port: int, tell: Any) -> None:
    """Answer until stopped. `tell` is called with the address once there is one.

    Raises:
        WhylightError: if the address cannot be had.
    """
    from django.conf import settings
    from waitress.server import BaseWSGIServer, create_server

    from whylight.web.parsing import Channel
    from whylight.web.pictures.intake import decoders
    from whylight.web.tasks.keeper import ask_again
    from whylight.web.tasks.models import State, Task, Worker
    from whylight.web.wsgi import application

    decoders().warm(wait=False)
    BaseWSGIServer.channel_class = Channel
    most = settings.WHYLIGHT_MAX_REQUEST
    try:
        server = create_server(
            application,
            host=host,
            port=port,
            threads=settings.WHYLIGHT_THREADS,
            channel_request_lookahead=1,  # so that it is seen when a caller hangs up
            ident=None,
            connection_limit=500,
            channel_timeout=60,
            asyncore_use_poll=True,
            max_request_header_size=64 * 2**10,
            max_request_body_size=most + 2**20,  # what is a little more gets a sentence of ours
            inbuf_overflow=most + 2**20,  # in memory: no upload touches the disk before it was opened and made anew
            clear_untrusted_proxy_headers=False,  # the middleware knows which to believe
        )
    except OSError as error:
        raise WhylightError(
            f"--port {port}: {host} cannot be listened at: {error.strerror}; choose another port"
        ) from error
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Worker.objects.all().delete()  # of an earlier run, that may have been killed
    ask_again(Task.objects.filter(state=State.RUNNING))
    quick = [f"quick-{number + 1}" for number in range(settings.WHYLIGHT_WORKERS)]
    with ExitStack() as stack:
        stack.enter_context(workers(quick, _is_there))
        _await_models()  # alone on the machine, which these would share
        stack.enter_context(workers(["medium-1", "slow-1"], _is_there))
        tell(f"http://{f'[{host}]' if ':' in host else host}:{server.effective_port}/")
        try:
            server.run()
        finally:
            server.close()


def _is_there(name: str) -> bool:
    from whylight.web.tasks.models import Worker

    return Worker.objects.filter(name=name).exists()


def _await_models() -> None:
    """Wait until a worker has told what there is, so that the first visitor finds it."""
    from whylight.web.tasks.keeper import is_served
    from whylight.web.tasks.models import Lane
    from whylight.web.views.plain import ready

    end = time.monotonic() + 120
    while not (ready() and is_served(Lane.QUICK)) and time.monotonic() < end:
        time.sleep(0.05)
