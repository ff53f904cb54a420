"""One question on one line, whose default is part of it."""

from __future__ import annotations

import typer

from te_core.texts import printable

TAKE_OUT = "-"
"""The answer that goes back to the default, or takes an entry out of a table."""


def prompt(question: str, *, hidden: bool = False) -> str:
    """Ask; empty for Enter. Raises ``typer.Abort``."""
    return str(typer.prompt(printable(question), default="", show_default=False, hide_input=hidden)).strip()
