"""Another program locks the journal's file: nothing is stored meanwhile, and nothing that is sent again is lost."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import Home

pytestmark = pytest.mark.real_clock

ALERT = {
    "symbol": "BTCUSDT.P",
    "direction": "long",
    "action": "buy",
    "size": "50/100",
    "price": "50000",
}


def test_what_cannot_be_persisted_gets_503_and_succeeds_on_retry(home: Home, engine: EngineProcess) -> None:
    with closing(sqlite3.connect(home.state / "journal.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(4):  # once, and three times again, as TradingView does
            status, answer = engine.post(ALERT)
            assert (status, answer["error"]["reason"]) == (503, "the signal could not be made durable")
    status, answer = engine.post(ALERT)
    assert status == 200, answer
    engine.until_position("BTCUSDT", "0.09")
    engine.wait(lambda: "alerts are persisted again" in home.log() and "journal recovered" in home.log())
    log = home.log()
    assert log.count("WARNING source=tradingview: cannot persist alerts; answering 503") == 1
    assert log.count("INFO    source=tradingview: alerts are persisted again, after 4 were answered 503") == 1
    assert log.count("WARNING journal: ") == log.count("INFO    journal recovered") == 1, "one outage for all"
    assert engine.stop() == 0
