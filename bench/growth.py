"""How a journal grows: with orders, and on a day without any. The whole engine on a virtual clock."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from loguru import logger
from pydantic import BaseModel

from harness.report import print_line
from te_core.api import (
    AccountContext,
    AccountIdentity,
    Equity,
    ExchangeAccount,
    ExchangeSpec,
    Known,
    OrderReport,
    OrderRequest,
    Position,
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
from te_core.testing import virtual_clock
from te_core.testing.fake_account import FakeAccount

ALERTS = 1_000
SYMBOL, PRICE = "BTCUSDT", 50_000
FEE = Decimal("0.001")
"""Share of an order's value."""
SETTINGS: Mapping[str, Any] = {
    "sources": {"bench": {"plugin": "bench"}},
    "accounts": {"one": {"plugin": "fake", "observe": False}},
    "symbols": {SYMBOL: {"leverage": 1, "weights": {"bench": 1}}},
}


class NoOptions(BaseModel):
    """Nothing to set."""


class MarkedAccount(FakeAccount):
    """An account whose value follows the price and whose orders cost a fee, so that there is something to journal."""

    async def identity(self) -> AccountIdentity:
        """Return the account's identity, so that its values are stored under a name."""
        return AccountIdentity(host="fake", uid="1")

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        """Execute an order at the price, for a fee."""
        report = super().fill(order, share)
        fee = FEE * (report.filled or Decimal(0)) * self.price[order.symbol]
        self.equity_value -= fee
        found = replace(report, average_price=self.price[order.symbol], fee=fee, fee_currency="USDT")
        self.orders[order.client_order_id] = found
        return found

    async def equity(self) -> Known[Equity]:
        """Return wallet and total; they differ by the unrealised profit."""
        total = self.equity_value + sum(map(self._profit, self.held.values()), Decimal(0))
        return Known(value=Equity(wallet=self.equity_value, total=total), as_of=self.clock.now())

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Return all positions with their profit."""
        known = await super().positions()
        marked = {
            name: replace(held, unrealised_pnl=self._profit(held)) for name, held in known.value.items()
        }
        return replace(known, value=marked)

    def _profit(self, held: Position) -> Decimal:
        return held.quantity * (self.price[held.symbol] - (held.entry_price or Decimal(0)))


class World:
    """An engine with one source and one account."""

    def __init__(self, folder: Path) -> None:
        self.clock = virtual_clock.VirtualClock()
        self.account = MarkedAccount(self.clock, **{SYMBOL: str(PRICE)})
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = Journal.open(
            folder / "journal.sqlite3", clock=self.clock, new_id=lambda: "bench", inline=True
        )
        self.registry = Registry.of(
            SignalSourceSpec(name="bench", settings=NoOptions, factory=self._source),
            ExchangeSpec(name="fake", settings=NoOptions, factory=self._account),
        )
        self.engine = Engine(
            journal=self.journal, registry=self.registry, clock=self.clock, log=logger, state_dir=folder
        )

    def _source(self, context: SourceContext[NoOptions]) -> SignalSource:
        self._context = context
        return SignalSource()

    def _account(self, context: AccountContext[NoOptions]) -> ExchangeAccount:
        del context
        return self.account

    async def publish(self, depth: str, *, wait: float = 5) -> None:
        """Publish a signal and let its order be filled."""
        now = self.clock.now()
        signal = Signal(source="bench", symbol=SYMBOL, depth=Decimal(depth), time=now, received_at=now)
        await self._context.publish(signal)
        await asyncio.sleep(wait)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[World]:
    """Run an engine until the block ends."""
    made = World(folder)
    await made.engine.start(resolve(Settings.model_validate(SETTINGS), made.registry))
    await asyncio.sleep(1)
    try:
        yield made
    finally:
        await made.engine.stop()
        made.journal.close()


class Growth(NamedTuple):
    """Bytes of a journal's file, with what its log holds."""

    before: int
    after: int

    def __str__(self) -> str:
        """Return the growth as text."""
        return f"{(self.after - self.before) / 1000:.0f} kB"


async def _grown(folder: Path) -> tuple[Growth, Growth]:
    """Return what 1,000 orders add, and then a day without orders while prices move."""
    async with running(folder) as world:
        await world.publish("0.5")
        start = _size(world.journal.path)
        for number in range(ALERTS):
            await world.publish("0.5" if number % 2 else "0.3")
        ordered = _size(world.journal.path)
        if len(world.account.requests) != ALERTS + 1:
            raise SystemExit(f"{ALERTS + 1} alerts led to {len(world.account.requests)} orders")
        for number in range(24 * 60):
            world.account.price[SYMBOL] = Decimal(PRICE) + number * 7919 % 1000
            await asyncio.sleep(60)
        return Growth(start, ordered), Growth(ordered, _size(world.journal.path))


def _size(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        pages, size = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
        )
    return int(pages) * int(size)


def growth(folder: Path) -> None:
    """Measure how a journal grows: with orders, and while one position is held and nothing is ordered."""
    logger.remove()
    orders, day = virtual_clock.run(_grown(folder / "growth"))
    print_line(f"(g) the journal grows by {orders} with {ALERTS:,} alerts and as many orders")
    print_line(
        f"    and by {day} on a day without any, with one position held and its price moving each minute"
    )
