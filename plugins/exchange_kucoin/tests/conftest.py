"""A KuCoin account on an emulated exchange, for tests of what is special about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from te_core.api import ExchangeAccount, MarginMode, OrderRequest, Side
from te_exchange_kucoin.plugin import KUCOIN
from tests.emulators.conformance import EmulatedVenue
from tests.emulators.kucoin.server import KucoinServer


@dataclass
class Desk:
    """``account`` is open; ``kucoin`` is the exchange that it talks to."""

    venue: EmulatedVenue
    account: ExchangeAccount

    @property
    def kucoin(self) -> KucoinServer:
        return cast("KucoinServer", self.venue.server)

    @property
    def requests(self) -> dict[str, int]:
        """Requests by kind since the last ``forget``."""
        return dict(self.kucoin.exchange.counts.requests)

    def forget(self) -> None:
        self.kucoin.exchange.counts.clear()

    async def reads(self) -> dict[str, int]:
        """What it takes to know everything that an order needs."""
        self.forget()
        account = self.account
        await asyncio.gather(account.equity(), account.positions(), account.prices(["BTCUSDT", "ETHUSDT"]))
        return {kind: times for kind, times in self.requests.items() if kind in {"balance", "tickers"}}

    def told_price(self, symbol: str) -> Decimal | None:
        """A price as its stream has told it; None while that is gone."""
        found: Decimal | None = cast("Any", self.account)._live.memory.prices.get(symbol)
        return found

    async def live(self) -> None:
        """Wait until the streams tell all of it: real sockets, so that it is looked at now and then.

        Meanwhile the market goes on: prices that were told before a break are forgotten with it.
        """
        exchange = self.kucoin.exchange
        async with asyncio.timeout(20):
            while await self.reads():
                for base in ("BTC", "ETH"):
                    exchange.set_quote(exchange.market.quotes[exchange.market.by_base(base).symbol])
                await asyncio.sleep(0.1)

    @property
    def held(self) -> Any:
        """The position in BTC."""
        (position,) = self.venue.owner.held("XBTUSDTM")
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


OpenDesk = Callable[..., AbstractAsyncContextManager[Desk]]


@pytest.fixture
def open_desk(tmp_path: Path) -> OpenDesk:
    """Open an account with those settings, without streams unless told."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Desk]:
        prepare = settings.pop("prepare", lambda server: None)
        options = {"streams": False, **settings}
        venue = EmulatedVenue("kucoin", KUCOIN, tmp_path, options=options, prepare=prepare)
        account = venue.connect()
        try:
            await account.open()
            yield Desk(venue, account)
        finally:
            await account.close()

    return opened
