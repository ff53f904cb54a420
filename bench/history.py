"""Write a journal with a long history in bulk: a year of alerts in a few seconds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from te_core.clock import SystemClock
from te_core.journal.journal import Journal

_APART = 7_000_000
"""Microseconds between two signals: a million of them reach back 81 days, and none is old enough to be deleted."""

_FILL = """
WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)
INSERT INTO signals (number, source, symbol, depth, time, received_at, leverage, price, sequence, delivery_id,
                     current, rule, detail)
SELECT n, 'tradingview', CASE n % 3 WHEN 0 THEN 'BTCUSDT' WHEN 1 THEN 'ETHUSDT' ELSE 'SOLUSDT' END, '0.1408',
       :newest - (:last - n) * :apart, :newest - (:last - n) * :apart, '2', '64250.5', NULL,
       lower(hex(randomblob(16))), 1, 'arrival', '{"spelling":"BTCUSDT.P","extra":{"takeprofit":"0.0"}}'
FROM numbers
"""
_LATEST = """
INSERT INTO latest_signals (source, symbol, number) SELECT source, symbol, max(number) FROM signals GROUP BY 1, 2
"""


def write_history(path: Path, signals: int) -> None:
    """Create a journal as the engine does, and fill it with that many signals; the newest is an hour old."""
    Journal.open(path, clock=SystemClock(), new_id=lambda: uuid4().hex).close()
    newest = int((datetime.now(UTC).timestamp() - 3600) * 1e6)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous=OFF")
        database.execute("BEGIN")
        database.execute(_FILL, {"first": 1, "last": signals, "newest": newest, "apart": _APART})
        database.execute(_LATEST)
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
