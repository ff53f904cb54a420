"""``te page``: print a link that opens the page in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, post, running_engine
from te_core.cli.failure import Failure
from te_core.cli.output import print_lines, print_note


def page(
    context: typer.Context,
    view: Annotated[
        bool, typer.Option("--view", help="Read-only: the session cannot send commands.")
    ] = False,
) -> None:
    """Print a link that signs a browser in to the page. It works once, within a minute.

    \b
    Example: te page
             te page --view
    """
    from te_core.web.address import UNIX

    paths = Paths.of(context)
    engine = running_engine(paths)
    if engine is None:
        raise EngineDown(paths)
    answer = post(paths, "/api/v1/page/link", {"view": view})
    if answer is None:
        raise Failure(
            "the page is switched off",
            next_step="set page.enabled = true in the settings, and restart the engine",
        )
    base = answer["url"] or engine.private
    if base.startswith(UNIX):
        socket = base.removeprefix(UNIX)
        print_note(f"the private listener is a socket; from your machine: ssh -L 8788:{socket} …, then open")
        base = "http://127.0.0.1:8788"
    print_lines(f"{base}{answer['path']}")
