"""Prompts with the default as part of the question; folded on a narrow terminal."""

from __future__ import annotations

import sys

import typer

from te_core.cli.output import folded

TAKE_OUT = "-"
"""The answer that restores the default, or removes an entry from a table."""


def prompt(question: str, *, hidden: bool = False) -> str:
    """Prompt for a text; empty for Enter. Raises ``typer.Abort``."""
    text = folded(question, sys.stdout)
    return str(typer.prompt(text, default="", show_default=False, hide_input=hidden)).strip()


def confirm(question: str, *, default: bool = False) -> bool:
    """Prompt for yes or no; Enter means the default. Raises ``typer.Abort``."""
    words = f"{question} [{'Y/n' if default else 'y/N'}]"
    return typer.confirm(folded(words, sys.stdout), default=default, show_default=False)
