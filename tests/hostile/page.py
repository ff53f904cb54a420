"""``python -m tests.hostile.page`` runs every case and writes docs/hostile-plugins.md."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from loguru import logger

from te_core.testing import virtual_clock
from tests.hostile.cases import CASES, GROUPS, WAYS, Case
from tests.hostile.outcomes import outcome

PAGE = Path(__file__).parents[2] / "docs" / "hostile-plugins.md"
HEAD = """# Hostile plugins

Plugins contain bugs. For each kind of failure a test runs a plugin that fails in that way from its first call on, in
an engine whose other source and account work correctly: a second after each signal, the correct account holds what it
should, before, during and after the failure, and the engine stops on request. This table is generated from
those tests and shows what the engine reports about the plugin in `te status`, its history or its log; `(*file:line*)`
represents a line in the plugin's code.

One failure cannot be contained within a process: code that blocks the event loop (`time.sleep`, an endless loop) stops
everything while it blocks. The watchdog reports it with the blocking line (`stall`). Malicious code can do whatever
the engine may do: install only plugins that you trust.
"""


def row(case: Case, says: str) -> str:
    """Return the table's row of a case."""
    what = "its factory" if case.method == "factory" else f"`{case.method}()`"
    return f"| {what} | {WAYS[case.way]} | {says} |"


def page(said: Mapping[Case, str]) -> str:
    """Return the whole page."""
    parts = [HEAD]
    for kind in GROUPS:
        parts.append(
            f"\n## {kind.capitalize()}s\n\n| part | failure | report or reaction of the engine |\n|---|---|---|\n"
        )
        parts.append("\n".join(row(case, says) for case, says in said.items() if case.kind == kind) + "\n")
    return "".join(parts)


def main() -> None:
    """Run every case and write the page."""
    logger.remove()
    said = {}
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            said[case] = virtual_clock.run(outcome(case, Path(folder))).says
    PAGE.write_text(page(said), encoding="utf-8")


if __name__ == "__main__":
    main()
