"""The command line: one file a verb. Nothing heavy is imported here, so that every `--help` comes at once."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from whylight.cli.explain import explain
from whylight.cli.models import models
from whylight.cli.train import train
from whylight.errors import WhylightError

BAD_USAGE = 2
INTERRUPTED = 130


class _Verbs(TyperGroup):
    """Turns our own errors into one line on stderr, whichever verb they come from."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WhylightError as error:
            typer.echo(f"whylight: {error}", err=True)
            raise typer.Exit(BAD_USAGE) from None
        except KeyboardInterrupt:
            typer.echo("whylight: stopped; what is done is kept, the same command goes on from there", err=True)
            raise typer.Exit(INTERRUPTED) from None


# No rich markup: importing rich would take longer than all the rest of a help page.
app = typer.Typer(
    cls=_Verbs,
    name="whylight",
    help="See where an image classifier looks, and why it decides as it does.",
    epilog="Exit codes: 0 done; 1 some inputs failed, the rest is done; 2 bad usage; 130 interrupted.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("explain", no_args_is_help=True)(explain)
app.command("models")(models)
app.command("train", no_args_is_help=True)(train)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"whylight {version('whylight')}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    pass


def main() -> None:
    """Run the command line; the console script `whylight`."""
    sys.exit(app())
