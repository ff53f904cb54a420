"""Pages of the history, newest first. The cost of a page is bounded, however long the history is.

A page reads at most ``SCANNED`` rows: if few of them match, it comes back short, with a number to continue from. So
it needs no index but the numbers; any other index would cost every alert and every order.
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
"""Rows that a page reads at most if only some of them match."""
JOINED = 2_000
"""The same if each row needs a look-up in another table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The requested part of the history. None: no restriction."""

    limit: int = 100
    before: int | None = None
    after: int | None = None
    """Both are numbers, exclusive."""
    since: datetime | None = None
    """Inclusive."""
    until: datetime | None = None
    """Exclusive."""
    account: str | None = None
    """Its name in the settings (now or last), or a book."""
    symbol: str | None = None
    source: str | None = None
    """For orders, a source that contributes to their target."""
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """A part of the history, newest first, each entry with its number."""

    rows: Sequence[tuple[int, T]]
    next: int | None
    """The value of ``before`` for the next page; None at the end. Even a short or empty page may have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A planned order, its outcome, and its cost; ``fill`` is None if the cost is not known (yet)."""

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
    """Return the matching orders among the next ``scanned`` ones from a number on, oldest first."""
    following = select(intents).where(intents.c.number >= number).order_by(intents.c.number)
    scanned_rows = following.limit(scanned).subquery()
    chosen = select(scanned_rows).where(*_order_conditions(connection, scanned_rows, wanted))
    return orders_of(connection, connection.execute(chosen.order_by(scanned_rows.c.number)).mappings().all())


def orders_of(connection: Connection, rows: Sequence[RowMapping]) -> list[tuple[int, Order]]:
    """Return orders with their fills, from their rows."""
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
    """Return accepted signals, including superseded ones."""
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
    """Return events; their ``account`` is a name, not a book."""
    keys = ("kind", "account", "symbol", "source")
    return _plain(connection, Event, events, events.c.at, wanted, keys)


def flow_page(connection: Connection, wanted: Wanted) -> Page[Flow]:
    """Return payments without an order, in the order in which they became known."""
    return _booked(connection, Flow, flows, wanted, ("symbol", "kind"))


def sample_page(connection: Connection, wanted: Wanted) -> Page[EquitySample]:
    """Return samples of the accounts' equity."""
    return _booked(connection, EquitySample, equity, wanted, ())


def last_commit(connection: Connection) -> int:
    """Return the number of the last commit."""
    return int(connection.execute(select(meta.c.value).where(meta.c.key == "writer_sequence")).scalar_one())


def names(connection: Connection) -> Mapping[str, str]:
    """Return the last name of each book in the settings."""
    return {row.book: row.name for row in connection.execute(select(accounts.c.book, accounts.c.name))}


def books_of(connection: Connection, account: str) -> Sequence[str]:
    """Return the books of a name; there may be several, because new credentials are another account."""
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
    """Return rows, and the number before which the next page starts; None at the end."""
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
    """Return the number from which a table's rows are of that time or later.

    Numbers grow with time, so a binary search is enough. If the wall clock was set back, several numbers fit and one of
    them is returned.
    """
    # In a single query, finding both ends would read the whole table.
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
    """Return a column as text that no index covers, so that rows are read by number and no further than necessary."""
    return type_coerce(column, Text).concat("")


def _entry(kind: type[T], row: RowMapping) -> T:
    return kind(**{field.name: row[field.name] for field in fields(kind)})  # type: ignore[arg-type]
