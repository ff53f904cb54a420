"""The cost of storing and querying history and profit: ``python -m bench.past [SIGNALS ORDERS]``.

A journal is written in bulk, as months of trading leave it behind; each question is asked in a thread, as the private
listener asks it, while nothing else runs. The first time, when nothing is cached, is shown apart.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.growth import growth
from bench.history import write_history
from harness.report import judge, print_line, print_verdicts
from te_core.journal.journal import Journal
from te_core.journal.pages import Wanted
from te_core.journal.tables import tallies
from te_core.reporting.history import JournalHistory
from te_core.reporting.results import CurveWanted, Grouping, ResultsWanted

SIGNALS, ORDERS = 1_000_000, 200_000
ACCOUNTS, SYMBOLS = 5, 20
DAYS = 80
ROUNDS = 15
LIMIT = 20.0
"""Milliseconds that a query may take."""
HOUR = 3_600_000_000

_ORDERS = """
WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :orders)
INSERT INTO intents (number, client_order_id, account, symbol, revision, step, chunk, side, quantity, reduce_only,
                     leverage, margin_mode, reference_price, created_at, cause, caused_at, stop, state, settled_at,
                     filled, average_price, reason)
SELECT :first + 2 * n, lower(hex(randomblob(12))), 'account-' || (n % :accounts),
       'S' || (n / :accounts % :symbols) || 'USDT', n / :accounts / :symbols + 1, 1, 0,
       CASE n % 2 WHEN 0 THEN 'buy' ELSE 'sell' END, '0.115', 0, 3, 'isolated', '65000',
       :begin + n * :apart, 'signal', :begin + n * :apart - 20000, NULL, 'filled', :begin + n * :apart + 70000, '0.115',
       '65013.1', ''
FROM numbers
"""
_FILLS = """
INSERT INTO fills (number, client_order_id, account, symbol, side, quantity, at, price, fee, fee_currency, realised,
                   gained, shares)
SELECT number + 1, client_order_id, account, symbol, side, filled, settled_at, average_price, '4.48', 'USDT', NULL,
       '1.5', '{"tradingview":"0.4","bittensor":"0.6"}'
FROM intents
"""
_TARGETS = """
INSERT INTO targets (number, account, symbol, revision, depth, leverage, margin_mode, reason, created_at, price,
                     terms, cause, caused_at)
SELECT :first + number, account, symbol, revision, '0.15', 3, 'isolated', 'signals, newest from tradingview',
       created_at, '65000', '[{"source":"tradingview","weight":"0.1","depth":"1","leverage":null,"price":null,'
       || '"time":null,"note":"","heard_at":null}]', 'signal', caused_at
FROM intents
"""


def write_past(path: Path, signals: int, orders: int) -> None:
    """Make a journal with months of signals, orders, samples and tallies of five accounts with twenty symbols."""
    write_history(path, signals)
    now = int(datetime.now(UTC).timestamp() * 1e6)
    begin = now - DAYS * 24 * HOUR
    first = 10 * signals
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute("BEGIN")
        values = {"orders": orders, "accounts": ACCOUNTS, "symbols": SYMBOLS, "begin": begin, "first": first}
        database.execute(_ORDERS, {**values, "apart": DAYS * 24 * HOUR // orders})
        database.execute(_FILLS)
        database.execute(_TARGETS, {"first": 4 * orders})
        database.executemany(
            "INSERT INTO accounts (book, name, plugin, host, uid, seen_at) VALUES (?, ?, 'bybit', 'h', ?, ?)",
            [(f"account-{n}", f"account-{n}", str(n), now) for n in range(ACCOUNTS)],
        )
        database.executemany(
            "INSERT INTO equity VALUES (?, ?, ?, '10000.5', '10100.25', '5000', '99.75', '20000', '-3000')",
            _samples(begin, now, 20 * first),
        )
        marks = ", ".join("?" * len(tallies.c))
        database.executemany(f"INSERT INTO tallies VALUES ({marks})", _tallies(begin, now))
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _samples(begin: int, now: int, number: int) -> Iterator[tuple[Any, ...]]:
    """Return samples thinned as the engine does: hourly for old ones, every five minutes for the last month."""
    at = begin
    while at < now:
        for account in range(ACCOUNTS):
            number += 1
            yield number, f"account-{account}", at
        at += HOUR if now - at > 30 * 24 * HOUR else HOUR // 12


def _tallies(begin: int, now: int) -> Iterator[tuple[Any, ...]]:
    """Return tallies thinned as the engine does: daily for old ones, hourly for the last two weeks."""
    shares = '{"tradingview":"0.4","bittensor":"0.6"}'
    earned = '{"tradingview":"123.456789012345","bittensor":"-23.456789012345"}'
    for hour in range(begin // HOUR, now // HOUR + 1):
        if now // HOUR - hour > 14 * 24 and hour % 24 != 23:
            continue
        for account in range(ACCOUNTS):
            for symbol in ("", *(f"S{n}USDT" for n in range(SYMBOLS))):
                sums = [f"{hour % 1000}.123456789012"] * 6
                row = (symbol, f"account-{account}", hour, hour * HOUR, *sums, hour % 500, 0, 0, 0)
                yield (*row, "0.115", "0", "7475.123456789012", "12.5", shares, earned, earned)


def questions(history: JournalHistory, now: datetime) -> dict[str, Callable[[], Any]]:
    """Return the queries that the page and the commands make."""
    week, month = now - timedelta(days=7), now - timedelta(days=30)
    order = history.orders(Wanted(limit=1))["orders"][0]["client_order_id"]
    deep = history.orders(Wanted(limit=1, until=month))["orders"][0]["number"]

    def pnl(by: Grouping, since: datetime | None, **more: Any) -> Callable[[], Any]:
        return lambda: history.pnl(ResultsWanted(by=by, since=since, **more))

    return {
        "the newest 100 signals": lambda: history.signals(Wanted(limit=100)),
        "100 signals of a symbol from a week ago": lambda: history.signals(
            Wanted(limit=100, until=week, symbol="ETHUSDT")
        ),
        "signals of a symbol without any": lambda: history.signals(Wanted(limit=100, symbol="XUSDT")),
        "the newest 100 orders": lambda: history.orders(Wanted(limit=100)),
        "100 orders of an account, a month back": lambda: history.orders(
            Wanted(limit=100, before=deep, account="account-3")
        ),
        "100 orders that a source has a part in": lambda: history.orders(
            Wanted(limit=100, source="tradingview")
        ),
        "orders of a source without any": lambda: history.orders(Wanted(limit=100, source="x")),
        "the explanation of one order": lambda: history.order(order),
        "100 entries of activity": lambda: history.activity(Wanted(limit=100)),
        "profit by account since the beginning": pnl(Grouping.ACCOUNT, None),
        "profit by symbol, 7 days": pnl(Grouping.SYMBOL, week),
        "profit by source, 30 days": pnl(Grouping.SOURCE, month),
        "profit by day, 30 days": pnl(Grouping.DAY, month),
        "profit by day of one account, all": pnl(Grouping.DAY, None, account="account-1"),
        "value of one account, 30 days": lambda: history.history(
            CurveWanted(account="account-1", since=month)
        ),
        "value of five accounts, 7 days": lambda: history.history(CurveWanted(since=week)),
    }


async def _asked(question: Callable[[], Any]) -> list[float]:
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        await asyncio.to_thread(question)
        times.append((time.perf_counter() - began) * 1000)
    return times


def past(folder: Path, signals: int = SIGNALS, orders: int = ORDERS) -> None:
    """Measure."""
    path = folder / "past.sqlite3"
    print_line(
        f"(f) questions about {signals:,} signals and {orders:,} orders of {ACCOUNTS} x {SYMBOLS}, in a thread"
    )
    write_past(path, signals, orders)
    print_line(f"    the journal has {path.stat().st_size / 1e6:.0f} MB")
    reader = Journal.open_readonly(path)
    slowest = 0.0
    for name, question in questions(JournalHistory(reader), datetime.now(UTC)).items():
        first, *times = asyncio.run(_asked(question))
        middle = statistics.median(times)
        slowest = max(slowest, middle)
        print_line(
            f"    {name:<44} {middle:6.1f} ms median, {max(times):6.1f} most, {first:6.1f} the first time"
        )
    reader.close()
    judge(f"(f) the slowest question: {slowest:.1f} ms", f"at most {LIMIT:g} ms", met=slowest <= LIMIT)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="te-past-") as place:
        past(Path(place), *map(int, sys.argv[1:]))
        growth(Path(place))
    print_verdicts()
