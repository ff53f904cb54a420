"""The whole program: a validator on loopback, TradingView alerts, and four paper accounts."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Coroutine, Iterator
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.testing.http_harness import LoopThread
from te_emulators.bittensor.network import MadeNetwork
from te_emulators.bittensor.server import BittensorServer, Faults
from tests.end_to_end.engine_process import EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home

D = Decimal
ACCOUNTS = ("one", "two", "three", "four")


class Validator:
    """An emulated validator in a thread with an event loop of its own."""

    def __init__(self) -> None:
        self.server = BittensorServer(
            network=MadeNetwork(
                miners=30,
                seed=10,
                now_ms=int(time.time() * 1000),
                orders=120,
                pairs=("BTCUSD", "ETHUSD", "BTCUSDC"),
            )
        )
        self._thread = LoopThread("validator")
        self.run(self.server.start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._thread.run(work)

    def close(self, miner: str, asset: str) -> None:
        """Close a miner's position, and serve a new file."""

        async def act() -> None:
            self.server.network.close(miner, asset)
            self.server.refresh()

        self.run(act())

    def fail(self, status: int) -> None:
        async def act() -> None:
            self.server.faults = Faults(status=status)

        self.run(act())

    def stop(self) -> None:
        self.run(self.server.stop())
        self._thread.stop()


@pytest.fixture
def validator() -> Iterator[Validator]:
    made = Validator()
    yield made
    made.stop()


@pytest.fixture
def home(tmp_path: Path, validator: Validator) -> Home:
    tree = copy.deepcopy(PLAIN)
    tree["sources"]["sn8"] = {
        "plugin": "bittensor",
        "url": f"{validator.server.url}/miner-positions",
        "interval": "1s",
        "max_age": "4s",
        "refresh": "1s",
        "on_expiry": "flat",
        "symbols": {"BTCUSD": "BTCUSDT", "BTCUSDC": "BTCUSDT"},
        "scoring": {"min_trades": 3, "min_profitable_rate": 0.3, "max_drawdown_threshold": -1.0},
    }
    paper = {"plugin": "paper", "balance": 10000, "fee": 0, "slippage": 0, "prices": {"BTCUSDT": 50000}}
    tree["accounts"] = {name: dict(paper) for name in ACCOUNTS}
    tree["symbols"] = {"BTCUSDT": {"leverage": 1, "weights": {"tradingview": 0.5, "sn8": 0.4}}}
    made = Home(tmp_path / "home", tree, token="")
    made.write_secrets(f'[sources.tradingview]\ntoken = "{TOKEN}"\n[sources.sn8]\napi_key = "K"\n')
    return made


def depth(engine: EngineProcess) -> Decimal:
    signal = engine.state()["sources"]["sn8"]["signals"].get("BTCUSDT")
    return D(signal["depth"]) if signal else D(0)


def expected(tv: str, sn8: Decimal) -> Decimal:
    """Multiply out: 10,000 of equity, weights 0.5 and 0.4, price 50,000, toward zero in steps of 0.001."""
    amount = 10_000 * (D("0.5") * D(tv) + D("0.4") * sn8) / 50_000
    return amount.quantize(D("0.001"), rounding=ROUND_DOWN)


def everybody_holds(engine: EngineProcess, size: Decimal) -> None:
    for name in ACCOUNTS:
        engine.until_position("BTCUSDT", size, account=name)


def test_miners_and_tradingview_move_four_accounts(
    home: Home, validator: Validator, start: Callable[[Home], EngineProcess]
) -> None:
    engine = start(home).until_ready()
    engine.accept(symbol="BTCUSDT.P", direction="long", action="buy", size="60/100", price="50000")
    engine.wait(lambda: depth(engine) != 0)
    before = depth(engine)
    everybody_holds(engine, expected("0.6", before))

    status, found = engine.get("/api/v1/explain/BTCUSDT")
    assert status == 200
    maker = found["signals"]["sn8"]["contributors"][0]
    asked = validator.server.counts["requests"]
    validator.close(maker["name"], maker["asset"])
    engine.wait(lambda: depth(engine) != before)
    assert validator.server.counts["requests"] <= asked + 2  # one that was in progress, and the next
    after = depth(engine)
    assert expected("0.6", after) != expected("0.6", before)
    everybody_holds(engine, expected("0.6", after))

    validator.fail(503)
    everybody_holds(engine, expected("0.6", D(0)))
    validator.fail(0)
    validator.close(
        *next((name, p["trade_pair"][0]) for name, p in validator.server.network.open_positions())
    )
    engine.wait(lambda: "upstream recovered after" in home.log())
    engine.wait(engine.at_rest)
    log = home.log()
    assert log.count("upstream: silent: HTTP 503") == 1
    assert log.count("has expired; on_expiry = 'flat'") == 1
