"""``te run``: the engine, until it is told to stop."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from te_core.app.paths import Paths
from te_core.wizards.init import offer

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


def run(
    context: typer.Context,
    observe: Annotated[
        bool, typer.Option("--observe", help="Read, plan and show; send nothing on any account.")
    ] = False,
) -> None:
    """Start the engine: it listens for signals and keeps every account at its target, until SIGINT or SIGTERM.

    \b
    Example: te run
             te run --settings /srv/te/settings.toml
             te run --observe
    Without a settings file, `te init` is offered at a terminal.
    """
    offer(context)
    gc.disable()  # nothing that the imports and the start make is garbage; ``serve`` enables it again
    import asyncio
    from uuid import uuid4

    from te_core.app.process import run_to_the_end, serve

    os.umask(0o077)  # what the engine writes is its owner's alone
    with asyncio.Runner(loop_factory=_event_loop()) as runner:
        served = serve(
            Paths.of(context), new_id=lambda: uuid4().hex, observe="te run --observe" if observe else ""
        )
        run_to_the_end(runner.get_loop(), served)


def _event_loop() -> Callable[[], AbstractEventLoop] | None:
    """Give what makes the event loop: uvloop where it is installed, and ccxt brings it along; else asyncio's own.

    Everything works alike on both; with uvloop an alert costs about a tenth less.
    """
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
