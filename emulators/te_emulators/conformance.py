"""An emulated exchange as the conformance suite's venue: any plugin, through its own client, over loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.api import Capabilities, ExchangeAccount, ExchangeSpec, Instrument, Side
from te_core.testing.exchange_harness import Ability, ExchangeHarness, Execution, TrueStop
from te_core.testing.fakes import account_context
from te_core.testing.real_clock import SystemClock
from te_emulators.core import errors, settings
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import MarginMode, PositionMode
from te_emulators.core.order import FillPlan
from te_emulators.venues import server
from te_emulators.wire.server import WireServer

OURS = "7e"
"""Prefix of the engine's client order ids."""

FAULTS = {
    Ability.RATE_LIMIT: Fault(kind=FaultKind.RATE_LIMITED, route="order"),
    Ability.LOSE_ANSWER: Fault(kind=FaultKind.DROPPED, route="order", accepted=True),
    Ability.FILL_IN_PART: Fault(kind=FaultKind.PARTIAL_FILL, route="order", fraction=Decimal("0.4")),
}
"""The faults of the next orders."""
LASTING = {
    Ability.LOSE_EQUITY: [Fault(kind=FaultKind.EMPTY, route="balance", times=None)],
    Ability.LOSE_POSITIONS: [
        Fault(kind=FaultKind.TRUNCATED, route="positions", times=2),
        Fault(kind=FaultKind.EMPTY, route="positions", after=2, times=None),
    ],
}
"""The faults of every request of a kind."""
STOPS = {Ability.REFUSE_STOP, Ability.FILL_STOP_IN_PART, Ability.LAPSE_STOPS}
LEVERAGE_IN_ORDERS = {"kucoin", "mexc"}
"""Exchanges where an opening order states its leverage."""
EQUITY_WITH_POSITIONS = {"hyperliquid"}
"""Exchanges where one response has both, so that neither can be lost alone."""

HARMLESS = {"login", "lookup", "other", "positions", "balance", "tickers", "instruments", "time"}
"""Kinds of request that change nothing, whatever their method: at some exchanges every read is a POST."""

SERVING: set[asyncio.Task[None]] = set()
"""Event loops hold weak references to tasks: without this a server would be collected with its venue, half stopped."""


def near(capabilities: Capabilities, *, streams: bool = False) -> Capabilities:
    """Return the same capabilities for an exchange on this machine, where an order is lost after a second.

    ``tests/exchanges/test_lost_orders.py`` shows that the plugin's own figure is long enough. ``streams``: whether
    streams are used.
    """
    window = min(capabilities.visibility_window, timedelta(seconds=1))
    return replace(
        capabilities, visibility_window=window, private_stream=capabilities.private_stream and streams
    )


class EmulatedHarness(ExchangeHarness):
    """One emulated exchange with one account.

    ``name`` as in ``venues.VENUES``; ``options`` are the account's settings besides url and credentials. ``symbols``
    are the engine's. Choose ``balance`` so that 0.4 of it is above the largest market order of a later symbol (E09),
    but 0.8 of it below that of the first two.
    """

    def __init__(
        self,
        name: str,
        spec: ExchangeSpec[Any],
        folder: Path,
        *,
        options: Mapping[str, object] | None = None,
        symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "DOGEUSDT"),
        balance: Decimal = Decimal(100_000),
        coin: str = "USDT",
        margin_mode: MarginMode = MarginMode.ISOLATED,
        prepare: Callable[[WireServer], None] = lambda server: None,
    ) -> None:
        self.clock = SystemClock()
        together = {Ability.LOSE_EQUITY} if name in EQUITY_WITH_POSITIONS else set()
        self.abilities = frozenset(Ability) - together
        self.symbols = symbols
        self.server = server(name, balance=balance, coin=coin)
        self._coin = coin
        self._spec = spec
        self._options = dict(options or {})
        self._folder = folder
        self._serving: asyncio.Task[None] | None = None
        self._started = asyncio.Event()
        self.owner = self.server.exchange.accounts["main"]
        self.owner.default_margin_mode = margin_mode
        prepare(self.server)

    # -- the account's side

    def connect(self) -> ExchangeAccount:
        """Return a new connection; the server starts with the first one and ends with the event loop."""
        return _Late(self._connect)

    async def _connect(self) -> ExchangeAccount:
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
            SERVING.add(self._serving)
            self._serving.add_done_callback(SERVING.discard)
        await self._started.wait()
        keys = {"api_key": "K", "secret": "S", "password": "P"}
        given = {"url": self.server.url, "ws_url": self.server.ws_url, **keys, **self._options}
        return self._spec.factory(
            account_context(
                name="venue",
                options=self._spec.settings.model_validate(given),
                clock=self.clock,
                log=logger.bind(account="venue"),
                state_dir=self._folder,
                signal_price=lambda symbol: None,
                http=_no_http,
                date=self.date,
            )
        )

    async def _serve(self) -> None:
        await self.server.start()
        self._started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await self.server.stop()

    # -- the exchange's side

    def contract(self, symbol: str) -> Any:
        """Return the exchange's contract of an engine symbol."""
        return self.server.exchange.market.by_base(symbol.removesuffix(self._coin), self._coin)

    async def position(self, symbol: str) -> Decimal:
        """Return the true position."""
        found = self.contract(symbol)
        held = sum((position.size for position in self.owner.held(found.symbol)), Decimal(0))
        size: Decimal = held * found.contract_size
        return size

    async def executed(self) -> Sequence[Execution]:
        """Return the engine's executed orders, oldest first."""
        names = {
            found.symbol: f"{found.base}{found.quote}"
            for found in self.server.exchange.market.instruments.values()
        }
        return [
            Execution(
                client_order_id=order.request.client_id or "",
                symbol=names[order.request.symbol],
                side=Side(order.request.side.value.lower()),
                quantity=order.filled * order.contract_size,
                reduce_only=order.request.reduce_only,
            )
            for order in self.owner.orders.values()
            if order.filled and (order.request.client_id or "").startswith(OURS)
        ]

    async def changes(self) -> int:
        """Count the requests other than reads and connecting."""
        log = self.server.exchange.counts.log
        return sum(request.method != "GET" and request.kind not in HARMLESS for request in log)

    async def trade(self, symbol: str, quantity: Decimal) -> None:
        """Trade by hand; a new position has leverage 1."""
        found = self.contract(symbol)
        if not self.owner.held(found.symbol):
            with suppress(errors.LeverageNotModified):
                settings.set_leverage(self.server.exchange, self.owner, found.symbol, Decimal(1))
        self.server.exchange.trade_by_hand(self.owner, found.symbol, quantity / found.contract_size)

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Change a leverage by hand."""
        settings.set_leverage(
            self.server.exchange, self.owner, self.contract(symbol).symbol, Decimal(leverage)
        )

    async def pay_funding(self, symbol: str, rate: Decimal) -> None:
        """Charge or pay funding."""
        self.server.exchange.pay_funding(self.owner, self.contract(symbol).symbol, rate)

    async def transfer(self, amount: Decimal) -> None:
        """Deposit or withdraw."""
        self.server.exchange.deposit(self.owner, amount)

    async def move(self, symbol: str, price: Decimal) -> None:
        """Set mark, index and last price, bid and ask."""
        found = self.contract(symbol)
        tick = found.tick
        self.server.exchange.set_price(found.symbol, price // tick * tick)

    async def price(self, symbol: str) -> Decimal:
        """Return the mark price."""
        mark: Decimal = self.server.exchange.market.mark(self.contract(symbol).symbol)
        return mark

    async def resting_stops(self) -> Sequence[TrueStop]:
        """Return the resting stops."""
        names = {self.contract(symbol).symbol: symbol for symbol in self.symbols}
        return [
            TrueStop(
                client_order_id=order.request.client_id or "",
                symbol=names[order.request.symbol],
                side=Side(order.request.side.value.lower()),
                quantity=order.size * order.contract_size,
                trigger=order.request.trigger or Decimal(0),
            )
            for order in self.owner.stops.values()
        ]

    async def liquidate(self, symbol: str) -> None:
        """Move the price past the liquidation price."""
        found = self.contract(symbol)
        (held,) = self.owner.held(found.symbol)
        price = held.liquidation_price()
        assert price is not None, f"no price liquidates {symbol}"
        beyond = Decimal("0.999") if held.size > 0 else Decimal("1.001")
        self.server.exchange.set_price(found.symbol, price * beyond)

    async def rules(self, symbol: str) -> Instrument:
        """Return the contract's rules, in base units."""
        found = self.contract(symbol)
        return Instrument(
            symbol=symbol,
            quantity_step=found.size_step * found.contract_size,
            minimum_quantity=found.min_size * found.contract_size,
            minimum_notional=found.min_notional or Decimal(0),
            contract_size=found.contract_size,
            largest_market_quantity=found.max_market_size * found.contract_size,
        )

    async def fail(self, ability: Ability, times: int = 1, symbol: str = "") -> None:
        """Arm faults, or change the account or the contract."""
        if ability is Ability.SLOW_ANSWERS:
            self.server.latency = 2 * self.slowness
        elif ability in FAULTS:
            self.server.faults.add(replace(FAULTS[ability], times=times))
        elif ability in LASTING:
            self.server.faults.add(*LASTING[ability])
        elif ability is Ability.REFUSE_LEVERAGE:
            route = "order" if self.server.name in LEVERAGE_IN_ORDERS else "leverage"
            self.server.faults.add(
                Fault(kind=FaultKind.REJECTED, route=route, error="LeverageTooHigh", times=None)
            )
        elif ability is Ability.BAD_KEY:
            self.server.exchange.keys.clear()
        elif ability is Ability.SWITCH_TO_HEDGE_MODE:
            settings.set_position_mode(self.owner, PositionMode.HEDGE)
        elif ability in STOPS:
            self._fail_stops(ability)
        elif ability is Ability.HALT_TRADING:
            self.server.exchange.market.add(replace(self.contract(symbol), tradable=False))
        elif ability is Ability.HIDE_PRICE:
            self.server.exchange.market.unlisted.add(self.contract(symbol).symbol)
        else:
            raise NotImplementedError(ability)  # the suite only uses abilities that a harness lists

    def _fail_stops(self, ability: Ability) -> None:
        exchange = self.server.exchange
        if ability is Ability.REFUSE_STOP:
            exchange.accepts_stops = False
        elif ability is Ability.FILL_STOP_IN_PART:
            exchange.stop_plan = FillPlan(immediate=Decimal("0.4"))
        else:
            for order in list(self.owner.stops.values()):
                exchange.cancel(self.owner, order)

    async def restore(self) -> None:
        """End every fault."""
        exchange = self.server.exchange
        self.server.latency = 0.0
        self.server.faults.clear()
        exchange.keys.update({key.key: (key, self.owner) for key in self.owner.keys})
        self.owner.default_position_mode = PositionMode.ONE_WAY
        exchange.market.unlisted.clear()
        exchange.accepts_stops = True
        for symbol in self.symbols:
            exchange.market.add(replace(self.contract(symbol), tradable=True))


class _Late(ExchangeAccount):
    """An account that is created when it is opened: only then is the server's address known."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self.inner: ExchangeAccount | None = None

    async def open(self) -> None:
        self.inner = await self._make()
        await self.inner.open()

    async def close(self) -> None:
        if self.inner is not None:
            await self.inner.close()

    def __getattribute__(self, name: str) -> Any:
        if name in {"open", "close", "inner", "_make", "__class__", "__dict__"}:
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "inner"), name)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        raise NotImplementedError

    equity = positions = prices = set_leverage = place_order = find_order = instruments  # type: ignore[assignment]


def _no_http() -> Any:
    raise RuntimeError("the plugin has its own session")
