"""Prints the output of commands: tables for people, JSON for programs, notes on stderr.

All output passes through here, so that nothing in it can control the terminal (I22).
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

import typer

from te_core.cli.columns import Line, for_terminal
from te_core.texts import printable

PROSE = frozenset(
    {
        "reason",
        "note",
        "finding",
        "remedy",
        "steps",
        "body",
        "check",
        "package",
        "instances",
        "meaning",
        "keys",
    }
)
"""Columns whose cells are folded if they are too wide."""

PROSE_WIDTH = 20
"""Minimum width of a prose column, in characters; narrower is unreadable."""


def print_json(value: Any) -> None:
    """Print JSON without losing a digit."""
    from te_core.web.encoding import encode

    typer.echo(encode(value, indent=2))


def print_json_line(value: Any) -> None:
    """Print JSON on one line, for programs that read one object per line."""
    from te_core.web.encoding import encode

    typer.echo(encode(value))


def to_the_second(timestamp: str | None) -> str:
    """Format an ISO timestamp for people, in UTC."""
    if not timestamp:
        return ""
    return datetime.fromisoformat(timestamp).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def print_lines(*lines: str, bold: bool = False) -> None:
    """Print each text on exactly one line, whatever it contains."""
    typer.secho(_joined(map(printable, lines)), bold=bold)


def prose(*lines: str, bold: bool = False) -> None:
    """Print sentences; on a terminal they are folded between words."""
    typer.secho(_joined(folded(line, sys.stdout) for line in lines), bold=bold)


def print_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, header: bool = True) -> None:
    """Print CSV (RFC 4180) with a header; null is empty, and cells that a spreadsheet would execute are quoted."""
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(name)) for name in columns])
    typer.echo(text.getvalue(), nl=False)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return printable(" ".join(f"{key}={part}" for key, part in value.items()))
    text = printable(str(value))
    return f"'{text}" if text[:1] in _FORMULA and not _NUMBER.fullmatch(text) else text


_FORMULA = ("=", "+", "-", "@")
_NUMBER = re.compile(r"[+-]?[\d.]+")


def print_note(*lines: str) -> None:
    """Print lines that are not part of the answer, on stderr."""
    typer.secho(_joined(folded(line, sys.stderr) for line in lines), err=True, fg=typer.colors.YELLOW)


def complain(*lines: str, next_step: str = "") -> None:
    """Print what failed and what to do about it, on stderr."""
    typer.secho(_joined(folded(line, sys.stderr) for line in lines), err=True, fg=typer.colors.RED)
    if next_step:
        typer.echo(f"    {printable(next_step)}", err=True)


STYLES: dict[str, dict[str, Any]] = {
    "critical": {"fg": "red", "bold": True},
    "chip": {"fg": "white", "bg": "red", "bold": True},
    "warning": {"fg": "yellow"},
    "good": {"fg": "green"},
    "long": {"fg": "bright_blue"},
    "short": {"fg": "yellow"},
    "bold": {"bold": True},
    "dim": {"dim": True},
}
"""Arguments of ``typer.style`` by style name."""
RICH_STYLES = {
    "critical": "bold red",
    "chip": "bold white on red",
    "warning": "yellow",
    "good": "green",
    "long": "bright_blue",
    "short": "yellow",
    "bold": "bold",
    "dim": "dim",
}


def paint(lines: Iterable[Line], *, plain: bool = False) -> None:
    """Print styled lines; colours are sent to a terminal only. ``plain``: ASCII only."""
    for line in lines:
        spans = for_terminal(line, plain=plain)
        text = "".join(
            typer.style(printable(text), **STYLES[style]) if style and text else printable(text)
            for text, style in spans
        )
        typer.echo(text, color=False if os.environ.get("NO_COLOR") else None)


def speaks_ascii(env: Mapping[str, str], stream: TextIO) -> bool:
    """Return whether a terminal shows ASCII only, judging by its encoding and locale (``LANG=C``)."""
    if not (stream.encoding or "").lower().startswith("utf"):
        return True
    return (env.get("LC_ALL") or env.get("LANG") or "") in ("C", "POSIX")


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines)


def folded(text: str, stream: TextIO) -> str:
    """Return a printable text: one line, or on a terminal as many as needed, broken between words."""
    shown = printable(text)
    if not stream.isatty():
        return shown
    start = " " * (len(shown) - len(shown.lstrip()) + 2)
    width = shutil.get_terminal_size().columns - 1
    return textwrap.fill(
        shown, max(width, 20), subsequent_indent=start, break_long_words=False, break_on_hyphens=False
    )


@dataclass(frozen=True, slots=True)
class FittedTable:
    """A table that drops columns on a narrow terminal, so that names and numbers stay whole."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    spare: tuple[str, ...] = ()
    """Columns that may be dropped, in this order."""

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Render the table; called by rich."""
        del console
        yield self._laid_out(self.fitting(options.max_width), options.max_width)

    def fitting(self, width: int) -> tuple[str, ...]:
        """Return the columns that fit into ``width`` characters."""
        shown = list(self.columns)
        for column in self.spare:
            if self._width(shown) <= width:
                break
            shown.remove(column)
        return tuple(shown)

    def _laid_out(self, shown: tuple[str, ...], width: int) -> Any:
        from rich.table import Table
        from rich.text import Text

        made = Table(title=self.title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        whole = self._width(shown) <= width
        for column in shown:
            made.add_column(column, overflow="fold", no_wrap=whole and column not in PROSE)
        for row in self.rows:
            made.add_row(*(Text(cell) for name, cell in zip(self.columns, row, strict=True) if name in shown))
        if not made.rows:
            made.add_row(Text("none", style="dim"))
        return made

    def _width(self, shown: Iterable[str]) -> int:
        return sum(map(self._column_width, shown)) + 2 * len(list(shown))

    def _column_width(self, column: str) -> int:
        from rich.cells import cell_len

        index = self.columns.index(column)
        longest = max((cell_len(row[index]) for row in self.rows), default=0)
        if column in PROSE:
            longest = min(longest, PROSE_WIDTH)
        return max(longest, len(column))


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, spare: Sequence[str] = ()
) -> FittedTable:
    """Build a table; None and empty cells are shown as a dash."""
    cells = (
        tuple("-" if cell is None or cell == "" else printable(str(cell)) for cell in row) for row in rows
    )
    return FittedTable(title, tuple(columns), tuple(cells), tuple(spare))


def show(*renderables: Any) -> None:
    """Print tables and text. In a pipe nothing is folded, so that grep finds whole lines."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 240
    for renderable in renderables:
        text = printable(renderable) if isinstance(renderable, str) else renderable
        console.print(text, markup=False)
        console.print()
