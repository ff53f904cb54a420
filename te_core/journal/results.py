"""Read the results and equity of accounts. The cost grows with accounts, symbols and days, not with the history."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    Select,
    Text,
    and_,
    cast,
    func,
    select,
    type_coerce,
)

from te_core.journal.pages import number_at
from te_core.journal.snapshot import AccountRecord
from te_core.journal.tables import accounts, equity, flows, tallies
from te_core.model.money import EquitySample, FlowKind, Tally
from te_core.rules.pnl import COUNTS, SUMS

WHOLE = ""
_PAIRS = 1_000_000
"""Accounts times symbols: more than any installation has."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SUMMED = ("account", "symbol", "hour", "at", "result", *SUMS, *COUNTS)
_BY_SOURCE = ("earned", "paid")
_SAMPLE = [equity.c[field.name] for field in fields(EquitySample)]


def records(connection: Connection) -> Sequence[AccountRecord]:
    """Return every account that the engine has ever connected to."""
    rows = connection.execute(select(accounts).order_by(accounts.c.name, accounts.c.book)).mappings()
    return [AccountRecord(**row) for row in rows]


def tallies_at(
    connection: Connection,
    books: Collection[str],
    *,
    symbol: str | None,
    before: int | None,
    by_source: bool,
) -> Mapping[tuple[str, str], Tally]:
    """Return the sums of the last tally before an hour, by book and symbol.

    ``symbol``: ``WHOLE`` for whole accounts, None for all symbols. ``by_source``: also what each source earned, without
    the value of open positions.
    """
    names = _symbols() if symbol is None else select(_literal(symbol).label("symbol")).subquery()
    its = tallies.alias()
    last = select(func.max(its.c.hour)).where(
        its.c.symbol == names.c.symbol, its.c.account == accounts.c.book
    )
    if before is not None:
        last = last.where(its.c.hour < before)
    hour = last.scalar_subquery().label("hour")
    pairs = select(names.c.symbol, accounts.c.book, hour).join_from(
        names, accounts, accounts.c.book.in_(books)
    )
    # The limit forces a separate subquery; otherwise every row would be checked for being the last.
    lasts = pairs.limit(_PAIRS).subquery()
    wanted = select(*(tallies.c[name] for name in _columns(by_source))).join_from(
        lasts,
        tallies,
        and_(
            tallies.c.symbol == lasts.c.symbol,
            tallies.c.account == lasts.c.book,
            tallies.c.hour == lasts.c.hour,
        ),
    )
    return {(tally.account, tally.symbol): tally for tally in _tallies(connection, wanted, by_source)}


def _columns(by_source: bool) -> tuple[str, ...]:
    return (*_SUMMED, *_BY_SOURCE) if by_source else _SUMMED


def _tallies(connection: Connection, wanted: Select[Any], by_source: bool) -> Iterator[Tally]:
    names = _columns(by_source)
    return (Tally(**dict(zip(names, row, strict=True))) for row in connection.execute(wanted))


def _literal(symbol: str) -> ColumnElement[str]:
    return type_coerce(symbol, tallies.c.symbol.type)


def _symbols() -> Any:
    """Return a query of every existing symbol, each found with one index look-up."""
    first = select(func.min(tallies.c.symbol).label("symbol")).where(tallies.c.symbol > WHOLE)
    found = first.cte("symbols", recursive=True)
    following = select(func.min(tallies.c.symbol)).where(tallies.c.symbol > found.c.symbol).scalar_subquery()
    return found.union_all(select(following).where(found.c.symbol.is_not(None)))


def daily(
    connection: Connection,
    books: Collection[str],
    *,
    symbol: str,
    first: int,
    beyond: int | None,
    by_source: bool,
) -> Sequence[Tally]:
    """Return the last tally of each account and day within these hours, oldest first."""
    its = tallies.alias()
    lasts = (
        select(its.c.account, func.max(its.c.hour).label("hour"))
        .where(its.c.symbol == symbol, its.c.account.in_(books), its.c.hour >= first)
        .group_by(its.c.account, its.c.hour - its.c.hour % 24)
    )
    if beyond is not None:
        lasts = lasts.where(its.c.hour < beyond)
    chosen = lasts.subquery()
    wanted = select(*(tallies.c[name] for name in _columns(by_source))).join(
        chosen,
        and_(
            tallies.c.symbol == symbol,
            tallies.c.account == chosen.c.account,
            tallies.c.hour == chosen.c.hour,
        ),
    )
    return list(_tallies(connection, wanted.order_by(tallies.c.account, tallies.c.hour), by_source))


def samples_at(
    connection: Connection, books: Collection[str], at: datetime | None, *, oldest: bool = False
) -> Mapping[str, EquitySample]:
    """Return each account's last equity sample before a moment, or its first one (``oldest``)."""
    its = equity.alias()
    order = (its.c.at, its.c.number) if oldest else (its.c.at.desc(), its.c.number.desc())
    last = select(its.c.number).where(its.c.account == accounts.c.book).order_by(*order).limit(1)
    if at is not None:
        last = last.where(its.c.at < at)
    wanted = (
        select(*_SAMPLE)
        .select_from(accounts)
        .join(equity, equity.c.number == last.scalar_subquery())
        .where(accounts.c.book.in_(books))
    )
    found = (EquitySample(**row) for row in connection.execute(wanted).mappings())
    return {sample.account: sample for sample in found}


def transfers(
    connection: Connection, books: Collection[str], since: datetime | None, until: datetime | None
) -> Mapping[str, Decimal]:
    """Return each account's deposits and other transfers less its withdrawals, without trading and funding."""
    wanted = select(flows.c.account, flows.c.amount).where(
        flows.c.kind != FlowKind.FUNDING, flows.c.account.in_(books)
    )
    if since is not None:  # a transfer is journaled later than it happens
        first = number_at(connection, flows, flows.c.at, since)
        wanted = wanted.where(flows.c.number >= first, flows.c.at >= since)
    if until is not None:
        wanted = wanted.where(flows.c.at < until)
    sums: dict[str, Decimal] = {}
    for account, amount in connection.execute(wanted):
        sums[account] = sums.get(account, Decimal(0)) + amount
    return sums


AMOUNTS = ("total", "wallet", "free", "unrealised", "gross", "net")


class Bucket(NamedTuple):
    """The last sample of an account in a part of the period, and the smallest and largest value in that part."""

    account: str
    at: datetime
    low: float
    high: float
    amounts: Sequence[str | None]
    """In the order of ``AMOUNTS``, as unparsed digits, because there may be thousands."""


def curve(
    connection: Connection,
    books: Collection[str],
    *,
    since: datetime | None,
    until: datetime | None,
    points: int,
) -> Iterable[Bucket]:
    """Return each account's value over time, oldest first, at most ``points`` buckets per account."""
    moment = type_coerce(equity.c.at, BigInteger)
    within: list[ColumnElement[bool]] = [equity.c.account.in_(books)]
    within += [] if since is None else [equity.c.at >= since]
    within += [] if until is None else [equity.c.at < until]
    ends: tuple[int | None, ...] = tuple(
        connection.execute(select(func.min(moment), func.max(moment)).where(*within)).one()
    )
    first, last = ends
    if first is None or last is None:
        return []
    width = max((last - first) // points + 1, 1)
    total = cast(equity.c.total, Float)
    parts = (
        select(
            func.max(equity.c.number).label("number"),
            func.min(total).label("low"),
            func.max(total).label("high"),
        )
        .where(*within)
        .group_by(equity.c.account, (moment - first) // width)
        .subquery()
    )
    amounts = (type_coerce(equity.c[name], Text) for name in AMOUNTS)
    wanted = select(equity.c.account, equity.c.at, parts.c.low, parts.c.high, *amounts).join(
        parts, equity.c.number == parts.c.number
    )
    rows = connection.execute(wanted.order_by(equity.c.account, equity.c.at))
    return [Bucket(account, at, low, high, amounts) for account, at, low, high, *amounts in rows]
