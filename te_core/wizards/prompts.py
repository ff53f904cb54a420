"""One question on one line, whose default is part of it; at a narrow terminal on as many lines as it takes."""

from __future__ import annotations

import sys

import typer

from te_core.cli.output import folded

TAKE_OUT = "-"
"""The answer that goes back to the default, or takes an entry out of a table."""


def prompt(question: str, *, hidden: bool = False) -> str:
    """Ask; empty for Enter. Raises ``typer.Abort``."""
    text = folded(question, sys.stdout)
    return str(typer.prompt(text, default="", show_default=False, hide_input=hidden)).strip()


def confirm(question: str, *, default: bool = False) -> bool:
    """Ask whether; Enter is the default. Raises ``typer.Abort``."""
    words = f"{question} [{'Y/n' if default else 'y/N'}]"
    return typer.confirm(folded(words, sys.stdout), default=default, show_default=False)
