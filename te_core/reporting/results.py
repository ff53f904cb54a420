"""Results by account, symbol, source and day, and the equity of accounts, as JSON values."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection

from te_core.journal.results import (
    AMOUNTS,
    WHOLE,
    curve,
    daily,
    records,
    samples_at,
    tallies_at,
    transfers,
)
from te_core.journal.snapshot import AccountRecord
from te_core.model.money import EquitySample, Tally
from te_core.reporting.explain import text
from te_core.rules.periods import Kind, Result, Span, by_source, left_out, of_source, results, totals, untold
from te_core.rules.pnl import hour_of

HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SUMS = ("result", "before_fees", "fees", "realised", "unrealised", "funding", "turnover", "untold")
COUNTS = ("fills", "unpriced", "unknown_fees", "others")


class Grouping(StrEnum):
    """What results are grouped by."""

    ACCOUNT = "account"
    SYMBOL = "symbol"
    SOURCE = "source"
    DAY = "day"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveWanted:
    """The requested equity over time. None: no restriction."""

    account: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    points: int = 240
    """Maximum number per account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsWanted:
    """The requested results. None: no restriction.

    Periods are full hours: ``since`` is rounded down, ``until`` is rounded up.
    """

    by: Grouping = Grouping.ACCOUNT
    since: datetime | None = None
    until: datetime | None = None
    account: str | None = None
    symbol: str | None = None
    source: str | None = None

    @property
    def by_source(self) -> bool:
        """Return whether the result of each source is needed."""
        return self.by is Grouping.SOURCE or self.source is not None

    @property
    def hours(self) -> tuple[int | None, int | None]:
        """Return the first hour, and the one after the last."""
        since = None if self.since is None else hour_of(self.since)
        until = None if self.until is None else hour_of(self.until + HOUR - timedelta(microseconds=1))
        return since, until


def read_results(connection: Connection, wanted: ResultsWanted) -> dict[str, Any]:
    """Return the results of a period. Every total is the sum of its rows, and names what it leaves out.

    ``result`` is the result of trading after fees: the change of the equity without transfers. Real and paper money are
    kept separate: each row and each total states whether it is ``paper``.
    """
    chosen = [one for one in records(connection) if wanted.account in (None, one.name, one.book)]
    books = {one.book: one for one in chosen}
    first, beyond = wanted.hours
    symbols = wanted.symbol if wanted.symbol is not None else WHOLE
    ends = tallies_at(connection, books, symbol=symbols, before=beyond, by_source=wanted.by_source)
    starts = (
        {}
        if first is None
        else tallies_at(connection, books, symbol=symbols, before=first, by_source=wanted.by_source)
    )
    spans = _spans(ends, starts, books)
    rows = _rows(connection, wanted, spans, books)
    if wanted.source is not None:
        whole = totals(rows)
    else:
        whole = totals(results(spans, [span.end.account for span in spans]))
        rows += untold(whole, rows)
    return {
        "by": str(wanted.by),
        "since": None if first is None else text(_EPOCH + first * HOUR),
        "until": None if beyond is None else text(_EPOCH + beyond * HOUR),
        "rows": [_shown(one, one.key) for one in rows],
        "totals": [{**_shown(one, one.key), **_equity(connection, wanted, spans, one.kind)} for one in whole],
        "left_out": left_out(whole),
    }


def _spans(
    ends: Mapping[tuple[str, str], Tally],
    starts: Mapping[tuple[str, str], Tally],
    books: Mapping[str, AccountRecord],
) -> list[Span]:
    return [Span(kind=_kind(books[end.account]), end=end, start=starts.get(key)) for key, end in ends.items()]


def _rows(
    connection: Connection, wanted: ResultsWanted, spans: list[Span], books: Mapping[str, AccountRecord]
) -> list[Result]:
    first, beyond = wanted.hours
    if wanted.by is Grouping.DAY:
        spans = _days(connection, wanted, spans, books)
        keys = [(_EPOCH + span.end.hour * HOUR).date().isoformat() for span in spans]
    elif wanted.by is Grouping.ACCOUNT:
        keys = [books[span.end.account].name for span in spans]
    else:
        if wanted.by is Grouping.SYMBOL and wanted.symbol is None:
            ends = tallies_at(connection, books, symbol=None, before=beyond, by_source=wanted.by_source)
            starts = (
                {}
                if first is None
                else tallies_at(connection, books, symbol=None, before=first, by_source=wanted.by_source)
            )
            spans = _spans(ends, starts, books)
        keys = [span.end.symbol for span in spans]
    if wanted.by is Grouping.SOURCE:
        return by_source(spans, wanted.source)
    found = results(spans, keys) if wanted.source is None else of_source(spans, wanted.source, keys)
    return [one for one in found if one.happened]


def _days(
    connection: Connection, wanted: ResultsWanted, spans: list[Span], books: Mapping[str, AccountRecord]
) -> list[Span]:
    first, beyond = wanted.hours
    found = daily(
        connection,
        books,
        symbol=wanted.symbol or WHOLE,
        first=first or 0,
        beyond=beyond,
        by_source=wanted.by_source,
    )
    before = {span.end.account: span.start for span in spans}
    days = []
    for tally in found:
        kind = _kind(books[tally.account])
        days.append(Span(kind=kind, end=tally, start=before.get(tally.account)))
        before[tally.account] = tally
    return days


def _kind(record: AccountRecord) -> Kind:
    return Kind(record.paper, record.currency)


def _shown(result: Result, key: str) -> dict[str, Any]:
    return {
        "key": key,
        "paper": result.kind.paper,
        "currency": result.kind.currency,
        **{name: text(getattr(result, name)) for name in SUMS},
        **{name: getattr(result, name) if result.realised is not None else None for name in COUNTS},
    }


def _equity(
    connection: Connection, wanted: ResultsWanted, spans: Iterable[Span], kind: Kind
) -> dict[str, Any]:
    """Return the accounts' equity before and after, and the transfers in between.

    An account first connected within the period counts from its first sample. Null if only a symbol or a source is
    requested.
    """
    if wanted.symbol is not None or wanted.source is not None:
        return {"equity_before": None, "equity_after": None, "equity_as_of": None, "transfers": None}
    books = [span.end.account for span in spans if span.kind == kind]
    new = [span.end.account for span in spans if span.kind == kind and span.start is None]
    since, until = (None if hour is None else _EPOCH + hour * HOUR for hour in wanted.hours)
    after = samples_at(connection, books, until)
    before = {**samples_at(connection, new, None, oldest=True), **samples_at(connection, books, since)}
    if since is None:
        before = dict(samples_at(connection, books, None, oldest=True))
    moved = transfers(connection, books, since, until)
    return {
        "equity_before": _total(before.values(), len(after)),
        "equity_after": _total(after.values(), len(after)),
        "equity_as_of": text(min((one.at for one in after.values()), default=None)),
        "transfers": text(sum(moved.values(), Decimal(0))),
    }


def _total(samples: Collection[EquitySample], accounts: int) -> str | None:
    """Return the total equity of accounts; None if one of them is unknown."""
    return (
        text(sum((one.total for one in samples), Decimal(0)))
        if samples and len(samples) == accounts
        else None
    )


def read_curve(connection: Connection, wanted: CurveWanted) -> dict[str, Any]:
    """Return the accounts' equity over time, oldest first; of each part of the period the last, least and most."""
    chosen = [one for one in records(connection) if wanted.account in (None, one.name, one.book)]
    books = {one.book: one for one in chosen}
    found: dict[str, dict[str, Any]] = {
        one.name: {"paper": one.paper, "currency": one.currency, "points": []} for one in chosen
    }
    for bucket in curve(connection, books, since=wanted.since, until=wanted.until, points=wanted.points):
        point = dict(zip(AMOUNTS, map(_digits, bucket.amounts), strict=True))
        found[books[bucket.account].name]["points"].append(
            {"at": text(bucket.at), "low": bucket.low, "high": bucket.high, **point}
        )
    return {"accounts": found}


def _digits(written: str | None) -> str | None:
    """Return an amount without an exponent."""
    return text(Decimal(written)) if written is not None and "E" in written else written
