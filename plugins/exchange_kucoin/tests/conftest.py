"""A KuCoin account on an emulated exchange, for tests of its peculiarities."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from te_core.api import ExchangeAccount, Feed, MarginMode, OrderRequest, Side
from te_core.testing.stream_recorder import StreamRecorder, watching
from te_emulators.conformance import EmulatedHarness
from te_emulators.kucoin.server import KucoinServer
from te_exchange_kucoin.plugin import KUCOIN

PUSHED = {Feed.ORDERS, Feed.EQUITY, Feed.PRICES}


@dataclass
class Harness:
    """``account`` is open; ``kucoin`` is its exchange."""

    exchange: EmulatedHarness
    account: ExchangeAccount

    @property
    def kucoin(self) -> KucoinServer:
        return cast("KucoinServer", self.exchange.server)

    @property
    def requests(self) -> dict[str, int]:
        """Requests by kind since the last ``forget``."""
        return dict(self.kucoin.exchange.counts.requests)

    def forget(self) -> None:
        self.kucoin.exchange.counts.clear()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[StreamRecorder]:
        """Watch once all of KuCoin's feeds are up."""
        async with watching(self.account) as seen:
            await self.live(seen)
            yield seen

    async def live(self, seen: StreamRecorder) -> None:
        """Wait until every feed is up, by polling, because the sockets are real."""
        await self.account.prices(["BTCUSDT", "ETHUSDT"])
        async with asyncio.timeout(20):
            while seen.live != PUSHED:
                await asyncio.sleep(0.05)

    @property
    def held(self) -> Any:
        """The position in BTC."""
        (position,) = self.exchange.owner.held("XBTUSDTM")
        return position

    @staticmethod
    def order(quantity: str = "0.005", **parts: Any) -> OrderRequest:
        usual = {
            "client_order_id": "7e01",
            "symbol": "BTCUSDT",
            "side": Side.BUY,
            "quantity": Decimal(quantity),
            "reduce_only": False,
            "leverage": 4,
            "margin_mode": MarginMode.ISOLATED,
            "reference_price": Decimal(84_477),
        }
        return OrderRequest(**{**usual, **parts})


OpenHarness = Callable[..., AbstractAsyncContextManager[Harness]]


@pytest.fixture
def open_harness(tmp_path: Path) -> OpenHarness:
    """Open an account with those settings, by default without streams."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Harness]:
        prepare = settings.pop("prepare", lambda server: None)
        options = {"streams": False, **settings}
        exchange = EmulatedHarness("kucoin", KUCOIN, tmp_path, options=options, prepare=prepare)
        account = exchange.connect()
        try:
            await account.open()
            yield Harness(exchange, account)
        finally:
            await account.close()

    return opened
