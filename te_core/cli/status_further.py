"""Lays out the tables that ``te status`` shows below the symbols if there is room. Pure."""

from __future__ import annotations

from decimal import Decimal

from te_core.cli.columns import Column, Line, table
from te_core.reporting.figures import age, figure, percent
from te_core.reporting.view import LimitRow, Severity, SourceRow, View

NEAR = Decimal("0.5")
"""Used share of a limit from which on it is shown when room is short."""


def further(view: View, width: int, room: int | None) -> list[Line]:
    """Return tables of sources, limits and notifiers, as many as fit into ``room`` lines (None for all)."""
    found: list[Line] = []
    for lines in (
        _source_lines(view, width),
        _limit_lines(view, width, near=room is not None),
        _notifier_lines(view, width),
    ):
        if lines and (room is None or len(found) + len(lines) + 1 <= room):
            found += [(), *lines]
    return found


def _source_lines(view: View, width: int) -> list[Line]:
    rows = view.sources
    styles = {Severity.CRITICAL: "critical", Severity.WARNING: "warning"}
    columns = [
        Column(title="source", cells=[(row.name, "") for row in rows], left=True),
        Column(
            title="status",
            cells=[
                (row.status, styles.get(row.severity, "good") if row.severity else "good") for row in rows
            ],
            left=True,
        ),
        Column(title="last signal", cells=[("-" if row.age is None else age(row.age), "") for row in rows]),
        Column(title="symbols", cells=[(str(row.signals), "") for row in rows], spare=1),
        Column(
            title="refused 24h",
            cells=[(str(row.refused), "warning" if row.refused else "") for row in rows],
            spare=3,
        ),
        Column(title="note", cells=[(_remarks(row), "dim") for row in rows], left=True, prose=True, spare=2),
    ]
    return table(columns, width, gap=2)


def _remarks(row: SourceRow) -> str:
    silent = f"silent since {row.silent_since:%Y-%m-%d %H:%M:%S}Z" if row.silent_since else ""
    expired = f"{len(row.expired)} expired" if row.expired else ""
    return "; ".join(part for part in (silent, expired, row.reason, row.warning) if part)


def _limit_lines(view: View, width: int, *, near: bool) -> list[Line]:
    """Return a table of limits and breakers that are in use, the most used first.

    ``near``: at most five, and only those used by at least half.
    """
    rows = sorted((row for row in view.limits if row.used is not None), key=lambda row: -(row.used or 0))
    if near:
        rows = [row for row in rows if (row.used or 0) >= NEAR][:5]
    of = [row.account or "all accounts" for row in rows]
    now = [_used(row) for row in rows]
    columns = [
        Column(title="limit", cells=[(row.name, "") for row in rows], left=True),
        Column(title="of", cells=[(name, "") for name in of], left=True),
        Column(title="symbol", cells=[(row.symbol, "") for row in rows], left=True, spare=1),
        Column(
            title="used",
            cells=[(percent(row.used), "warning" if (row.used or 0) >= 1 else "") for row in rows],
        ),
        Column(title="now", cells=[(text, "dim") for text in now], left=True, prose=True, spare=2),
    ]
    return table(columns, width, gap=2)


def _used(row: LimitRow) -> str:
    if not row.breaker:
        return f"{figure(row.now, places=0)} of {figure(row.limit, places=0)}"
    seen = f"as of {row.as_of:%Y-%m-%d %H:%M:%S}Z" if row.as_of else "not measured yet"
    return f"{row.text}, then {row.action}; {seen}"


def _notifier_lines(view: View, width: int) -> list[Line]:
    rows = view.notifiers
    columns = [
        Column(title="notifier", cells=[(row.name, "") for row in rows], left=True),
        Column(title="status", cells=[(row.status, "") for row in rows], left=True),
        *(
            Column(title=title, cells=[(str(getattr(row, title)), "") for row in rows])
            for title in ("sent", "waiting", "dropped")
        ),
        Column(title="reason", cells=[(row.reason, "dim") for row in rows], left=True, prose=True, spare=1),
    ]
    return table(columns, width, gap=2)
