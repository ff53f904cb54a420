"""What commands print: tables for people, JSON for programs, notes on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import typer


def print_json(value: Any) -> None:
    """Print JSON without losing a digit."""
    from te_core.web.encoding import encode

    typer.echo(encode(value, indent=2))


def note(text: str) -> None:
    """Tell something that is not part of the answer."""
    typer.secho(text, err=True, fg=typer.colors.YELLOW)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Any:
    """Build a table; None shows as a dash."""
    from rich.table import Table
    from rich.text import Text

    made = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*(Text("-" if cell is None or cell == "" else str(cell)) for cell in row))
    if not made.rows:
        made.add_row(Text("none", style="dim"))
    return made


def show(*renderables: Any) -> None:
    """Print tables and text. Into a pipe nothing is folded, so that grep finds whole lines."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 240
    for renderable in renderables:
        console.print(renderable, markup=False)
        console.print()
