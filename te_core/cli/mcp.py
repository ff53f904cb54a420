"""``te mcp``: offer the engine to an assistant as MCP tools, over stdio."""

from __future__ import annotations

from typing import Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.failure import Failure
from te_core.cli.output import print_note


def mcp(
    context: typer.Context,
    control: Annotated[
        bool, typer.Option("--control", help="Also allow it to halt, flatten, resume, pause and set depths.")
    ] = False,
) -> None:
    """Serve an assistant over MCP on stdin and stdout until it disconnects. The assistant starts this, not you.

    \b
    Example: te mcp
             te mcp --control
    """
    import sys

    try:
        from te_core.assistant.server import build
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"mcp", "mcp_types"}:
            raise
        raise Failure("te mcp needs the package mcp", next_step="pip install 'trade-engine[mcp]'") from None
    if sys.stdin.isatty():
        print_note("waiting for an assistant on stdin; see docs/assistant.md for the set-up (Ctrl-C quits)")
    build(Paths.of(context), control=control).run("stdio")
