"""Every statement that writes entries. They are built once and compiled once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, UpdateBase, bindparam, delete, func, insert, select, update

from te_core.journal import tables
from te_core.journal.database import insert_new, upsert

Row = dict[str, Any]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Statement:
    """A statement for many rows at once."""

    sql: UpdateBase
    lane: str
    """Statements of one lane are executed in the order of the entries; lanes do not depend on each other."""
    last: bool = False
    """Executed after the other statements, whatever their order: entries that it changes may come with it."""
    newest: tuple[str, ...] = ()
    """Of several rows with equal values in these columns only the last one is written."""
    exact: str = ""
    """Every row must change exactly one row of the table; errors name it by this column and state ``refusal``."""
    refusal: str = ""


def _add(table: Table) -> Statement:
    return Statement(sql=insert(table).inline(), lane=table.name)


def _book(*changes: str) -> Statement:
    key = ("account", "symbol")
    return Statement(
        sql=upsert(tables.books, key=key, changes=changes), lane=f"books.{changes[0]}", newest=key
    )


def _trim_quarantine() -> Statement:
    older = tables.quarantine.alias()
    oldest_over = (
        select(older.c.number)
        .where(older.c.source == bindparam("of"))
        .order_by(older.c.number.desc())
        .limit(1)
        .offset(bindparam("limit"))
        .scalar_subquery()
    )
    stale = delete(tables.quarantine).where(
        tables.quarantine.c.source == bindparam("of"), tables.quarantine.c.number <= oldest_over
    )
    return Statement(sql=stale, lane="quarantine.trim", newest=("of",))


def _thin_tallies() -> Statement:
    """Return the statement that keeps only the last row of each day within these hours."""
    table, later = tables.tallies, tables.tallies.alias()
    same_day = (later.c.symbol == table.c.symbol) & (later.c.account == table.c.account)
    last = select(func.max(later.c.hour)).where(
        same_day, later.c.hour >= table.c.hour, later.c.hour < table.c.hour - table.c.hour % 24 + 24
    )
    stale = delete(table).where(
        table.c.symbol == bindparam("of_symbol"),
        table.c.account == bindparam("of_account"),
        table.c.hour >= bindparam("first"),
        table.c.hour < bindparam("beyond"),
        table.c.hour < last.scalar_subquery(),
    )
    return Statement(sql=stale, lane="tallies.thin")


def _record_intent() -> Statement:
    return Statement(
        sql=insert_new(tables.intents, key=("client_order_id",)),
        lane="intents",
        exact="client_order_id",
        refusal="an intent with this client order id is already recorded; an id is used once, sent or not",
    )


ADD_SIGNAL = _add(tables.signals)
ADD_QUARANTINE = _add(tables.quarantine)
ADD_TARGET = _add(tables.targets)
ADD_GOAL = _add(tables.goals)
ADD_CONFIRMATION = _add(tables.confirmations)
ADD_EVENT = _add(tables.events)
IDENTIFY_ACCOUNT = Statement(
    sql=upsert(
        tables.accounts, key=("book",), changes=[c.name for c in tables.accounts.c if c.name != "book"]
    ),
    lane="accounts",
    newest=("book",),
)
STANDING_CONTROL = Statement(
    sql=upsert(
        tables.controls,
        key=tables.CONTROL_KEY,
        changes=[c.name for c in tables.controls.c if c.name not in tables.CONTROL_KEY],
    ),
    lane="controls",
    newest=tables.CONTROL_KEY,
)
BEST_PRICE = Statement(
    sql=upsert(tables.best_prices, key=("account", "symbol"), changes=("side", "price", "at")),
    lane="best_prices",
    newest=("account", "symbol"),
)
LATEST_SIGNAL = Statement(
    sql=upsert(tables.latest_signals, key=("source", "symbol"), changes=("number",)),
    lane="latest_signals",
    newest=("source", "symbol"),
)
RECORD_FILL = Statement(
    sql=upsert(
        tables.fills,
        key=("client_order_id",),
        changes=[c.name for c in tables.fills.c if c.name not in ("client_order_id", "number")],
    ),
    lane="fills",
    newest=("client_order_id",),
)
RECORD_FLOW = Statement(
    sql=upsert(tables.flows, key=("account", "key"), changes=("kind", "amount", "symbol")),
    lane="flows",
    newest=("account", "key"),
)
WRITE_TALLY = Statement(
    sql=upsert(
        tables.tallies,
        key=tables.TALLY_KEY,
        changes=[c.name for c in tables.tallies.c if c.name not in tables.TALLY_KEY],
    ),
    lane="tallies",
    newest=tables.TALLY_KEY,
)
THIN_TALLIES = _thin_tallies()
ADD_EQUITY = _add(tables.equity)
WRITE_BREAKER = Statement(
    sql=upsert(tables.breakers, key=("scope",), changes=("at", "state", "number")),
    lane="breakers",
    newest=("scope",),
)
TRIM_QUARANTINE = _trim_quarantine()
RECORD_INTENT = _record_intent()
RESOLVE_INTENT = Statement(
    sql=update(tables.intents).where(tables.intents.c.client_order_id == bindparam("order_id")),
    lane="intents.resolved",
    last=True,  # an order is recorded before it is resolved; alternating statements would have one row each
    newest=("order_id",),
    exact="order_id",
    refusal="no intent with this client order id is recorded",
)
BOOK_TARGET, BOOK_GOAL, BOOK_CONFIRMATION = _book("target", "revision"), _book("goal"), _book("confirmation")
