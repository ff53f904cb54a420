"""A realistic exchange: margin, steps, fills that come later or in parts, moving prices, owners who trade by hand.

It stores the truth; ``judge.py`` checks the engine's actions against it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from te_core.api import (
    AccountStream,
    Capabilities,
    DuplicateClientOrderId,
    Equity,
    Feed,
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
from tests.engine.showing import FEEDS, LONGEST_LAG, ONLY_ORDERS, Showing

ZERO, ONE = Decimal(0), Decimal(1)
PRICES = {"BTCUSDT": "50000", "ETHUSDT": "2500", "SOLUSDT": "100"}
KINDS = (
    "hand trade adds",
    "hand trade takes away",
    "hand trade under way",
    "liquidation",
    "ADL",
    "margin mode by hand",
    "leverage by hand",
    "equity is missing",
    "deposit",
    "withdrawal",
    "no money at first",
    "prices move through a plan",
    "instrument changes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What differs between exchanges."""

    acknowledges: float
    """The share of orders that are accepted at once and filled later."""
    strict: bool
    """A reduce-only order above the position is refused, not cut."""
    shows_leverage: bool
    """Positions state their leverage."""
    shows_flat: bool
    """Flat positions are listed."""
    shows_free: bool
    """The free margin is reported."""
    streams: bool
    feeds: tuple[Feed, ...]
    """What the stream pushes."""
    closes_whole: bool
    """A close of all that is held need not be a multiple of the step."""
    mode_with_leverage: bool
    """Setting the leverage sets the margin mode, too."""
    capabilities: Capabilities

    @classmethod
    def drawn(cls, chance: random.Random) -> Habits:
        return cls(
            acknowledges=chance.choice([0, 0, 0.3, 1]),
            strict=chance.random() < 0.5,
            shows_leverage=chance.random() < 0.7,
            shows_flat=chance.random() < 0.5,
            shows_free=chance.random() < 0.5,
            streams=chance.random() < 0.6,
            feeds=chance.choice([FEEDS, FEEDS, ONLY_ORDERS]),
            closes_whole=chance.random() < 0.7,
            mode_with_leverage=chance.random() < 0.5,
            capabilities=Capabilities(
                order_lookup=chance.random() < 0.8, leverage_in_order=chance.random() < 0.3
            ),
        )

    @property
    def longest_fill(self) -> float:
        """Seconds after which an acknowledged order is done; without a look-up within the visibility window."""
        return 20 if self.capabilities.order_lookup else 1.5

    @property
    def longest_read_lag(self) -> float:
        """Maximum lag of reads in seconds; together with the order's own delay within the visibility window."""
        return LONGEST_LAG if self.capabilities.order_lookup else 1.0


class Past:
    """The values of the last minutes."""

    def __init__(self, clock: VirtualClock, value: Decimal) -> None:
        self._clock = clock
        self._values = [(-1e9, value)]

    def note(self, value: Decimal) -> None:
        """Record a change."""
        now = self._clock.monotonic()
        self._values.append((now, value))
        while len(self._values) > 2 and self._values[1][0] < now - 600:
            del self._values[0]

    def within(self, seconds: float) -> list[Decimal]:
        """Return the values that were true at some time within the last ``seconds``."""
        since = self._clock.monotonic() - seconds
        ends = [at for at, _ in self._values[1:]] + [1e18]
        return [value for (_, value), end in zip(self._values, ends, strict=True) if end >= since]


class Market(FakeAccount):
    """One account there. Tests and its owner act on it through the methods below the exchange's own."""

    def __init__(
        self,
        clock: VirtualClock,
        chance: random.Random,
        habits: Habits,
        *,
        kinds: frozenset[str] = frozenset(KINDS),
    ) -> None:
        super().__init__(clock, **PRICES)
        self.chance, self.habits, self.kinds = chance, habits, kinds
        self.counts: Counter[str] = Counter()
        self.showing = Showing(
            clock, chance, self.counts, longest_read_lag=habits.longest_read_lag, feeds=habits.feeds
        )
        self.wallet = self.equity_value
        if "no money at first" in kinds and chance.random() < 0.2:
            self.wallet = ZERO
            self.counts["no money at first"] += 1
        self.wallets = Past(clock, self.wallet)
        self.past = {symbol: Past(clock, price) for symbol, price in self.price.items()}
        self.kind = self.coinless = self.restless = False
        self.liquidated: set[str] = set()
        self.losses: Counter[float] = Counter()
        """By time: how often the wallet fell."""
        self.on_fill: Callable[[OrderRequest, Decimal], None] = lambda order, before: None
        self.listed = {symbol: self._instrument(symbol) for symbol in PRICES}
        self.coarsest = {symbol: self.listed[symbol].quantity_step for symbol in PRICES}
        """By symbol: the coarsest step so far; the step that the engine knows may be as old as its list."""
        self.smallest = {
            symbol: smallest_quantity(self.listed[symbol], self.price[symbol]) for symbol in PRICES
        }
        self.unpriced: set[str] = set()
        self.unlisted: set[str] = set()
        self.by_hand: dict[str, float] = {}
        self.mode_by_hand: dict[str, float] = {}
        self.hands: Counter[str] = Counter()
        self.before_hand: dict[str, Decimal] = {}
        """What was held before the last change by others."""
        self.shown_at = 0.0
        self.executed: Counter[str] = Counter()

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
        return self.showing.answer("equity", Known(value=self._equity(), as_of=self.clock.now()))

    def _equity(self) -> Equity:
        if self.coinless:  # the settle coin's row is missing in the answer
            self.counts["equity is missing"] += 1
            return Equity(wallet=ZERO, total=ZERO, free=ZERO if self.habits.shows_free else None)
        free = self.free if self.habits.shows_free else None
        return Equity(wallet=self.wallet, total=self.wallet + self.unrealised, free=free)

    def _shown(self, position: Position) -> Position:
        return position if self.habits.shows_leverage else replace(position, leverage=None)

    async def positions(self) -> Known[Mapping[str, Position]]:
        seen, held = self.showing.held()
        shown = {s: self._shown(p) for s, p in held.items() if p.quantity or self.habits.shows_flat}
        known = Known(value=shown, as_of=self.clock.now())
        answer = self.showing.answer("positions", known)
        if answer is known:
            self.shown_at = seen
        return answer

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        known = await super().prices(symbols)
        found = {s: p for s, p in known.value.items() if s not in self.unpriced}
        return self.showing.answer("prices", replace(known, value=found))

    async def watch(self, stream: AccountStream) -> None:
        await self.showing.watch(stream, self.price)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        old = self._position(symbol)
        if old.quantity and old.margin_mode != margin_mode:
            raise OrderRejected("the margin mode changes only while flat")
        largest = self.listed[symbol].largest_leverage
        if largest is not None and leverage > largest:
            raise OrderRejected(f"leverage is {largest} at most")
        mode = margin_mode if self.habits.mode_with_leverage else old.margin_mode
        self._hold(symbol, leverage=Decimal(leverage), margin_mode=mode)
        if self.free < 0 and old.leverage is not None and leverage < old.leverage:
            self._hold(symbol, leverage=old.leverage, margin_mode=old.margin_mode)
            raise InsufficientMargin("too little margin for a lower leverage")

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        old = self._position(symbol)
        if old.quantity:
            raise OrderRejected("the margin mode changes only while flat")
        self._hold(symbol, margin_mode=margin_mode)

    async def place_order(self, order: OrderRequest) -> OrderReport:
        if order.client_order_id in self.orders:
            raise DuplicateClientOrderId("seen before")
        self._check(order)
        self.requests.append(order)
        if "hand trade under way" in self.kinds and self.chance.random() < 0.02:
            asyncio.get_running_loop().call_later(
                self.chance.uniform(0, 3), self._trade_under_way, order.symbol
            )
        self.orders[order.client_order_id] = OrderReport(
            client_order_id=order.client_order_id, status=OrderStatus.OPEN, filled=ZERO
        )
        if self.chance.random() >= self.habits.acknowledges:
            self._execute(order, order.quantity, last=True)
        else:
            self._execute_later(order)
        return self.orders[order.client_order_id]

    def _check(self, order: OrderRequest) -> None:
        """Refuse orders that exchanges refuse."""
        listed, held = self.listed[order.symbol], self.quantity(order.symbol)
        if order.reduce_only:
            room = max(-held * order.side.sign, ZERO)
            if room == 0 or (self.habits.strict and order.quantity > room):
                raise OrderRejected("reduce-only: there is not so much to reduce")
            whole = order.quantity == room and self.habits.closes_whole
        else:
            whole = False
            smallest = max(listed.minimum_quantity, listed.minimum_notional / self.price[order.symbol])
            if order.quantity < smallest:
                raise OrderRejected(f"{order.quantity} is below the minimum {smallest}")
        if order.quantity % listed.quantity_step and not whole:
            raise OrderRejected(f"{order.quantity} is not a multiple of {listed.quantity_step}")
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
            self._hold(order.symbol, leverage=Decimal(order.leverage), margin_mode=order.margin_mode)
        filled = (report.filled or ZERO) + quantity
        status = OrderStatus.OPEN
        if last:
            status = OrderStatus.FILLED if filled == order.quantity else OrderStatus.CANCELLED
        self.orders[order.client_order_id] = replace(report, status=status, filled=filled)
        self.executed[order.client_order_id] += last
        if quantity:
            self.on_fill(order, before)
            self.showing.order(order.client_order_id, order.symbol)
            if self.restless:
                self.counts["prices move through a plan"] += 1
                self.move("0.9", "0.95", "1", "1.06", "1.12")

    # -- its books

    def _position(self, symbol: str) -> Position:
        return self.held.get(symbol) or Position(
            symbol=symbol, quantity=ZERO, leverage=ONE, margin_mode=MarginMode.CROSS
        )

    def _hold(self, symbol: str, **what: object) -> None:
        self.held[symbol] = replace(self._position(symbol), **what)  # type: ignore[arg-type]
        self.showing.changed(self.held)
        self.showing.position(self._shown(self.held[symbol]))

    def _pay(self, wallet: Decimal) -> None:
        self.losses[self.clock.monotonic()] += wallet < self.wallet
        self.wallet = wallet
        self.wallets.note(wallet)
        self.showing.equity(self._equity())

    def _trade(self, symbol: str, change: Decimal) -> None:
        old, price = self._position(symbol), self.price[symbol]
        held, entry = old.quantity, old.entry_price or price
        closed = min(abs(held), abs(change)) if held * change < 0 else ZERO
        wallet = self.wallet + closed * (price - entry) * (1 if held > 0 else -1)
        quantity = held + change
        if held * quantity <= 0:
            entry = price
        elif abs(quantity) > abs(held):
            entry = (entry * abs(held) + price * abs(change)) / abs(quantity)
        self._hold(symbol, quantity=quantity, entry_price=entry)
        if wallet != self.wallet:
            self._pay(wallet)

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

    def move(self, *factors: str) -> None:
        """Prices move."""
        factors = factors or ("1", "0.97", "0.99", "0.999", "1.001", "1.01", "1.03")
        for symbol, price in self.price.items():
            self.price[symbol] = (price * Decimal(self.chance.choice(factors))).quantize(Decimal("0.01"))
            self.past[symbol].note(self.price[symbol])

    def _by_hand(self, symbol: str, quantity: Decimal) -> None:
        self.before_hand[symbol] = self.quantity(symbol)
        self.hands[symbol] += 1
        self._trade(symbol, quantity - self.quantity(symbol))
        self.showing.order("", symbol)
        self.by_hand[symbol] = self.clock.monotonic()
        self.liquidated.discard(symbol)

    def trade_by_hand(self, symbol: str = "") -> None:
        """The owner adds, reduces, closes or reverses."""
        symbol = symbol or self.chance.choice(list(PRICES))
        step = self.listed[symbol].quantity_step
        held = self.quantity(symbol)
        new = held * self.chance.choice([0, 0, 2, -1]) or step * self.chance.choice([0, 0, 7, -7])
        if held and self.chance.random() < 0.3:
            new = self.listed[symbol].round_quantity(held / 2)
        kind = "hand trade adds" if abs(new) > abs(held) else "hand trade takes away"
        if new != held and kind in self.kinds:
            self.counts[kind] += 1
            self._by_hand(symbol, new)

    def _trade_under_way(self, symbol: str) -> None:
        if not self.kind:
            self.counts["hand trade under way"] += 1
            self.trade_by_hand(symbol)

    def change_settings_by_hand(self) -> None:
        """The owner changes a symbol's leverage, or while it is flat its margin mode."""
        symbol = self.chance.choice(list(PRICES))
        if "margin mode by hand" in self.kinds and not self.quantity(symbol):
            other = (
                MarginMode.CROSS
                if self._position(symbol).margin_mode != MarginMode.CROSS
                else MarginMode.ISOLATED
            )
            self._hold(symbol, margin_mode=other)
            self.mode_by_hand[symbol] = self.clock.monotonic()
            self.counts["margin mode by hand"] += 1
        elif "leverage by hand" in self.kinds and self.habits.shows_leverage:
            self._hold(symbol, leverage=Decimal(self.chance.choice([1, 2, 3])))
            self.mode_by_hand[symbol] = self.clock.monotonic()
            self.counts["leverage by hand"] += 1
        else:
            return
        self.by_hand[symbol] = self.clock.monotonic()

    def liquidate(self) -> None:
        """The exchange closes a position and keeps its margin, or cuts it because others cannot pay (ADL)."""
        held = [position for position in self.held.values() if position.quantity]
        if not held:
            return
        position = self.chance.choice(held)
        symbol = position.symbol
        if "liquidation" in self.kinds and self.chance.random() < 0.6:
            margin = abs(position.quantity) * (position.entry_price or ZERO) / (position.leverage or ONE)
            self._by_hand(symbol, ZERO)
            self._pay(max(self.wallet - margin, self.wallet / 10))
            self.liquidated.add(symbol)
            self.counts["liquidation"] += 1
        elif "ADL" in self.kinds:
            self._by_hand(symbol, self.listed[symbol].round_quantity(position.quantity / 2))
            self.liquidated.add(symbol)
            self.counts["ADL"] += 1

    def lost_otherwise(self, moment: float) -> int:
        """Return how often the wallet fell about a moment, not counting a loss at it.

        Within two minutes before it, for which the account's value may not have been readable, to one after it.
        """
        about = sum(often for at, often in self.losses.items() if moment - 120 <= at <= moment + 60)
        return about - min(self.losses[moment], 1)

    def change_equity(self) -> None:
        """A deposit or withdrawal, or for a while the exchange does not show the money."""
        kind = self.chance.choice(["deposit", "withdrawal", "equity is missing"])
        if kind not in self.kinds:
            return
        if kind == "equity is missing" or self.coinless:
            self.coinless = not self.coinless
            return
        self.counts[kind] += 1
        wallet = self.wallet or Decimal(10000)
        self._pay(wallet * Decimal("1.2" if kind == "deposit" else "0.8"))

    def change_instrument(self) -> None:
        """The exchange changes the rules of a symbol."""
        symbol = self.chance.choice(list(PRICES))
        self.counts["instrument changes"] += 1
        self.listed[symbol] = new = self._instrument(symbol)
        self.coarsest[symbol] = max(self.coarsest[symbol], new.quantity_step)
        self.smallest[symbol] = max(self.smallest[symbol], smallest_quantity(new, self.price[symbol]))

    def clear(self) -> None:
        """From now on everything is shown at once, with margin and a price for everything."""
        self.kind, self.coinless, self.restless = True, False, False
        self.unpriced.clear()
        self.unlisted.clear()
        self.showing.clear()
        if self.wallet <= 0:
            self._pay(Decimal(10000))
