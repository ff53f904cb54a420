"""Miners next to TradingView, through the whole engine, to four accounts; on the virtual clock."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pydantic import BaseModel

from te_core.api import (
    Signal,
    SignalSource,
    SignalSourceSpec,
    SourceContext,
)
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_core.runtime.engine import Engine
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings
from te_core.testing.virtual_clock import VirtualClock
from te_emulators.bittensor.network import MadeNetwork
from te_exchange_paper.plugin import te_exchanges
from te_signals_bittensor.fetching import FetchFailed, Page
from te_signals_bittensor.options import BittensorOptions
from te_signals_bittensor.source import BittensorSource
from tests.bittensor.facts import StatedFacts
from tests.bittensor.records import NOW_MS
from tests.querying import queries_of

D = Decimal
ONE_STEP = D("0.001")
ACCOUNTS = ("one", "two", "three", "four")


async def inline(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


class NoOptions(BaseModel):
    """These stand-ins take no settings."""


class World:
    """The made-up network, the TradingView side, and the accounts."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.network = MadeNetwork(
            miners=30, seed=10, now_ms=NOW_MS, orders=120, pairs=("BTCUSD", "ETHUSD", "BTCUSDC")
        )
        self.down = False
        self.alerts: SourceContext[Any] | None = None
        self.engine: Engine
        self.journal: Journal

    async def fetch(self) -> Page | None:
        if self.down:
            raise FetchFailed("HTTP 503")
        body = gzip.compress(json.dumps(self.network.payload()).encode(), compresslevel=1)
        return Page(body=(body,), date=self.clock.now())

    def mark_used(self, page: Page) -> None:
        del page

    def miners(self, context: SourceContext[Any]) -> SignalSource:
        return BittensorSource(context, fetcher=self, facts=StatedFacts(), offload=inline)

    def tradingview(self, context: SourceContext[Any]) -> SignalSource:
        self.alerts = context
        return SignalSource()

    def registry(self) -> Registry:
        return Registry.of(
            SignalSourceSpec(name="bittensor", settings=BittensorOptions, factory=self.miners),
            SignalSourceSpec(name="tradingview", settings=NoOptions, factory=self.tradingview),
            *te_exchanges(),
        )

    async def alert(self, depth: str) -> None:
        assert self.alerts is not None
        now = self.clock.now()
        await self.alerts.publish(
            Signal(source="tv", symbol="BTCUSDT", depth=D(depth), time=now, received_at=now)
        )

    def signal(self) -> Signal:
        return self.engine.netting.intake.in_force("BTCUSDT")["sn8"]

    def held(self) -> set[Decimal]:
        """Return what the four accounts hold: one number if they agree."""
        accounts = queries_of(self.engine).state()["accounts"]
        assert set(accounts) == set(ACCOUNTS)
        positions = [account["positions"].get("BTCUSDT") for account in accounts.values()]
        return {D(position["size"]) if position else D(0) for position in positions}

    def off(self, quantity: Decimal) -> Decimal:
        """Return how far the accounts are from a quantity; earlier trades cost a little equity."""
        assert len(self.held()) == 1
        return abs(self.held().pop() - quantity)

    def expected(self, tv: str, sn8: Decimal) -> Decimal:
        """Multiply out: 10,000 of equity, weights 0.5 and 0.4, price 50,000, toward zero in steps of 0.001."""
        amount = 10_000 * (D("0.5") * D(tv) + D("0.4") * sn8) / 50_000
        return amount.quantize(D("0.001"), rounding="ROUND_DOWN")


SETTINGS: dict[str, Any] = {
    "sources": {
        "tv": {"plugin": "tradingview"},
        "sn8": {
            "plugin": "bittensor",
            "url": "http://127.0.0.1:1/miner-positions",
            "max_age": "20m",
            "on_expiry": "decay",
            "scoring": {"min_trades": 3, "min_profitable_rate": 0.3, "max_drawdown_threshold": -1.0},
            "symbols": {"BTCUSD": "BTCUSDT", "BTCUSDC": "BTCUSDT", "ETHUSD": "ETHUSDT"},
        },
    },
    "accounts": {
        name: {
            "plugin": "paper",
            "balance": 10_000,
            "fee": 0,
            "slippage": 0,
            "prices": {"BTCUSDT": 50_000, "ETHUSDT": 2_500},
        }
        for name in ACCOUNTS
    },
    "symbols": {"BTCUSDT": {"leverage": 1, "weights": {"tv": 0.5, "sn8": 0.4}}},
}


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """Collect log lines from INFO on."""
    said: list[str] = []
    number = logger.add(lambda message: said.append(str(message).rstrip()), level="INFO", format="{message}")
    yield said
    logger.remove(number)


@asynccontextmanager
async def running(folder: Path, on_expiry: str = "decay") -> AsyncIterator[World]:
    world = World()
    journal = Journal.open(folder / "j.sqlite3", clock=world.clock, new_id=lambda: "j", inline=True)
    registry = world.registry()
    sources = {**SETTINGS["sources"], "sn8": {**SETTINGS["sources"]["sn8"], "on_expiry": on_expiry}}
    world.engine = Engine(journal=journal, registry=registry, clock=world.clock, log=logger, state_dir=folder)
    world.journal = journal
    await world.engine.start(resolve(Settings.model_validate({**SETTINGS, "sources": sources}), registry))
    await asyncio.sleep(2)
    try:
        yield world
    finally:
        await world.engine.stop()
        journal.close()


async def test_a_miner_that_closes_moves_four_accounts_with_one_fetch(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await world.alert("0.6")
        await asyncio.sleep(2)
        first = world.signal()
        assert first.depth != 0
        assert world.held() == {world.expected("0.6", first.depth)}
        maker = first.detail["contributors"][0]
        world.network.close(maker["name"], maker["asset"])
        await asyncio.sleep(16)
        assert abs(world.signal().depth - first.depth) > D("0.001")
        assert world.signal().detail["cause"] == "miners acted"
        assert world.held() == {world.expected("0.6", world.signal().depth)}
        assert world.held() != {world.expected("0.6", first.depth)}


@pytest.mark.parametrize(("on_expiry", "half", "end"), [("hold", 1, 1), ("decay", 0.5, 0), ("flat", 0, 0)])
async def test_an_hour_without_upstream_follows_the_policy(
    tmp_path: Path, on_expiry: str, half: float, end: float, lines: list[str]
) -> None:
    async with running(tmp_path, on_expiry) as world:
        await world.alert("0.6")
        await asyncio.sleep(10)
        depth = world.signal().depth
        assert abs(depth) > D("0.1")
        world.down = True
        await asyncio.sleep(19 * 60)
        assert world.off(world.expected("0.6", depth)) <= ONE_STEP
        await asyncio.sleep(11 * 60 + 10)
        assert world.off(world.expected("0.6", depth * D(str(half)))) <= ONE_STEP
        await asyncio.sleep(30 * 60)
        assert world.off(world.expected("0.6", depth * D(str(end)))) <= ONE_STEP
        world.down = False
        world.network.tick()
        await asyncio.sleep(320)
        assert world.off(world.expected("0.6", world.signal().depth)) <= ONE_STEP
        assert world.clock.now() - world.signal().time < timedelta(minutes=6)
    assert [line for line in lines if line.startswith("upstream: ")] == ["upstream: silent: HTTP 503"]
    assert len([line for line in lines if line.startswith("upstream recovered after")]) == 1
    assert len([line for line in lines if f"has expired; on_expiry = '{on_expiry}'" in line]) == 1
