"""``te health``: report the engine's health as an exit code, for a process monitor."""

from __future__ import annotations

from typing import Annotated

import typer

from te_core.app.paths import Paths
from te_core.cli.client import EngineDown, ask, running_engine
from te_core.cli.failure import Failure
from te_core.cli.output import print_lines


def health(
    context: typer.Context,
    ready: Annotated[bool, typer.Option("--ready", help="Also check that everything enabled works.")] = False,
) -> None:
    """Exit with 0 if an engine runs here and responds; for container health checks.

    \b
    Example: te health
             te health --ready
    Exit code: 0 healthy, 1 not ready (with --ready), 3 no engine answers
    """
    paths = Paths.of(context)
    if running_engine(paths) is None:
        raise EngineDown(paths)
    reasons = ask(paths, "/api/v1/state")["engine"]["reasons"] if ready else []
    if reasons:
        raise Failure(f"not ready: {'; '.join(reasons)}", next_step="te status")
    print_lines("ready" if ready else "alive")
