"""``te demo``: play a minute of alerts on paper accounts."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="How long it takes.")] = 60,
) -> None:
    """Show the engine at work for a minute: alerts arrive, two paper accounts follow. Nothing is stored.

    It runs in a temporary folder, listens on this machine only and connects to nothing else.

    \b
    Example: te demo
             te demo --seconds 10
    """
    import asyncio
    import tempfile
    from pathlib import Path

    from te_core.cli.output import print_lines
    from te_core.cli.performance import perform

    with tempfile.TemporaryDirectory(prefix="te-demo-") as folder:
        asyncio.run(perform(Path(folder), seconds))
    print_lines("", "That was all paper. To set up your own:  te init")
