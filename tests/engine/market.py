"""An exchange as it is met: margin, steps, fills that come later or in parts, moving prices, owners who trade by hand.

It keeps the truth, and notes every fill that leads away from the goal that its order was sent for.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from te_core.api import (
    Capabilities,
    DuplicateClientOrderId,
    Equity,
    Instrument,
    InsufficientMargin,
    Known,
    MarginMode,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Position,
)
from te_core.rules.sizing import smallest_quantity
from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock

ZERO, ONE = Decimal(0), Decimal(1)
PRICES = {"BTCUSDT": "50000", "ETHUSDT": "2500", "SOLUSDT": "100"}
JUST_NOW = 40
"""Seconds within which a change by hand may have come between a read and the fill of an order that rests on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What differs between exchanges. ``acknowledges``: the share of orders that are taken at once and filled later.

    ``strict``: a reduce-only order above the position is refused, not cut. ``shows_leverage``: positions tell it.
    ``shows_flat``: flat ones are listed. ``shows_free``: free margin is told.
    """

    acknowledges: float
    strict: bool
    shows_leverage: bool
    shows_flat: bool
    shows_free: bool
    capabilities: Capabilities

    @classmethod
    def drawn(cls, chance: random.Random) -> Habits:
        return cls(
            acknowledges=chance.choice([0, 0, 0.3, 1]),
            strict=chance.random() < 0.5,
            shows_leverage=chance.random() < 0.7,
            shows_flat=chance.random() < 0.5,
            shows_free=chance.random() < 0.5,
            capabilities=Capabilities(
                order_lookup=chance.random() < 0.8, leverage_in_order=chance.random() < 0.3
            ),
        )

    @property
    def longest_fill(self) -> float:
        """Seconds after which an acknowledged order is done. Without a look-up it has to keep to the window."""
        return 20 if self.capabilities.order_lookup else 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order that was handed in: when, and towards which position."""

    at: float
    goal: Decimal


class Market(FakeAccount):
    """One account there. What a test or its owner does to it goes by the methods below the exchange's own."""

    def __init__(self, clock: VirtualClock, chance: random.Random, habits: Habits) -> None:
        super().__init__(clock, **PRICES)
        self.chance, self.habits = chance, habits
        self.wallet = self.equity_value
        self.kind = False
        self.listed = {symbol: self._instrument(symbol) for symbol in PRICES}
        self.smallest = {
            symbol: smallest_quantity(self.listed[symbol], self.price[symbol]) for symbol in PRICES
        }
        self.unpriced: set[str] = set()
        self.unlisted: set[str] = set()
        self.notify: Callable[[], None] = lambda: None
        self.sent: dict[str, Sent] = {}
        self.by_hand: dict[str, float] = {}
        self.shown_at = 0.0
        self.executed: Counter[str] = Counter()
        self.violations: list[str] = []
        """Collected, not raised: the engine contains what an account raises."""

    def _instrument(self, symbol: str) -> Instrument:
        step = self.chance.choice([Decimal("0.001"), Decimal("0.002"), Decimal("0.01")])
        return Instrument(
            symbol=symbol,
            quantity_step=step,
            minimum_quantity=step * self.chance.choice([1, 1, 3]),
            minimum_notional=Decimal(self.chance.choice([0, 5, 100])),
            largest_market_quantity=self.chance.choice(
                [None, (3000 / Decimal(PRICES[symbol])).quantize(step)]
            ),
            largest_leverage=self.chance.choice([None, 3, 20]),
        )

    # -- what the exchange answers

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        return {symbol: self.listed[symbol] for symbol in symbols if symbol not in self.unlisted}

    async def equity(self) -> Known[Equity]:
        free = self.free if self.habits.shows_free else None
        value = Equity(wallet=self.wallet, total=self.wallet + self.unrealised, free=free)
        return Known(value=value, as_of=self.clock.now())

    async def positions(self) -> Known[Mapping[str, Position]]:
        shown = {s: p for s, p in self.held.items() if p.quantity or self.habits.shows_flat}
        if not self.habits.shows_leverage:
            shown = {s: replace(p, leverage=None) for s, p in shown.items()}
        self.shown_at = self.clock.monotonic()
        return Known(value=shown, as_of=self.clock.now())

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        known = await super().prices(symbols)
        return replace(known, value={s: p for s, p in known.value.items() if s not in self.unpriced})

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        old = self._position(symbol)
        if old.quantity and old.margin_mode != margin_mode:
            raise OrderRejected("the margin mode changes only while flat")
        largest = self.listed[symbol].largest_leverage
        if largest is not None and leverage > largest:
            raise OrderRejected(f"leverage is {largest} at most")
        self.held[symbol] = replace(old, leverage=Decimal(leverage), margin_mode=margin_mode)
        if self.free < 0 and old.leverage is not None and leverage < old.leverage:
            self.held[symbol] = old
            raise InsufficientMargin("too little margin for a lower leverage")

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        old = self._position(symbol)
        if old.quantity:
            raise OrderRejected("the margin mode changes only while flat")
        self.held[symbol] = replace(old, margin_mode=margin_mode)

    async def place_order(self, order: OrderRequest) -> OrderReport:
        if order.client_order_id in self.orders:
            raise DuplicateClientOrderId("seen before")
        self._check(order)
        self.requests.append(order)
        self.orders[order.client_order_id] = OrderReport(
            client_order_id=order.client_order_id, status=OrderStatus.OPEN, filled=ZERO
        )
        if self.chance.random() >= self.habits.acknowledges:
            self._execute(order, order.quantity, last=True)
        else:
            self._execute_later(order)
        return self.orders[order.client_order_id]

    def _check(self, order: OrderRequest) -> None:
        """Refuse what exchanges refuse."""
        listed, held = self.listed[order.symbol], self.quantity(order.symbol)
        if order.reduce_only:
            room = max(-held * order.side.sign, ZERO)
            if room == 0 or (self.habits.strict and order.quantity > room):
                raise OrderRejected("reduce-only: there is not so much to reduce")
            whole = order.quantity == room
        else:
            whole = False
            smallest = max(listed.minimum_quantity, listed.minimum_notional / self.price[order.symbol])
            if order.quantity < smallest:
                raise OrderRejected(f"{order.quantity} is below the minimum {smallest}")
        if order.quantity % listed.quantity_step and not whole:
            raise OrderRejected(f"{order.quantity} is no multiple of {listed.quantity_step}")
        if listed.largest_market_quantity is not None and order.quantity > listed.largest_market_quantity:
            raise OrderRejected(f"{order.quantity} is above {listed.largest_market_quantity}")
        if order.reduce_only:
            return
        grows = abs(held + order.side.sign * order.quantity) - abs(held)
        if grows * self.price[order.symbol] / order.leverage > self.free:
            raise InsufficientMargin("too little margin")

    def _execute_later(self, order: OrderRequest) -> None:
        loop, step = asyncio.get_running_loop(), self.listed[order.symbol].quantity_step
        first = (order.quantity * Decimal(self.chance.choice(["0", "0.4", "1"]))) // step * step
        rest = (order.quantity - first) * (1 if self.kind else self.chance.choice([0, 1, 1]))
        times = sorted(self.chance.uniform(0.01, self.habits.longest_fill) for _ in range(2))
        loop.call_later(times[0], lambda: self._execute(order, first, last=False))
        loop.call_later(times[1], lambda: self._execute(order, rest, last=True))

    def _execute(self, order: OrderRequest, quantity: Decimal, *, last: bool) -> None:
        before, report = self.quantity(order.symbol), self.orders[order.client_order_id]
        if order.reduce_only:
            quantity = min(quantity, max(-before * order.side.sign, ZERO))
        self._trade(order.symbol, order.side.sign * quantity)
        opened = self.quantity(order.symbol) and before * self.quantity(order.symbol) <= 0
        if self.habits.capabilities.leverage_in_order and opened:
            self.held[order.symbol] = replace(
                self._position(order.symbol),
                leverage=Decimal(order.leverage),
                margin_mode=order.margin_mode,
            )
        filled = (report.filled or ZERO) + quantity
        status = OrderStatus.OPEN
        if last:
            status = OrderStatus.FILLED if filled == order.quantity else OrderStatus.CANCELLED
        self.orders[order.client_order_id] = replace(report, status=status, filled=filled)
        self.executed[order.client_order_id] += last
        if quantity:
            self._judge(order, before)
            self.notify()

    def _judge(self, order: OrderRequest, before: Decimal) -> None:
        """Note a fill that leads away from the goal, or opens at another leverage than was asked for."""
        symbol, sent, after = order.symbol, self.sent[order.client_order_id], self.quantity(order.symbol)
        if self.executed[order.client_order_id] > 1:
            self.violations.append(f"{order} was executed twice")
        if sent.at - self.by_hand.get(symbol, -1e9) < JUST_NOW:
            return
        position = self._position(symbol)
        closes = order.reduce_only and position.margin_mode != order.margin_mode
        step = self.listed[symbol].quantity_step
        if not closes and abs(after - sent.goal) > abs(before - sent.goal) + step:
            self.violations.append(f"{order} led from {before} to {after}: away from {sent.goal}")
        if before * after < 0 and sent.goal * after <= 0:
            self.violations.append(f"{order} led from {before} to {after}: across zero")
        asked = (Decimal(order.leverage), order.margin_mode)
        if abs(after) > abs(before) and (position.leverage, position.margin_mode) != asked:
            self.violations.append(f"{order} opened {position}")

    # -- its books

    def _position(self, symbol: str) -> Position:
        return self.held.get(symbol) or Position(
            symbol=symbol, quantity=ZERO, leverage=ONE, margin_mode=MarginMode.CROSS
        )

    def _trade(self, symbol: str, change: Decimal) -> None:
        old, price = self._position(symbol), self.price[symbol]
        held, entry = old.quantity, old.entry_price or price
        closed = min(abs(held), abs(change)) if held * change < 0 else ZERO
        self.wallet += closed * (price - entry) * (1 if held > 0 else -1)
        quantity = held + change
        if held * quantity <= 0:
            entry = price
        elif abs(quantity) > abs(held):
            entry = (entry * abs(held) + price * abs(change)) / abs(quantity)
        self.held[symbol] = replace(old, quantity=quantity, entry_price=entry)

    @property
    def unrealised(self) -> Decimal:
        return sum(
            (p.quantity * (self.price[s] - (p.entry_price or ZERO)) for s, p in self.held.items()), ZERO
        )

    @property
    def free(self) -> Decimal:
        if self.kind:
            return Decimal("1e9")
        used = (abs(p.quantity) * (p.entry_price or ZERO) / (p.leverage or ONE) for p in self.held.values())
        return self.wallet + self.unrealised - sum(used, ZERO)

    # -- what happens to it

    def take(self, order: OrderRequest, goal: Decimal) -> None:
        """Note an order in the moment in which it is handed in."""
        self.sent[order.client_order_id] = Sent(at=self.clock.monotonic(), goal=goal)

    def touched(self, symbol: str) -> bool:
        """Tell whether the owner changed a symbol just now, or since positions were last shown."""
        changed_at = self.by_hand.get(symbol, -1e9)
        return self.clock.monotonic() - changed_at < JUST_NOW or self.shown_at < changed_at

    def move(self) -> None:
        """Prices move."""
        for symbol, price in self.price.items():
            factor = Decimal(self.chance.choice(["1", "0.97", "0.99", "0.999", "1.001", "1.01", "1.03"]))
            self.price[symbol] = (price * factor).quantize(Decimal("0.01"))

    def trade_by_hand(self) -> None:
        """The owner adds, closes, turns round or changes the leverage; or the exchange liquidates."""
        symbol = self.chance.choice(list(PRICES))
        step = self.listed[symbol].quantity_step
        held = self.quantity(symbol)
        new = held * self.chance.choice([0, 0, 2, -1]) or step * self.chance.choice([0, 0, 7, -7])
        self._trade(symbol, new - held)
        self.by_hand[symbol] = self.clock.monotonic()
        seen = self.habits.shows_leverage and (self.habits.shows_flat or new != held)
        if seen and self.chance.random() < 0.3:
            self.held[symbol] = replace(
                self._position(symbol), leverage=Decimal(self.chance.choice([1, 2, 3]))
            )

    def change_instrument(self) -> None:
        """The exchange changes what it takes of a symbol."""
        symbol = self.chance.choice(list(PRICES))
        self.listed[symbol] = new = self._instrument(symbol)
        self.smallest[symbol] = max(self.smallest[symbol], smallest_quantity(new, self.price[symbol]))
