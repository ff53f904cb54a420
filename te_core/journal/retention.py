"""Which history may be deleted: what is older than the retention period and no longer active."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    bindparam,
    delete,
    exists,
    false,
    literal_column,
    not_,
    or_,
    select,
)

from te_core.journal.statements import Statement
from te_core.journal.tables import (
    books,
    confirmations,
    equity,
    events,
    fills,
    flows,
    goals,
    intents,
    is_open,
    latest_signals,
    quarantine,
    signals,
    targets,
)
from te_core.model.money import FlowKind

CHUNK = 500
"""Rows per transaction: a few milliseconds each, so that appends never wait long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``age`` is the column with the time of a row of ``table``; ``delete`` spares what must stay whatever its age."""

    table: Table
    age: Column[Any]
    delete: Statement

    def last_old(self, connection: Connection, *, after: int, before: datetime, now: datetime) -> int | None:
        """Return the number up to which the rows following ``after`` are old, at most ``CHUNK`` of them.

        Rows with times in the future, from when the clock was wrong, do not end the search.
        """
        following = select(self.table.c.number, self.age).where(self.table.c.number > after)
        rows = connection.execute(following.order_by(self.table.c.number).limit(CHUNK))
        last = None
        for number, at in rows:
            if before <= at <= now:
                break
            last = number
        return last


def _rule(table: Table, age: Column[Any], *, kept: ColumnElement[bool]) -> Rule:
    stale = delete(table).where(
        table.c.number > bindparam("after"),
        table.c.number <= bindparam("last"),
        age < bindparam("before"),
        not_(kept),
    )
    return Rule(table=table, age=age, delete=Statement(sql=stale, lane=table.name))


def _book_of(table: Table, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(books.c.account == table.c.account, books.c.symbol == table.c.symbol, *conditions)


_latest = exists().where(
    latest_signals.c.source == signals.c.source,
    latest_signals.c.symbol == signals.c.symbol,
    latest_signals.c.number == signals.c.number,
)
_goal = or_(books.c.goal == goals.c.number, books.c.revision == goals.c.revision)

THIN = Statement(
    sql=delete(equity).where(equity.c.number == bindparam("thinned"), equity.c.at < bindparam("before")),
    lane="equity.thin",
)
SAMPLES = (
    select(equity.c.number, equity.c.account, equity.c.at)
    .where(equity.c.number > bindparam("after"))
    .order_by(equity.c.number)
    .limit(CHUNK)
)

RULES = (
    _rule(signals, signals.c.received_at, kept=_latest),
    _rule(targets, targets.c.created_at, kept=_book_of(targets, books.c.revision == targets.c.revision)),
    _rule(goals, goals.c.sized_at, kept=_book_of(goals, _goal)),
    _rule(
        intents,
        intents.c.created_at,
        kept=or_(is_open, _book_of(intents, books.c.revision == intents.c.revision)),
    ),
    _rule(
        confirmations,
        confirmations.c.at,
        kept=_book_of(confirmations, books.c.confirmation == confirmations.c.number),
    ),
    _rule(quarantine, quarantine.c.received_at, kept=false()),
    _rule(events, events.c.at, kept=false()),
    _rule(fills, fills.c.at, kept=false()),
    _rule(flows, flows.c.at, kept=flows.c.kind != literal_column(f"'{FlowKind.FUNDING}'")),
)
"""Equity samples are thinned instead, and transfers stay: profit over long periods is computed from both."""
