"""Pages of lists, continued by a cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import unquote_plus

from te_emulators.core.errors import BadParameter

Row = TypeVar("Row")


def page(
    rows: list[Row], parameters: dict[str, str], *, usual: int, most: int, name: Callable[[Row], str]
) -> tuple[list[Row], str]:
    """Return the rows from ``cursor`` on, and the name of the next row, if any; raises BadParameter.

    ``limit`` is at most ``most``, ``usual`` if not given. A cursor is the name of the first row it shows; a
    client may send it encoded once or twice.
    """
    text = parameters.get("limit") or str(usual)
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise BadParameter(f"params error: limit must be between 1 and {most}")
    start, limit = 0, int(text)
    if cursor := unquote_plus(parameters.get("cursor", "")):
        names = [name(row) for row in rows]
        if cursor not in names:
            raise BadParameter("params error: cursor invalid")
        start = names.index(cursor)
    following = rows[start + limit : start + limit + 1]
    return rows[start : start + limit], name(following[0]) if following else ""
