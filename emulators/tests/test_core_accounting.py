"""Money is conserved whatever is traded, by whom, at which price."""

from __future__ import annotations

import contextlib
from decimal import Decimal, getcontext

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from te_emulators.core import errors, margin, settings
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide, Side
from te_emulators.core.order import FillPlan, Order, OrderRequest, OrderType
from te_emulators.core.small_exchange import small_exchange

D = Decimal
TINY = D(10) ** -(getcontext().prec - 12)
SYMBOLS = st.sampled_from(["XBT", "ETH"])
SIDES = st.sampled_from(list(Side))


class Trading(RuleBasedStateMachine):
    """The test keeps its own books next to the exchange's: cash paid and received for every fill."""

    @initialize(mode=st.sampled_from(list(MarginMode)), hedged=st.booleans())
    def open(self, mode: MarginMode, hedged: bool) -> None:
        self.exchange, self.account = small_exchange(mode)
        if hedged:
            settings.set_position_mode(self.account, PositionMode.HEDGE)
        self.hedged = hedged
        self.cash = D(10_000)
        self.coins = {"XBT": D(0), "ETH": D(0)}
        self.exchange.listeners.append(self._on_event)

    def _on_event(self, event: object) -> None:
        execution, order = getattr(event, "execution", None), getattr(event, "order", None)
        if execution is None or order is None:
            return
        symbol = order.request.symbol
        coins = execution.size * self.exchange.market.instruments[symbol].contract_size
        self.cash -= order.request.side.sign * coins * execution.price + execution.fee
        self.coins[symbol] += order.request.side.sign * coins

    @rule(
        symbol=SYMBOLS,
        side=SIDES,
        size=st.integers(1, 4000),
        reduce_only=st.booleans(),
        long=st.booleans(),
        immediate=st.sampled_from([D(1), D(1), D("0.5"), D(0)]),
        rest=st.booleans(),
    )
    def trade(
        self,
        symbol: str,
        side: Side,
        size: int,
        reduce_only: bool,
        long: bool,
        immediate: Decimal,
        rest: bool,
    ) -> None:
        position_side = PositionSide.NET
        if self.hedged:
            position_side = PositionSide.LONG if long else PositionSide.SHORT
        request = OrderRequest(
            symbol=symbol, side=side, size=D(size), reduce_only=reduce_only, position_side=position_side
        )
        with contextlib.suppress(errors.OrderRefused):
            self.exchange.place(self.account, request, FillPlan(immediate=immediate, rest=rest))

    @rule(
        symbol=SYMBOLS, side=SIDES, size=st.integers(1, 100), distance=st.sampled_from(["0.98", "1", "1.02"])
    )
    def limit(self, symbol: str, side: Side, size: int, distance: str) -> None:
        if self.hedged:
            return
        price = self.exchange.market.mark(symbol) * D(distance)
        request = OrderRequest(symbol=symbol, side=side, size=D(size), type=OrderType.LIMIT, price=price)
        with contextlib.suppress(errors.OrderRefused):
            self.exchange.place(self.account, request)

    @rule(symbol=SYMBOLS, factor=st.integers(80, 125), spread=st.integers(0, 10))
    def move(self, symbol: str, factor: int, spread: int) -> None:
        price = round(self.exchange.market.mark(symbol) * factor / 100, 2)
        self.exchange.set_price(symbol, max(price, D(1)), spread=D(spread) / 10)

    @rule(symbol=SYMBOLS, leverage=st.integers(1, 50))
    def leverage(self, symbol: str, leverage: int) -> None:
        with contextlib.suppress(errors.DomainError):
            settings.set_leverage(self.exchange, self.account, symbol, D(leverage))

    @rule(data=st.data())
    def fill_or_cancel(self, data: st.DataObject) -> None:
        waiting: list[Order] = self.account.orders_open()
        if not waiting:
            return
        order = data.draw(st.sampled_from(waiting))
        if data.draw(st.booleans()):
            self.exchange.fill(self.account, order)
        else:
            self.exchange.cancel(self.account, order)

    @rule(symbol=SYMBOLS)
    def liquidate(self, symbol: str) -> None:
        self.exchange.liquidate(self.account, symbol)

    @invariant()
    def equity_is_cash_plus_coins(self) -> None:
        if not hasattr(self, "account"):
            return
        market = self.exchange.market
        coins = sum((size * market.mark(symbol) for symbol, size in self.coins.items()), D(0))
        expected = self.cash + coins + self.account.ledger.insured
        assert abs(margin.equity(self.account, market) - expected) < TINY

    @invariant()
    def positions_are_what_was_traded(self) -> None:
        if not hasattr(self, "account"):
            return
        for symbol, size in self.coins.items():
            held = sum((p.size * p.instrument.contract_size for p in self.account.held(symbol)), D(0))
            assert held == size

    @invariant()
    def flat_positions_hold_no_margin_and_isolated_ones_do(self) -> None:
        if not hasattr(self, "account"):
            return
        for position in self.account.positions.values():
            isolated = position.margin_mode is MarginMode.ISOLATED
            assert (position.margin > 0) == (isolated and position.size != 0)
            if isolated and position.size:
                expected = position.value(position.entry_price) / position.leverage
                assert abs(position.margin - expected) < TINY

    @invariant()
    def nobody_is_left_who_should_be_liquidated(self) -> None:
        if not hasattr(self, "account"):
            return
        assert not margin.isolated_due(self.account, self.exchange.market)
        assert not margin.cross_due(self.account, self.exchange.market)
        assert self.account.ledger.wallet >= 0


TestTrading = Trading.TestCase
TestTrading.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)
