"""``te run``: the engine, until it is told to stop."""

from __future__ import annotations

import gc
import os

import typer

from te_core.cli.place import Place


def run(context: typer.Context) -> None:
    """Start the engine: it listens for signals and keeps every account at its target, until SIGINT or SIGTERM.

    \b
    Example: te run
             te run --settings /srv/te/settings.toml
    """
    gc.disable()  # nothing that the imports and the start make is garbage; ``serve`` enables it again
    import asyncio
    from uuid import uuid4

    from te_core.cli.process import serve

    os.umask(0o077)  # what the engine writes is its owner's alone
    asyncio.run(serve(Place.of(context), new_id=lambda: uuid4().hex))
