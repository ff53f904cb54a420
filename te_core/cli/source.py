"""``te source``: commands for one signal source."""

from __future__ import annotations

from typing import Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.complete import source_names
from te_core.cli.instances import webhook_of
from te_core.cli.output import print_lines

app = typer.Typer(help="Commands for one signal source.", no_args_is_help=True)


@app.command()
def url(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="The source's name in the settings.", show_default=False, autocompletion=source_names
        ),
    ],
    base: Annotated[
        str, typer.Option(metavar="URL", help="Public address to use instead, as senders reach it.")
    ] = "",
) -> None:
    """Print a source's webhook address. It contains the token: anyone who knows it can send signals.

    \b
    Example: te source url tradingview --base https://alerts.example.org
    """
    address = webhook_of(Paths.of(context), name)
    if base:
        address = base.rstrip("/") + address[address.index("/hooks/") :]
    print_lines(address)
