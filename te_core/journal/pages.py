"""Pages of the history, newest first. What a page costs is bounded, however long the history is.

A page looks at no more than ``SCANNED`` rows: where few of them are asked for, it comes back short, with a place to go
on from. So it needs no index but the numbers; every alert and every order would have to pay for another.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    RowMapping,
    Table,
    Text,
    func,
    select,
    type_coerce,
)

from te_core.journal.reader import record_of
from te_core.journal.snapshot import IntentRecord
from te_core.journal.tables import (
    accounts,
    equity,
    events,
    fills,
    flows,
    intents,
    meta,
    quarantine,
    signals,
    targets,
)
from te_core.model.event import Event
from te_core.model.money import EquitySample, Fill, Flow
from te_core.model.signal import QuarantinedInput, Signal

T = TypeVar("T")
SCANNED = 10_000
"""Rows that a page looks at where only some of them are asked for."""
JOINED = 2_000
"""The same where another table has to be asked about each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which part of the history is asked for. None: whatever it is.

    ``before``, ``after``: numbers, exclusive. ``since``: inclusive, ``until``: exclusive. ``account``: as the settings
    call it (or did last), or a book. ``source``: of orders, one that has a part in their target.
    """

    limit: int = 100
    before: int | None = None
    after: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    account: str | None = None
    symbol: str | None = None
    source: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some of the history, newest first, each with its number.

    ``next``: what to ask for ``before`` to go on; None at the end. A page may be short, or empty, and have one.
    """

    rows: Sequence[tuple[int, T]]
    next: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order that was to be made, what became of it, and what it cost; no ``fill`` where that is not told (yet)."""

    record: IntentRecord
    fill: Fill | None


def order_page(connection: Connection, wanted: Wanted) -> Page[Order]:
    """Return orders of plans and stops, sent or not."""

    conditions = _order_conditions(connection, intents, wanted)
    scanned = SCANNED if wanted.source is None else JOINED
    rows, following = _page(connection, intents, intents.c.created_at, wanted, conditions, scanned=scanned)
    return Page(rows=orders_of(connection, rows), next=following)


def _order_conditions(connection: Connection, table: FromClause, wanted: Wanted) -> list[ColumnElement[bool]]:
    found = _equal(table, symbol=wanted.symbol)
    if wanted.account is not None:
        found.append(_text(table.c.account).in_(books_of(connection, wanted.account)))
    if wanted.source is not None:
        its = targets.alias()
        name = f'"source":{json.dumps(wanted.source)}'
        part = select(its.c.number).where(
            its.c.account == table.c.account,
            its.c.symbol == table.c.symbol,
            its.c.revision == table.c.revision,
            type_coerce(its.c.terms, Text).contains(name, autoescape=True),
        )
        found.append(part.exists())
    return found


def orders_after(
    connection: Connection, number: int, wanted: Wanted, *, scanned: int
) -> list[tuple[int, Order]]:
    """Return those of the next orders from a number on that are asked for, oldest first."""
    following = select(intents).where(intents.c.number >= number).order_by(intents.c.number)
    scanned_rows = following.limit(scanned).subquery()
    chosen = select(scanned_rows).where(*_order_conditions(connection, scanned_rows, wanted))
    return orders_of(connection, connection.execute(chosen.order_by(scanned_rows.c.number)).mappings().all())


def orders_of(connection: Connection, rows: Sequence[RowMapping]) -> list[tuple[int, Order]]:
    """Return orders with what they cost, from their rows."""
    known = fills_of(connection, [row["client_order_id"] for row in rows])
    return [
        (row["number"], Order(record=record_of(row), fill=known.get(row["client_order_id"]))) for row in rows
    ]


def fills_of(connection: Connection, client_order_ids: Sequence[str]) -> Mapping[str, Fill]:
    """Return the fills of some orders."""
    wanted = select(fills).where(fills.c.client_order_id.in_(client_order_ids))
    found = (_entry(Fill, row) for row in connection.execute(wanted).mappings())
    return {fill.client_order_id: fill for fill in found}


def signal_page(connection: Connection, wanted: Wanted) -> Page[Signal]:
    """Return accepted signals, superseded ones too."""
    return _plain(connection, Signal, signals, signals.c.received_at, wanted, ("source", "symbol"))


def signals_received(
    connection: Connection, keys: Collection[tuple[str, datetime]]
) -> Sequence[tuple[int, Signal]]:
    """Return the signals of some symbols and times of receipt."""
    times = sorted({at for _, at in keys})
    rows = connection.execute(select(signals).where(signals.c.received_at.in_(times))).mappings()
    return [
        (row["number"], _entry(Signal, row)) for row in rows if (row["symbol"], row["received_at"]) in keys
    ]


def refusal_page(connection: Connection, wanted: Wanted) -> Page[QuarantinedInput]:
    """Return refused input."""
    return _plain(connection, QuarantinedInput, quarantine, quarantine.c.received_at, wanted, ("source",))


def event_page(connection: Connection, wanted: Wanted) -> Page[Event]:
    """Return events; their ``account`` is a name."""
    keys = ("kind", "account", "symbol", "source")
    return _plain(connection, Event, events, events.c.at, wanted, keys)


def flow_page(connection: Connection, wanted: Wanted) -> Page[Flow]:
    """Return payments without an order, in the order in which they were learnt of."""
    return _booked(connection, Flow, flows, wanted, ("symbol", "kind"))


def sample_page(connection: Connection, wanted: Wanted) -> Page[EquitySample]:
    """Return samples of what accounts were worth."""
    return _booked(connection, EquitySample, equity, wanted, ())


def last_commit(connection: Connection) -> int:
    """Return the number of the last commit."""
    return int(connection.execute(select(meta.c.value).where(meta.c.key == "writer_sequence")).scalar_one())


def names(connection: Connection) -> Mapping[str, str]:
    """Return what the settings called each book last."""
    return {row.book: row.name for row in connection.execute(select(accounts.c.book, accounts.c.name))}


def books_of(connection: Connection, account: str) -> Sequence[str]:
    """Return the books that go by a name, of which there may be several: new credentials are another account."""
    return [account, *(book for book, name in names(connection).items() if name == account != book)]


def _plain(
    connection: Connection,
    entry: type[T],
    table: Table,
    at: Column[Any],
    wanted: Wanted,
    keys: Sequence[str],
) -> Page[T]:
    conditions = _equal(table, **{key: getattr(wanted, key) for key in keys})
    rows, following = _page(connection, table, at, wanted, conditions)
    return Page(rows=[(row["number"], _entry(entry, row)) for row in rows], next=following)


def _booked(
    connection: Connection, entry: type[T], table: Table, wanted: Wanted, keys: Sequence[str]
) -> Page[T]:
    conditions = _equal(table, **{key: getattr(wanted, key) for key in keys})
    if wanted.account is not None:
        conditions.append(_text(table.c.account).in_(books_of(connection, wanted.account)))
    rows, following = _page(connection, table, table.c.at, wanted, conditions)
    return Page(rows=[(row["number"], _entry(entry, row)) for row in rows], next=following)


def _page(
    connection: Connection,
    table: Table,
    at: Column[Any],
    wanted: Wanted,
    conditions: Sequence[ColumnElement[bool]],
    *,
    scanned: int = SCANNED,
) -> tuple[Sequence[RowMapping], int | None]:
    """Return rows, and the number to go on before; None at the end."""
    within = [] if wanted.before is None else [table.c.number < wanted.before]
    if wanted.after is not None:
        within.append(table.c.number > wanted.after)
    if wanted.since is not None:
        within.append(table.c.number >= number_at(connection, table, at, wanted.since))
    if wanted.until is not None:
        within.append(table.c.number < number_at(connection, table, at, wanted.until))
    newest = table.c.number.desc()
    lowest: int | None = None
    if conditions:
        beyond = select(table.c.number).where(*within).order_by(newest).offset(scanned - 1).limit(1)
        lowest = connection.execute(beyond).scalar()
        within += [] if lowest is None else [table.c.number >= lowest]
    chosen = select(table).where(*within, *conditions).order_by(newest).limit(wanted.limit + 1)
    rows = connection.execute(chosen).mappings().all()
    if len(rows) > wanted.limit:
        return rows[: wanted.limit], rows[wanted.limit - 1]["number"]
    return rows, lowest


def number_at(connection: Connection, table: Table, column: Column[Any], at: datetime) -> int:
    """Return the number from which on a table's rows are of that time or later.

    Numbers grow with time, so a few looks are enough. Where the wall clock was set back it is one of several places.
    """
    # Asked for at once, both ends would be looked for by reading everything.
    low, high = (connection.execute(select(end(table.c.number))).scalar() for end in (func.min, func.max))
    if low is None or high is None:
        return 0
    first, beyond = int(low), int(high) + 1
    while first < beyond:
        middle = (first + beyond) // 2
        following = select(table.c.number, column).where(table.c.number >= middle)
        number, when = connection.execute(following.order_by(table.c.number).limit(1)).one()
        if when >= at:
            beyond = middle
        else:
            first = number + 1
    return first


def _equal(table: FromClause, **values: str | None) -> list[ColumnElement[bool]]:
    return [_text(table.c[name]) == value for name, value in values.items() if value is not None]


def _text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Return a column as text that no index has: rows are to be read by their numbers, and no further than need be."""
    return type_coerce(column, Text).concat("")


def _entry(kind: type[T], row: RowMapping) -> T:
    return kind(**{field.name: row[field.name] for field in fields(kind)})  # type: ignore[arg-type]
