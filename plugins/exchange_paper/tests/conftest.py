"""Paper accounts: at prices that a test sets, and at the public data of an exchange that it plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import (
    FundingRate,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRequest,
    Side,
    TradeEngineError,
)
from te_core.model.event import Event
from te_core.testing.fakes import account_context
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.public_data import Quote, RiskTier
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.options import PaperOptions
from te_exchange_paper.testing import PaperHarness

D = Decimal
BTC = Instrument(
    symbol="BTCUSDT",
    quantity_step=D("0.002"),
    minimum_quantity=D("0.004"),
    minimum_notional=D(7),
    price_tick=D("0.5"),
    largest_leverage=40,
)


@pytest.fixture
def log() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{level} {extra[symbol]} {message}", level="DEBUG")
    with logger.contextualize(symbol="-"):
        yield lines
    logger.remove(sink)


@pytest.fixture
def make_exchange(tmp_path: Path, log: list[str]) -> Iterator[Callable[..., PaperHarness]]:
    """Without fee and slippage unless asked for, so that amounts are easy to follow; closed after the test."""
    made: list[PaperHarness] = []

    def make(**options: Any) -> PaperHarness:
        options = {"fee": 0, "slippage": 0, **options}
        prices = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_000)}
        made.append(
            PaperHarness(tmp_path / "state", clock=VirtualClock(), log=logger, market=prices, **options)
        )
        return made[-1]

    yield make
    for exchange in made:
        asyncio.run(exchange._paper.close())


@pytest.fixture
def open_exchange(make_exchange: Callable[..., PaperHarness]) -> Callable[..., Awaitable[PaperHarness]]:
    async def opened(**options: Any) -> PaperHarness:
        exchange = make_exchange(**options)
        await exchange.account.open()
        return exchange

    return opened


@pytest.fixture
def order() -> Callable[..., OrderRequest]:
    """Signed quantity as text; ids count up unless given."""
    numbers = count(1)

    def make(
        quantity: str, symbol: str = "BTCUSDT", *, reduce_only: bool = False, client_id: str | None = None
    ) -> OrderRequest:
        signed = Decimal(quantity)
        return OrderRequest(
            client_order_id=client_id or f"order-{next(numbers)}",
            symbol=symbol,
            side=Side.of(signed),
            quantity=abs(signed),
            reduce_only=reduce_only,
            leverage=1,
            margin_mode=MarginMode.ISOLATED,
            reference_price=Decimal(1),
        )

    return make


def quote(price: object, bid: object = None, ask: object = None) -> Quote:
    """A quote of plain numbers."""
    bid, ask = (None if side is None else D(str(side)) for side in (bid, ask))
    return Quote(price=D(str(price)), bid=bid, ask=ask)


@dataclass
class Public:
    """The exchange's public data. Every request raises ``failing``; ``past`` is None if there is no history."""

    quoted: dict[str, Quote] = field(default_factory=dict)
    rules: dict[str, Instrument] = field(default_factory=dict)
    announced: dict[str, FundingRate] = field(default_factory=dict)
    past: dict[str, list[FundingRate]] | None = field(default_factory=dict)
    risk: dict[str, list[RiskTier]] = field(default_factory=dict)
    failing: TradeEngineError | None = None
    defect: Exception | None = None
    """What reading the tiers raises."""
    streams: bool = False
    asked: list[str] = field(default_factory=list)
    push: Callable[[str, Quote], None] = lambda _symbol, _quote: None

    def down(self, text: str = "no route to host") -> None:
        """Make every request fail from now on."""
        self.failing = NotReady(text)

    async def connect(self, _context: Any) -> Any:
        """Stands in for an account's ``make_data``."""
        return Data(self)


class Data:
    """A connection; its methods are those of ``PublicData``."""

    def __init__(self, there: Public) -> None:
        self.there = there

    def _ask(self, what: str) -> None:
        self.there.asked.append(what)
        if self.there.failing is not None:
            raise self.there.failing

    async def open(self) -> None:
        self._ask("open")

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def offers(self) -> Mapping[str, bool]:
        return {"pushed prices": self.there.streams, "past funding rates": self.there.past is not None}

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        self._ask("instruments")
        return {symbol: self.there.rules[symbol] for symbol in symbols if symbol in self.there.rules}

    async def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        self._ask("quotes")
        return {symbol: self.there.quoted[symbol] for symbol in symbols if symbol in self.there.quoted}

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate]:
        self._ask("funding")
        return {symbol: self.there.announced[symbol] for symbol in symbols if symbol in self.there.announced}

    async def past_funding(self, symbol: str, since: datetime) -> Sequence[FundingRate] | None:
        self._ask("past funding")
        if self.there.past is None:
            return None
        return [rate for rate in self.there.past.get(symbol, []) if rate.at > since]

    async def tiers(self, symbol: str) -> Sequence[RiskTier]:
        self._ask("tiers")
        if self.there.defect is not None:
            raise self.there.defect
        return self.there.risk.get(symbol, [])

    async def follow(self, symbols: Sequence[str], push: Callable[[str, Quote], None]) -> None:
        del symbols
        self.there.push = push
        await asyncio.Event().wait()

    def want(self, symbols: Sequence[str]) -> None:
        """Report that everything can be streamed."""


class World:
    """An exchange, a source's prices, and a paper account between them."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.public = Public(quoted={"BTCUSDT": quote(60_000)}, rules={"BTCUSDT": BTC})
        self.stated: dict[str, Known[Decimal]] = {}
        self.events: list[Event] = []
        self.folder = folder
        self.account: PaperAccount

    @asynccontextmanager
    async def run(self, **options: Any) -> AsyncIterator[PaperAccount]:
        """Return an open account, as the engine opens it."""
        options = {"fee": 0, "slippage": 0, "prices_from": "bybit", **options}
        context = account_context(
            name="paper",
            options=PaperOptions.model_validate(options),
            clock=self.clock,
            log=logger,
            state_dir=self.folder,
            signal_price=self.stated.get,
            record=self.events.append,
        )
        self.account = PaperAccount(context, self.public.connect)
        await self.account.open()
        try:
            await self.account.instruments(["BTCUSDT"])
            yield self.account
        finally:
            await self.account.close()

    def at(self, hour: float) -> datetime:
        """Return the full hour that many hours after the clock's start."""
        return self.clock.now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=hour)

    def quote(self, price: object, bid: object = None, ask: object = None) -> None:
        """From now on a read returns these prices."""
        self.public.quoted["BTCUSDT"] = quote(price, bid, ask)

    def push(self, price: object) -> None:
        """Push a price to whoever follows it."""
        self.public.push("BTCUSDT", quote(price))

    def state(self, price: object) -> None:
        """Publish a signal with a price now."""
        self.stated["BTCUSDT"] = Known(value=D(str(price)), as_of=self.clock.now())

    async def price(self) -> Decimal:
        return (await self.account.prices(["BTCUSDT"])).value["BTCUSDT"]

    async def wallet(self) -> Decimal:
        return (await self.account.equity()).value.wallet

    def told(self) -> list[str]:
        return [event.kind for event in self.events]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "state")
