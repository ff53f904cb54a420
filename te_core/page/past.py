"""Reads history from the journal for the page: in threads, and only if it may have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from te_core.clock import Clock
from te_core.errors import JournalError
from te_core.journal.pages import Wanted
from te_core.model.order import IntentState
from te_core.page.charts import Point, Series, bars, line, spark
from te_core.page.shown import NO_EQUITY_CURVE, EquityCurve
from te_core.reporting.figures import figure, percent
from te_core.reporting.history import JournalHistory
from te_core.reporting.results import SUMS, CurveWanted, Grouping, ResultsWanted
from te_core.reporting.view import Item, Severity

ORDERS = 5
"""Orders shown with the explanation of a position."""
LATEST = 8
"""Activities shown on the first page."""
PAGES = 4
"""Maximum number of journal pages that are searched for them."""
NEWS_PAUSE = 2.0
"""Seconds between two checks for new activity."""
REFUSED = 100
"""Maximum number of refused inputs and of orders that are read for the last day."""
RENEW = 60.0
"""Seconds for which the equity curve of the last day is cached."""
DAY = timedelta(days=1)
GAP = timedelta(minutes=30)
"""A line has a gap where there is no data for this long, or for three of its points."""
ZERO = Decimal(0)
Kind = tuple[bool, str]
"""Whether money is paper, and its currency; only amounts of the same kind are added up."""


class Period(StrEnum):
    """The periods that the page about money offers."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"
    ALL = "all"

    @property
    def length(self) -> timedelta | None:
        """Return its length; None if it has no beginning."""
        return {Period.DAY: DAY, Period.WEEK: 7 * DAY, Period.MONTH: 30 * DAY}.get(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One chart with its table."""

    title: str
    svg: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: tuple[str, ...] = ()
    """The names of its lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """The results of one kind of money in a period. Every total is the sum of the rows shown."""

    paper: bool
    currency: str
    total: Mapping[str, Decimal | None]
    lowest: Decimal | None
    highest: Decimal | None
    drawdown: Decimal | None
    pictures: tuple[Picture, ...]
    tables: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...]
    """Rows of results by account, symbol and source, each with its title."""
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The newest activity, and the items that need attention."""

    entries: tuple[Mapping[str, Any], ...] = ()
    items: tuple[Item, ...] = ()


class Past:
    """Reads history. Reads for the first page are cached until the journal is written to, or for a minute."""

    def __init__(self, history: JournalHistory, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._version = -1
        self._news = News()
        self._news_at: float | None = None
        self._newest_refused: list[int] = []
        self._refused: tuple[Item, ...] = ()
        self._rejected: tuple[Item, ...] = ()
        self._equity_curve = NO_EQUITY_CURVE
        self._equity_curve_at: float | None = None

    async def news(self) -> News:
        """Return the newest activity; the last known one while the journal cannot be read."""
        now = self._clock.monotonic()
        if self._news_at is None or now - self._news_at >= NEWS_PAUSE:
            self._news_at = now
            with suppress(JournalError):
                await asyncio.to_thread(self._read_news, self._clock.now())
        return self._news

    def _read_news(self, now: datetime) -> None:
        version = self._history.version()
        if version == self._version:
            return
        entries: list[Mapping[str, Any]] = []
        before: int | None = None
        for _ in range(PAGES):
            page = self._history.activity(Wanted(limit=LATEST, before=before))
            entries += page["activity"]
            before = page["next"]
            if len(entries) >= LATEST or before is None:
                break
        newest = [one["number"] for one in self._history.quarantine(Wanted(limit=1))["quarantine"]]
        if newest != self._newest_refused:
            self._refused = tuple(self._read_refused(now - DAY))
            self._newest_refused = newest
        self._version = version
        self._news = News(entries=tuple(entries[:LATEST]), items=(*self._refused, *self._rejected))

    def _read_refused(self, since: datetime) -> Iterator[Item]:
        """Yield an item if input was refused."""
        found = self._history.quarantine(Wanted(limit=REFUSED, since=since))["quarantine"]
        if found:
            newest = found[0]
            yield Item(
                severity=Severity.WARNING,
                kind="refused",
                title=f"{_count(len(found), 'alert')} refused in 24 h",
                text=f"Latest from {newest['source']}: {newest['field']}: {newest['reason']}",
                since=datetime.fromisoformat(newest["received_at"]),
            )

    def _read_rejected(self, since: datetime) -> Iterator[Item]:
        """Yield an item if an exchange rejected orders."""
        orders = self._history.orders(Wanted(limit=REFUSED, since=since))["orders"]
        rejected = [one for one in orders if one["state"] == IntentState.REJECTED]
        if rejected:
            newest = rejected[0]
            yield Item(
                severity=Severity.WARNING,
                kind="rejected",
                title=f"{_count(len(rejected), 'order')} rejected in 24 h",
                text=f"Latest on {newest['account']}, {newest['symbol']}: {newest['reason']}",
                since=datetime.fromisoformat(newest["created_at"]),
            )

    async def equity_curve(self) -> EquityCurve:
        """Return the equity curve of the last day."""
        now = self._clock.monotonic()
        if self._equity_curve_at is None or now - self._equity_curve_at >= RENEW:
            self._equity_curve_at = now
            try:
                self._equity_curve = await asyncio.to_thread(self._read_equity_curve, self._clock.now())
            except JournalError:
                self._equity_curve = NO_EQUITY_CURVE
        return self._equity_curve

    def _read_equity_curve(self, now: datetime) -> EquityCurve:
        since = now - DAY
        self._rejected = tuple(self._read_rejected(since))
        curve = self._history.history(CurveWanted(since=since, points=96))["accounts"]
        results = self._history.pnl(ResultsWanted(since=since))
        changes = {row["key"]: _number(row["result"]) for row in results["rows"]}
        totals = sorted(results["totals"], key=_kind)
        lines = {name: with_gaps(_points(one["points"], "total"), DAY / 96) for name, one in curve.items()}
        first = min(map(_kind, curve.values()), default=None)
        shown = {name: lines[name] for name, one in curve.items() if _kind(one) == first}
        whole = with_gaps(summed(list(shown.values())), DAY / 96)
        summary = "; without ".join(filter(None, (_summary(whole), *_missing(shown))))
        return EquityCurve(
            changes=changes,
            sparks={
                name: spark(points, summary=f"{name}: {_summary(points)}") for name, points in lines.items()
            },
            change=_number(totals[0]["result"]) if totals else None,
            picture=line([Series(name="equity", points=whole)], number=figure, summary=summary, area=True)
            if summary
            else "",
            summary=summary,
        )

    async def activity(self, wanted: Wanted) -> Mapping[str, Any]:
        """Return a page of activity. Raises ``JournalError``."""
        return await asyncio.to_thread(self._history.activity, wanted)

    async def orders(self, account: str, symbol: str) -> Sequence[Mapping[str, Any]]:
        """Return the newest orders of an account's symbol; empty while the journal cannot be read."""
        wanted = Wanted(limit=ORDERS, account=account, symbol=symbol)
        try:
            found = await asyncio.to_thread(self._history.orders, wanted)
        except JournalError:
            return ()
        orders: Sequence[Mapping[str, Any]] = found["orders"]
        return orders

    async def money(self, period: Period) -> tuple[Money, ...]:
        """Return the results of each kind of money, real money first. Raises ``JournalError``."""
        return await asyncio.to_thread(self._read_money, period, self._clock.now())

    def _read_money(self, period: Period, now: datetime) -> tuple[Money, ...]:
        since = None if period.length is None else now - period.length
        by = {
            grouping: self._history.pnl(ResultsWanted(by=grouping, since=since))
            for grouping in (Grouping.ACCOUNT, Grouping.SYMBOL, Grouping.SOURCE, Grouping.DAY)
        }
        points = 720 if period is Period.DAY else 240
        curve = self._history.history(CurveWanted(since=since, points=points))["accounts"]
        kinds = sorted(set(map(_kind, curve.values())))
        return tuple(_money(kind, by, curve, period) for kind in kinds)


def _money(
    kind: Kind, by: Mapping[Grouping, Mapping[str, Any]], curve: Mapping[str, Any], period: Period
) -> Money:
    rows = {
        grouping: [_result(row) for row in found["rows"] if _kind(row) == kind]
        for grouping, found in by.items()
    }
    total: Mapping[str, Any] = next((one for one in by[Grouping.ACCOUNT]["totals"] if _kind(one) == kind), {})
    accounts = {name: one["points"] for name, one in curve.items() if _kind(one) == kind}
    step = _step(accounts, period)
    worth = summed([_points(points, "total") for points in accounts.values()])
    values = [value for _, value in worth if value is not None]
    return Money(
        paper=kind[0],
        currency=kind[1],
        total=_result(total) if total else {},
        lowest=min(values, default=None),
        highest=max(values, default=None),
        drawdown=drawdown(values),
        pictures=tuple(_pictures(rows, accounts, with_gaps(worth, step), step)),
        tables=tuple(
            (title, tuple(rows[grouping]))
            for title, grouping in (
                ("By account", Grouping.ACCOUNT),
                ("By symbol", Grouping.SYMBOL),
                ("By source", Grouping.SOURCE),
            )
        ),
        left_out=(*by[Grouping.ACCOUNT]["left_out"], *_missing(accounts)),
    )


def _missing(accounts: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Yield a note on accounts that are missing from sums over time, because nothing was recorded."""
    if names := [name for name, points in accounts.items() if not points]:
        yield f"no equity of {', '.join(names)} was recorded in this period"


def _pictures(
    rows: Mapping[Grouping, Sequence[Mapping[str, Any]]],
    accounts: Mapping[str, Sequence[Mapping[str, Any]]],
    worth: Sequence[Point],
    step: timedelta,
) -> Iterator[Picture]:
    yield _lines("Equity of all accounts", {"equity": worth}, area=True)
    days = [(row["key"], row["result"]) for row in rows[Grouping.DAY]]
    yield _bars("Result per day (UTC), after fees", "Day", [(day[5:], value) for day, value in days])
    changes = {
        name: _percent_since(with_gaps(_points(points, "total"), step)) for name, points in accounts.items()
    }
    yield _lines("Change of each account, %", changes)
    exposure = {
        name: with_gaps(summed([_points(points, name) for points in accounts.values()]), step)
        for name in ("gross", "net")
    }
    yield _lines("Exposure", exposure)
    for grouping, title in ((Grouping.SYMBOL, "Result by symbol"), (Grouping.SOURCE, "Result by source")):
        found = [(row["key"] or "no source", row["result"]) for row in rows[grouping]]
        found.sort(key=lambda one: -abs(one[1] or ZERO))
        yield _bars(f"{title}, after fees", title.rpartition(" ")[2].capitalize(), found[:12])


def _lines(title: str, lines: Mapping[str, Sequence[Point]], *, area: bool = False) -> Picture:
    series = [Series(name=name, points=points) for name, points in lines.items()]
    summaries = [f"{name}: {_summary(points)}" for name, points in lines.items() if _summary(points)]
    svg = line(series, number=figure, summary=f"{title}. {'; '.join(summaries)}", area=area)
    rows = tuple(
        (name, figure(first), figure(min(known)), figure(max(known)), figure(last))
        for name, points in lines.items()
        if (known := [value for _, value in points if value is not None])
        for first, last in ((known[0], known[-1]),)
    )
    heads = ("", "First", "Lowest", "Highest", "Last")
    return Picture(title=title, svg=svg, heads=heads, rows=rows, keys=tuple(lines) if len(lines) > 1 else ())


def _bars(title: str, head: str, found: Sequence[tuple[str, Decimal | None]]) -> Picture:
    summary = f"{title}. " + ", ".join(f"{key}: {figure(value, signed=True)}" for key, value in found)
    rows = tuple((key, figure(value, signed=True)) for key, value in found)
    return Picture(
        title=title, svg=bars(found, number=figure, summary=summary), heads=(head, "Result"), rows=rows
    )


def summed(lines: Sequence[Sequence[Point]]) -> list[Point]:
    """Return the sum of lines. Each contributes its last value, and its first one before it begins.

    So an account that is not known yet, or no longer readable, does not look like money that came or went.
    """
    known = [[(at, value) for at, value in points if value is not None] for points in lines]
    last = {index: points[0][1] for index, points in enumerate(known) if points}
    found: list[Point] = []
    for at, index, value in sorted(
        ((at, index, value) for index, points in enumerate(known) for at, value in points), key=_time
    ):
        last[index] = value
        if found and found[-1][0] == at:
            found.pop()
        found.append((at, sum(last.values(), ZERO)))
    return found


def _time(step: tuple[datetime, int, Decimal]) -> tuple[datetime, int]:
    return step[0], step[1]


def with_gaps(points: Sequence[Point], step: timedelta) -> list[Point]:
    """Return a line with a gap wherever data is missing for long. ``step``: the usual distance of its points."""
    longest = max(GAP, 3 * step)
    found: list[Point] = []
    for point in points:
        if found and point[0] - found[-1][0] > longest:
            found.append((found[-1][0] + (point[0] - found[-1][0]) / 2, None))
        found.append(point)
    return found


def drawdown(values: Sequence[Decimal]) -> Decimal | None:
    """Return the largest drawdown, as a share of the peak."""
    peak, largest = ZERO, None
    for value in values:
        peak = max(peak, value)
        if peak > 0:
            largest = max(largest or ZERO, (peak - value) / peak)
    return largest


def _count(number: int, noun: str) -> str:
    more = "+" if number >= REFUSED else ""
    return f"{number}{more} {noun}{'' if number == 1 else 's'}"


def _step(accounts: Mapping[str, Sequence[Mapping[str, Any]]], period: Period) -> timedelta:
    length = period.length
    if length is None:
        times = [datetime.fromisoformat(point["at"]) for points in accounts.values() for point in points]
        length = max(times) - min(times) if times else DAY
    return length / 240


def _percent_since(points: Sequence[Point]) -> list[Point]:
    first = next((value for _, value in points if value), None)
    if first is None:
        return []
    return [(at, None if value is None else (value / first - 1) * 100) for at, value in points]


def _points(points: Sequence[Mapping[str, Any]], name: str) -> list[Point]:
    return [(datetime.fromisoformat(point["at"]), _number(point[name])) for point in points]


def _summary(points: Sequence[Point]) -> str:
    known = [value for _, value in points if value is not None]
    if not known:
        return ""
    first, last = known[0], known[-1]
    change = f" ({percent((last - first) / first)})" if first else ""
    return f"{figure(first, places=2)} to {figure(last, places=2)}{change}"


def _kind(row: Mapping[str, Any]) -> Kind:
    return bool(row["paper"]), str(row["currency"])


def _result(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, **{name: _number(row.get(name)) for name in SUMS}}


def _number(text: Any) -> Decimal | None:
    return None if text is None or text == "" else Decimal(str(text))
