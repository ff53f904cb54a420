"""Lines of styled text, and tables that fit a width by dropping columns: no cell wraps, no number is cut. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Span = tuple[str, str]
"""A text and the name of its style (empty for none)."""
Line = tuple[Span, ...]
ELLIPSIS = "…"
_PLAIN = str.maketrans({"−": "-", "·": ".", "…": ">", "\N{THIN SPACE}": " ", "×": "x", "≠": "#"})  # noqa: RUF001
_THIN = str.maketrans({"\N{THIN SPACE}": " "})


def cells(text: str) -> int:
    """Return how many terminal columns a text occupies."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def cut(text: str, width: int) -> str:
    """Return a text cut to at most ``width`` columns, ending in an ellipsis if cut."""
    if cells(text) <= width:
        return text
    kept = text
    while kept and cells(kept) > width - 1:
        kept = kept[:-1]
    return kept.rstrip() + ELLIPSIS if width > 0 else ""


def cut_line(line: Iterable[Span], width: int) -> Line:
    """Return a line cut at its end to at most ``width`` columns."""
    left, made = width, list[Span]()
    for text, style in line:
        shown = cut(text, left)
        made.append((shown, style))
        left -= cells(shown)
        if shown != text:
            break
    return tuple(made)


def text_of(line: Line) -> str:
    """Return the text of a line without styles."""
    return "".join(text for text, _ in line)


def for_terminal(line: Line, *, plain: bool) -> Line:
    """Return a line as a terminal can show it; ``plain``: in ASCII only."""
    if not plain:
        return tuple((text.translate(_THIN), style) for text, style in line)
    return tuple((text.translate(_PLAIN).encode("ascii", "replace").decode(), style) for text, style in line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    title: str
    cells: Sequence[Span] = field(default_factory=tuple)
    spare: int = 0
    """Columns with the largest number are dropped first; 0 is never dropped."""
    left: bool = False
    """Whether cells are left-aligned."""
    prose: bool = False
    """Whether the column uses the remaining width and may be cut."""

    @property
    def width(self) -> int:
        """Return the width of the widest cell or the title."""
        return max(cells(self.title), *(cells(text) for text, _ in self.cells), 0)


def fitting(columns: Sequence[Column], width: int, *, gap: int = 1) -> list[Column]:
    """Return the columns that fit; those with the largest ``spare`` are dropped first."""
    shown = [column for column in columns if column.cells]
    while shown and _taken(shown, gap) > width:
        most = max(column.spare for column in shown)
        if most == 0:
            break
        shown.remove([column for column in shown if column.spare == most][-1])
    return shown


def table(columns: Sequence[Column], width: int, *, gap: int = 1, title_style: str = "dim") -> list[Line]:
    """Lay columns out side by side: the titles, then a line for each row."""
    shown = fitting(columns, width, gap=gap)
    if not shown:
        return []
    rows = [tuple((column.title, title_style) for column in shown)]
    rows += zip(*(column.cells for column in shown), strict=True)
    return [cut_line(_trimmed(_laid_out(row, shown, gap)), width) for row in rows]


def _trimmed(line: Line) -> Line:
    """Return a line without trailing blanks."""
    kept = len(line)
    while kept and not line[kept - 1][0].strip():
        kept -= 1
    return line[:kept]


def _taken(columns: Sequence[Column], gap: int) -> int:
    fixed = [column.width for column in columns if not column.prose]
    prose = [cells(column.title) for column in columns if column.prose]
    return sum(fixed) + sum(prose) + gap * (len(columns) - 1)


def _laid_out(row: Sequence[Span], columns: Sequence[Column], gap: int) -> Line:
    made: list[Span] = []
    for index, ((text, style), column) in enumerate(zip(row, columns, strict=True)):
        pad = " " * max(column.width - cells(text), 0)
        last = index == len(columns) - 1
        if column.left or column.prose:
            made += [(text, style)] if last else [(text, style), (pad, "")]
        else:
            made += [(pad, ""), (text, style)]
        if not last:
            made.append((" " * gap, ""))
    return tuple(made)
