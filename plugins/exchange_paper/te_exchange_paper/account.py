"""The paper account as the engine sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from te_core.api import (
    AccountContext,
    AccountIdentity,
    CashFlow,
    DuplicateClientOrderId,
    Equity,
    ExchangeAccount,
    Finding,
    FlowKind,
    Instrument,
    Known,
    MarginMode,
    OrderRejected,
    OrderReport,
    OrderRequest,
    Position,
    RestingStop,
    StopRequest,
    TradingTerms,
)
from te_exchange_paper.admission import admitted
from te_exchange_paper.books import Books
from te_exchange_paper.holding import ZERO, Holding
from te_exchange_paper.instruments import overridden
from te_exchange_paper.ledger import Ledger
from te_exchange_paper.live import MakeData, public_data
from te_exchange_paper.options import PaperOptions
from te_exchange_paper.stops import PaperStop
from te_exchange_paper.store import ExecutedOrder


class PaperAccount(ExchangeAccount):
    """Fills market orders at once, at the known price plus slippage.

    An order is committed to the account's file before it is answered, so its outcome is never unknown. Every call first
    values the positions at current prices and liquidates what has lost its margin. ``make_data`` connects to the real
    exchange's public data if ``prices_from`` is set.
    """

    def __init__(
        self,
        context: AccountContext[PaperOptions],
        make_data: MakeData = public_data,
    ) -> None:
        self._context = context
        self._options = context.options
        self.books = Books(context, make_data)
        self._reported: Ledger | None = None
        self._margins = self.books.margins
        """Ledger and margins of the positions as last reported."""
        self._positions: dict[str, Position] = {}

    # -- life cycle

    async def open(self) -> None:
        """Open the account's file, or create it. Raises ``ConfigError`` if it is damaged or too new."""
        self._reported = None
        self._positions.clear()
        self.books.open()
        if (live := self.books.live) is not None:
            marks = {s: h.mark for s, h in self.books.ledger.holdings.items() if h.quantity}
            live.seed(marks)
            try:
                await live.open()
                await live.want([*marks])
            except BaseException:
                self.books.close()
                raise

    async def close(self) -> None:
        """Close the account's file."""
        if self.books.live is not None:
            await self.books.live.close()
        self.books.close()

    async def identity(self) -> AccountIdentity:
        """Return the section's name, since the account's file belongs to the section."""
        return AccountIdentity(host="paper", uid=self._context.name)

    async def diagnose(self) -> Sequence[Finding]:
        """Check the exchange with the live prices."""
        return self.books.live.findings() if self.books.live is not None else ()

    # -- reads

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return the instruments of the built-in table and the settings; with live prices those of the exchange."""
        offered, live = self.books.instruments, self.books.live
        there = await live.instruments(symbols) if live is not None else None
        if there is not None:
            own = self._options.instruments
            offered.update({s: overridden(there.get(s), own.get(s), s) for s in symbols})
        found = {symbol: offered.find(symbol) for symbol in symbols}
        return {symbol: one for symbol, one in found.items() if one is not None}

    async def equity(self) -> Known[Equity]:
        """Return wallet, total with unrealised profit, and free margin, in settle currency."""
        ledger = self.books.mark()
        value = Equity(
            wallet=ledger.wallet, total=ledger.wallet + ledger.unrealised, free=max(ledger.free, ZERO)
        )
        return Known(value=value, as_of=self._context.clock.now())

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Return the fee of the settings, and twice the slippage as the spread; there are no open orders."""
        price = (await self.prices([symbol])).value.get(symbol)
        return TradingTerms(
            taker_fee=self._options.fee,
            of_account=True,
            spread=None if price is None else price * self._options.slippage * 2,
            open_orders=0,
        )

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Return every position, and the flat symbols whose leverage or margin mode was set."""
        self._update_positions(self.books.mark())
        return Known(value=dict(self._positions), as_of=self._context.clock.now())

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Return the price of each symbol: the fixed one, else the live one, else the newest that a signal stated."""
        if self.books.live is not None:
            await self.books.live.want(symbols)
        self.books.mark()
        return Known(value=self.books.market.prices(symbols), as_of=self._context.clock.now())

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Return the funding payments: a paper account has no others."""
        return [
            CashFlow(
                key=str(paid.number),
                kind=FlowKind.FUNDING,
                amount=paid.amount,
                at=paid.at,
                symbol=paid.symbol,
            )
            for paid in self.books.store.payments_since(since)
        ]

    def _update_positions(self, ledger: Ledger) -> None:
        """Rebuild what may have changed: changed holdings, and all cross positions."""
        if self.books.margins is not self._margins:
            self._margins, self._reported = self.books.margins, None
        if ledger is self._reported:
            return
        known = self._reported.holdings if self._reported is not None else {}
        for symbol, holding in ledger.holdings.items():
            if holding is not known.get(symbol) or holding.margin_mode is MarginMode.CROSS:
                self._positions[symbol] = self._position(ledger, holding)
        self._reported = ledger

    def _position(self, ledger: Ledger, holding: Holding) -> Position:
        flat = Position(
            symbol=holding.symbol,
            quantity=ZERO,
            leverage=Decimal(holding.leverage),
            margin_mode=holding.margin_mode,
        )
        if not holding.quantity:
            return flat
        return replace(
            flat,
            quantity=holding.quantity,
            entry_price=holding.entry_price,
            unrealised_pnl=holding.unrealised,
            liquidation_price=ledger.liquidation_price(holding.symbol, self.books.margins),
        )

    # -- settings of a symbol

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage; an open position gets the margin that it then needs.

        Raises ``OrderRejected`` above the symbol's largest leverage, if the open position is in the other
        margin mode, or if it would be liquidated at once; ``InsufficientMargin`` if the added margin is
        not free.
        """
        largest = self.books.instruments.require(symbol).largest_leverage
        if leverage < 1 or (largest is not None and leverage > largest):
            raise OrderRejected(
                f"{symbol}: leverage {leverage} is outside 1 … {largest or 'any'}", code="leverage"
            )
        self._context.date()
        ledger = self.books.mark()
        self.books.commit(ledger.levered(symbol, leverage, margin_mode, self.books.margins))

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Set a flat symbol's margin mode. Raises ``OrderRejected`` while a position is open in the other mode."""
        self.books.instruments.require(symbol)
        self._context.date()
        self.books.commit(self.books.mark().in_mode(symbol, margin_mode))

    # -- orders

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Fill the order, or raise ``OrderRejected`` (or a subclass) naming the rule.

        Raises ``NotReady`` while no price of the symbol is known, if the engine refuses to date the order, or if the
        disk refuses.
        """
        self._require_new(order.client_order_id)
        offered = self.books.instruments.require(order.symbol)
        market = self.books.market.required(order.symbol)
        at = self._context.date()
        holding = self.books.mark().holding(order.symbol)
        executed = self.books.execute(order, admitted(order, holding, offered, market), at)
        return self._report(executed)

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Find a filled order; rejected ones are not stored. The newest ten thousand are."""
        order = self.books.store.order(client_order_id)
        return self._report(order) if order is not None and order.symbol == symbol else None

    def _require_new(self, client_order_id: str) -> None:
        if self.books.store.order(client_order_id) is not None:
            raise DuplicateClientOrderId(
                f"order {client_order_id} exists already", code="duplicate_client_order_id"
            )

    def _report(self, order: ExecutedOrder) -> OrderReport:
        return replace(order.report(), fee_currency=self._options.settle)

    # -- stops

    async def place_stop(self, stop: StopRequest) -> None:
        """Store a stop. Raises like ``place_order``; also if the price has passed the trigger already."""
        if stop.client_order_id in self.books.stops:
            raise DuplicateClientOrderId(
                f"order {stop.client_order_id} exists already", code="duplicate_client_order_id"
            )
        self._require_new(stop.client_order_id)
        offered = self.books.instruments.require(stop.symbol)
        price = self.books.market.required(stop.symbol)
        self._context.date()
        if stop.quantity <= 0 or stop.quantity % offered.quantity_step:
            raise OrderRejected(
                f"{stop.symbol}: {stop.quantity} is not a multiple of the step", code="precision"
            )
        placed = PaperStop.of(stop)
        if placed.passed(price):
            raise OrderRejected(
                f"{stop.symbol}: the price {price:f} has passed {stop.trigger:f}", code="trigger_passed"
            )
        if not self.books.mark().holding(stop.symbol).quantity * -stop.side.sign > 0:
            raise OrderRejected(f"{stop.symbol}: there is nothing to reduce", code="reduce_only")
        self.books.add_stop(placed)

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Cancel a stop; do nothing if it no longer rests."""
        self._context.date()
        self.books.mark()
        stop = self.books.stops.get(client_order_id)
        if stop is not None and stop.symbol == symbol and not stop.ended:
            self.books.end_stop(stop, "cancelled")

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Find a stop: filled, resting, or ended."""
        self.books.mark()
        stop = self.books.stops.get(client_order_id)
        if stop is None or stop.symbol != symbol:
            return None
        filled = self.books.store.order(client_order_id)
        return filled.report(stop.quantity) if filled is not None else stop.report()

    async def stops(self) -> Sequence[RestingStop]:
        """Return every resting stop."""
        self.books.mark()
        return [
            RestingStop(client_order_id=stop.client_order_id, symbol=stop.symbol)
            for stop in self.books.resting_stops()
        ]
