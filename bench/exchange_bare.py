"""What an order costs without the engine: ccxt's ``create_order`` at the same emulator, one alone and twenty at once.

What the engine's figures exceed their goals by is partly this: the client's and the emulator's computing.
"""

from __future__ import annotations

import asyncio
import importlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from pathlib import Path
from statistics import median

from loguru import logger

from bench.exchange_engine import SYMBOLS
from bench.exchange_process import Address, Exchanges
from bench.exchange_specs import spec_of
from te_core.api import MarginMode, OrderRequest, Side
from te_core.clock import SystemClock
from te_core.testing.fakes import account_context
from te_exchange_ccxt.adapter.exchange_adapter import ExchangeAdapter
from te_exchange_ccxt.client.connection import Connection
from te_exchange_ccxt.parsing import Row

ROUNDS = 10
NOTIONAL = Decimal(1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bare:
    """Seconds from the call to the response of one order, to the last response of twenty, and to one order's
    arrival."""

    one: float
    twenty: float
    arrival: float


async def measure(exchange: str, latency: float) -> Bare:
    """Send some orders."""
    with (
        tempfile.TemporaryDirectory(prefix="te-bench-") as folder,
        Exchanges([exchange], accounts=1, latency=latency, lifted=True) as running,
    ):
        buyer = Buyer(exchange, running.addresses[exchange], Path(folder))
        await buyer.prepare()
        try:
            await buyer.buy("BTCUSDT")
            taken, arrivals = [], []
            for _ in range(ROUNDS):
                running.drain()
                began = time.monotonic()
                await buyer.buy("BTCUSDT")
                taken.append(time.monotonic() - began)
                arrivals += [seen.came - began for seen in running.drain().seen if seen.kind == "order"]
            await asyncio.gather(*map(buyer.buy, SYMBOLS))  # connections are warm then
            began = time.monotonic()
            await asyncio.gather(*map(buyer.buy, SYMBOLS))
            twenty = time.monotonic() - began
        finally:
            await buyer.close()
    return Bare(one=median(taken), twenty=twenty, arrival=median(arrivals))


async def together(exchanges: Sequence[str], latency: float) -> tuple[int, float]:
    """Send two orders per symbol to every exchange at once; return how many, and the seconds until the last
    response."""
    with (
        tempfile.TemporaryDirectory(prefix="te-bench-") as folder,
        Exchanges(exchanges, accounts=1, latency=latency, lifted=True) as running,
    ):
        buyers = [Buyer(name, running.addresses[name], Path(folder) / name) for name in exchanges]
        try:
            for buyer in buyers:
                await buyer.prepare()
            for _ in range(2):  # the second time connections are warm
                began = time.monotonic()
                orders = [buyer.buy(symbol) for buyer in buyers for symbol in (*SYMBOLS, *SYMBOLS)]
                await asyncio.gather(*orders)
                taken = time.monotonic() - began
        finally:
            for buyer in buyers:
                await buyer.close()
    return len(orders), taken


class Buyer:
    """Buys for about 1,000 USDT through the plugin's client, without its budget and without the engine."""

    def __init__(self, exchange: str, address: Address, folder: Path) -> None:
        spec = spec_of(exchange)
        keys = {
            "url": address.url,
            "ws_url": address.ws_url,
            "api_key": "K1",
            "secret": "S",
            "streams": False,
        }
        words = {"passphrase": "P"} if exchange in ("blofin", "kucoin") else {}
        context = account_context(
            name="bare",
            options=spec.settings.model_validate({**keys, **words}),
            clock=SystemClock(),
            log=logger,
            state_dir=folder,
            signal_price=lambda _: None,
            http=lambda: None,  # type: ignore[arg-type,return-value]  # exchanges on ccxt have sessions of their own
        )
        adapter: type[ExchangeAdapter] = getattr(
            importlib.import_module(f"te_exchange_{exchange}.adapter"), f"{exchange.capitalize()}Adapter"
        )
        self._adapter = adapter(context.options)
        self._connection = Connection(context, self._adapter)
        self._sent = 0

    async def prepare(self) -> None:
        """Connect, and read prices."""
        await self._connection.open()
        self._symbols = await self._connection.symbols()
        names = {symbol: str(self._market(symbol)["symbol"]) for symbol in SYMBOLS}
        tickers = await self._adapter.fetch_tickers(list(names.values()))
        self._prices = {symbol: self._adapter.price(tickers[name]) for symbol, name in names.items()}
        self._connection.exchange.budget_share = None

    async def close(self) -> None:
        """Disconnect."""
        await self._connection.close()

    def _market(self, symbol: str) -> Row:
        found = self._symbols.market(symbol)
        assert found is not None
        return found

    async def buy(self, symbol: str) -> None:
        """Send one order."""
        self._sent += 1
        market, price = self._market(symbol), self._prices[symbol]
        assert price is not None
        order = OrderRequest(
            client_order_id=f"bare{self._sent:08d}",
            symbol=symbol,
            side=Side.BUY,
            quantity=self._adapter.instrument(symbol, market).round_quantity(NOTIONAL / price),
            reduce_only=False,
            leverage=2,
            margin_mode=MarginMode.ISOLATED,
            reference_price=price,
        )
        contracts = order.quantity / self._adapter.contract_size(market)
        with localcontext():  # ccxt changes it
            await self._adapter.create_order(order, contracts, market)
