"""The command line: one file a verb. Nothing heavy is imported here, so that every `--help` comes at once."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from whylight.cli.audit import audit
from whylight.cli.calibrate import calibrate
from whylight.cli.evaluate import app as evaluate
from whylight.cli.experiment import experiment
from whylight.cli.explain import explain
from whylight.cli.export import export
from whylight.cli.face import app as face
from whylight.cli.given.wording import as_options
from whylight.cli.group import COMMON, Group
from whylight.cli.live import live
from whylight.cli.locate import locate
from whylight.cli.maps import status, summarise
from whylight.cli.methods import methods
from whylight.cli.models import models
from whylight.cli.options import spread
from whylight.cli.screen import warn
from whylight.cli.serve import serve
from whylight.cli.train import train
from whylight.errors import FaceError, WhylightError, WriteError

BAD_USAGE = 2
COULD_NOT_GO_ON = 3
INTERRUPTED = 130


class _Verbs(Group):
    """Turns our own errors into one line on stderr, whichever verb they come from."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args == ["--version"]:  # no option of the group's: see there
            from importlib.metadata import version

            typer.echo(f"whylight {version('whylight')}")
            raise typer.Exit
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Version"):
            formatter.write_dl([("--version", "Print the version and exit.")])

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WhylightError as error:
            warn(as_options(str(error)))
            raise typer.Exit(_code_of(error)) from None
        except BrokenPipeError:  # who reads our output has had enough; typer ends without a word
            raise
        except OSError as error:
            where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
            warn(f"{where}{error.strerror or error}")
            raise typer.Exit(COULD_NOT_GO_ON) from None
        except KeyboardInterrupt:
            kept = ctx.invoked_subcommand in ("explain", "locate", "evaluate", "face")  # train says its own
            rest = "; what is done is kept, the same command goes on from there" if kept else ""
            warn(f"stopped{rest}")
            raise typer.Exit(INTERRUPTED) from None


def _code_of(error: WhylightError) -> int:
    if isinstance(error, FaceError):
        return error.code
    return COULD_NOT_GO_ON if isinstance(error, WriteError) else BAD_USAGE


app = typer.Typer(
    cls=_Verbs,
    name="whylight",
    help="See where an image classifier looks, and why it decides as it does.",
    epilog="Exit codes: 0 done; 1 some inputs failed, the rest is done; 2 bad usage; "
    "3 could not go on, the disk is full, say; 130 interrupted.",
    pretty_exceptions_enable=False,
    **COMMON,
)
for verb in (explain, locate, train, experiment, calibrate):
    # Without pictures explain and locate say what is missing.
    app.command(verb.__name__, no_args_is_help=verb not in (explain, locate))(spread(verb))
app.command("models")(spread(models))
app.command("methods")(spread(methods))
app.command("audit", no_args_is_help=True)(spread(audit))
app.command("live", no_args_is_help=True)(spread(live))
app.command("status", no_args_is_help=True)(spread(status))
app.command("summarise", no_args_is_help=True)(spread(summarise))
app.command("export")(spread(export))
app.command("serve")(spread(serve))
app.add_typer(evaluate, name="evaluate")
app.add_typer(face, name="face")


def main() -> None:
    """Run the command line; the console script `whylight`."""
    sys.exit(app())
