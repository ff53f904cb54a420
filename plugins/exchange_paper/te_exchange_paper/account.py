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
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    Position,
    RestingStop,
    StopRequest,
    TradingTerms,
)
from te_exchange_paper.admission import admitted
from te_exchange_paper.funding import Funded, FundingSettlement, Payment, payment, quantity_at
from te_exchange_paper.holding import ZERO, Holding
from te_exchange_paper.instruments import instrument, overridden
from te_exchange_paper.ledger import Fill, Ledger
from te_exchange_paper.live import LiveMarket, MakeData, public_data
from te_exchange_paper.maintenance import Maintenance, Margins
from te_exchange_paper.market import Market, fill_price
from te_exchange_paper.options import PaperOptions
from te_exchange_paper.stops import PaperStop, due
from te_exchange_paper.store import ExecutedOrder, Store

FILE_NAME = "paper.sqlite3"


class PaperAccount(ExchangeAccount):
    """Fills market orders at once, at the known price made worse by the slippage.

    What changes the account waits for nothing, so each change is made as a whole: an order is committed to the file
    before it is answered, and is never in doubt. Every call first looks at the prices and liquidates what they no
    longer carry. ``make_data``: with ``prices_from``, what reads the real exchange's public data.
    """

    def __init__(
        self,
        context: AccountContext[PaperOptions],
        make_data: MakeData = public_data,
    ) -> None:
        self._context = context
        self._options = context.options
        self._live: LiveMarket | None = None
        if context.options.prices_from is not None:
            self._live = LiveMarket(context, self, make_data)
        self._market = Market(
            account=context.name,
            fixed=context.options.prices,
            signal_price=context.signal_price,
            live=self._live.quote if self._live else None,
        )
        self._margins = Margins(Maintenance.flat(context.options.maintenance_margin))
        self._funded: dict[str, Funded] = {}
        self._stops: dict[str, PaperStop] = {}
        """By client order id; ended ones too."""
        self.stop_share = Decimal(1)
        """How much of the next stop that is triggered is filled; less than 1 in tests only."""
        self._store: Store | None = None
        self._ledger = Ledger(wallet=ZERO, holdings={})
        self._checked: Ledger | None = None
        """The newest ledger of which nothing had to be liquidated."""
        self._shown: Ledger | None = None
        self._positions: dict[str, Position] = {}
        """Those of the ledger that was shown last."""
        self._offers: dict[str, Instrument | None] = {}

    async def open(self) -> None:
        """Open the account's file, or make one. Raises ``ConfigError`` when it is damaged or too new."""
        self._release()
        store = Store(self._context.state_dir / FILE_NAME)
        try:
            self._ledger, opened_with = store.load(self._options.balance)
            self._funded = store.load_funding()
            self._stops = store.load_stops()
        except BaseException:
            store.close()
            raise
        self._checked = self._shown = None
        self._positions.clear()
        self._store = store
        if opened_with != self._options.balance:
            self._context.log.warning(
                f"balance = {self._options.balance} is not applied: this account was opened with {opened_with} "
                f"and keeps its wallet of {self._ledger.wallet}. To begin again, stop the engine and delete "
                f"{store.path}"
            )
        self._begin_funding()
        if self._live is not None:
            marks = {s: h.mark for s, h in self._ledger.holdings.items() if h.quantity}
            self._live.seed(marks)
            try:
                await self._live.open()
                await self._live.want([*marks])
            except BaseException:
                self._release()
                raise

    async def close(self) -> None:
        """Close the account's file."""
        if self._live is not None:
            await self._live.close()
        self._release()

    def _release(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    async def identity(self) -> AccountIdentity:
        """Return the section's name, as the account's file belongs to it."""
        return AccountIdentity(host="paper", uid=self._context.name)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Give the instruments that the table or the settings have; with live prices those of the exchange."""
        there = await self._live.instruments(symbols) if self._live is not None else None
        if there is not None:
            own = self._options.instruments
            self._offers.update({s: overridden(there.get(s), own.get(s), s) for s in symbols})
        offered = {symbol: self._instrument(symbol) for symbol in symbols}
        return {symbol: found for symbol, found in offered.items() if found is not None}

    async def equity(self) -> Known[Equity]:
        """Give wallet, total with unrealised profit, and what is free as margin; in settle currency."""
        ledger = self._observed()
        value = Equity(
            wallet=ledger.wallet, total=ledger.wallet + ledger.unrealised, free=max(ledger.free, ZERO)
        )
        return Known(value=value, as_of=self._context.clock.now())

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Return the fee of the settings, and twice the slippage for a spread; nothing ever rests here."""
        price = (await self.prices([symbol])).value.get(symbol)
        return TradingTerms(
            taker_fee=self._options.fee,
            of_account=True,
            spread=None if price is None else price * self._options.slippage * 2,
            open_orders=0,
        )

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Give every position, and the flat symbols whose leverage or margin mode was set."""
        self._show(self._observed())
        return Known(value=dict(self._positions), as_of=self._context.clock.now())

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Give the price of each symbol: the fixed one, else the live one, else the newest that a signal stated."""
        if self._live is not None:
            await self._live.want(symbols)
        self._observed()
        return Known(value=self._market.prices(symbols), as_of=self._context.clock.now())

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage; an open position gets the margin it then asks for.

        Raises ``OrderRejected`` above the symbol's largest leverage, when the open position is in the other
        margin mode, or when it would be liquidated at once; ``InsufficientMargin`` when the added margin is
        not free.
        """
        largest = self._offered(symbol).largest_leverage
        if leverage < 1 or (largest is not None and leverage > largest):
            raise OrderRejected(
                f"{symbol}: leverage {leverage} is outside 1 … {largest or 'any'}", code="leverage"
            )
        self._context.date()
        ledger = self._observed()
        self._commit(ledger.levered(symbol, leverage, margin_mode, self._margins))

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Set a flat symbol's margin mode. Raises ``OrderRejected`` while a position is open in the other."""
        self._offered(symbol)
        self._context.date()
        self._commit(self._observed().in_mode(symbol, margin_mode))

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Fill the order, or refuse it: ``OrderRejected`` and its kinds name the rule.

        Raises ``NotReady`` while no price of the symbol is known, when the engine does not date it any more, or when
        the disk refuses.
        """
        if self._opened.order(order.client_order_id) is not None:
            raise DuplicateClientOrderId(
                f"order {order.client_order_id} exists already", code="duplicate_client_order_id"
            )
        offered = self._offered(order.symbol)
        market = self._market.required(order.symbol)
        at = self._context.date()
        ledger = self._observed()
        taken = self._market.taken(order.symbol, order.side)
        price = fill_price(taken, order.side, self._options.slippage, offered.price_tick)
        after, fill = ledger.traded(
            symbol=order.symbol,
            quantity=admitted(order, ledger.holding(order.symbol), offered, market),
            price=price,
            mark=market,
            fee_rate=self._options.fee,
        )
        if not order.reduce_only:
            after.require_safe(order.symbol, self._margins)
        executed = self._executed(order, fill, at)
        self._commit(after, executed, self._first_funding(order.symbol, at))
        return self._report(executed)

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Look up a filled order; refused ones leave no trace. The newest ten thousand are known."""
        order = self._opened.order(client_order_id)
        return self._report(order) if order is not None and order.symbol == symbol else None

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Return the funding payments; nothing else comes or goes here."""
        return [
            CashFlow(
                key=str(paid.number),
                kind=FlowKind.FUNDING,
                amount=paid.amount,
                at=paid.at,
                symbol=paid.symbol,
            )
            for paid in self._opened.payments_since(since)
        ]

    async def place_stop(self, stop: StopRequest) -> None:
        """Have a stop rest in the file. Raises as ``place_order``; also where the price has passed it already."""
        if stop.client_order_id in self._stops or self._opened.order(stop.client_order_id) is not None:
            raise DuplicateClientOrderId(
                f"order {stop.client_order_id} exists already", code="duplicate_client_order_id"
            )
        offered = self._offered(stop.symbol)
        price = self._market.required(stop.symbol)
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
        if not self._observed().holding(stop.symbol).quantity * -stop.side.sign > 0:
            raise OrderRejected(f"{stop.symbol}: there is nothing to reduce", code="reduce_only")
        self._opened.save_stop(placed)
        self._stops[stop.client_order_id] = placed
        self._checked = None  # the next look at the prices goes through the stops, too

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Cancel a stop; nothing to do for one that does not rest any more."""
        self._context.date()
        self._observed()
        stop = self._stops.get(client_order_id)
        if stop is not None and stop.symbol == symbol and not stop.ended:
            self._end(replace(stop, ended="cancelled"))

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Look up a stop: filled, resting, or ended."""
        self._observed()
        stop = self._stops.get(client_order_id)
        if stop is None or stop.symbol != symbol:
            return None
        filled = self._opened.order(client_order_id)
        return filled.report(stop.quantity) if filled is not None else stop.report()

    async def stops(self) -> Sequence[RestingStop]:
        """Give every stop that rests."""
        self._observed()
        return [
            RestingStop(client_order_id=stop.client_order_id, symbol=stop.symbol)
            for stop in self.resting_stops()
        ]

    def _end(self, stop: PaperStop) -> None:
        self._opened.save_stop(stop)
        self._stops[stop.client_order_id] = stop

    def _trigger(self, ledger: Ledger) -> Ledger:
        """Fill the stops that the present prices have passed."""
        held = {symbol: one.mark for symbol, one in ledger.holdings.items() if one.quantity}
        for stop in due(self._stops.values(), held):
            holding = ledger.holding(stop.symbol)
            if holding.quantity * -stop.side.sign <= 0:
                self._end(replace(stop, ended="nothing to reduce"))
                continue
            taken = self._market.taken(stop.symbol, stop.side)
            offered = self._offered(stop.symbol)
            quantity = stop.side.sign * self._filled(stop, abs(holding.quantity))
            after, fill = ledger.traded(
                symbol=stop.symbol,
                quantity=quantity,
                price=fill_price(taken, stop.side, self._options.slippage, offered.price_tick),
                mark=held[stop.symbol],
                fee_rate=self._options.fee,
            )
            executed = self._executed_stop(stop, fill)
            self._opened.save(self._ledger, after, executed, stop=replace(stop, ended="filled"))
            self._stops[stop.client_order_id] = replace(stop, ended="filled")
            self._ledger = ledger = after
            self._context.log.bind(symbol=stop.symbol).info(
                f"{stop.kind} at {stop.trigger:f}: {quantity:f} at {fill.price:f}"
            )
        return ledger

    def _filled(self, stop: PaperStop, held: Decimal) -> Decimal:
        """Return how much of a triggered stop is filled: no more than is held."""
        share, self.stop_share = self.stop_share, Decimal(1)
        step = self._offered(stop.symbol).quantity_step
        part = stop.quantity * share // step * step if share < 1 else stop.quantity
        return min(part, held)

    @property
    def is_open(self) -> bool:
        """Whether the account's file is open."""
        return self._store is not None

    def resting_stops(self) -> list[PaperStop]:
        """Give the stops that rest, oldest first."""
        return [stop for stop in self._stops.values() if not stop.ended]

    def _executed_stop(self, stop: PaperStop, fill: Fill) -> ExecutedOrder:
        return ExecutedOrder(
            client_order_id=stop.client_order_id,
            symbol=stop.symbol,
            side=stop.side,
            reduce_only=True,
            quantity=abs(fill.quantity),
            price=fill.price,
            fee=fill.fee,
            realised=fill.realised,
            at=self._context.clock.now(),
        )

    async def diagnose(self) -> Sequence[Finding]:
        """Look at the exchange with the live prices."""
        return self._live.findings() if self._live is not None else ()

    # -- funding

    def revalue(self) -> None:
        """Value the positions at present prices, and liquidate what they no longer carry."""
        self._observed()

    def unsettled(self) -> Mapping[str, datetime]:
        """Return until when funding is settled, of the symbols that are or were held since."""
        return {symbol: one.until for symbol, one in self._funded.items() if one.until is not None}

    def charge_funding(self, symbol: str, settlements: Sequence[FundingSettlement]) -> None:
        """Charge each settlement on what was held at its time, at the present mark price; all in one transaction.

        Raises ``NotReady`` when no price is known, or when the disk refuses; then nothing was charged.
        """
        ledger, funded = self._observed(), self._funded[symbol]
        if funded.until is None:
            return
        holding, trades = ledger.holding(symbol), self._opened.trades_since(symbol, funded.until)
        payments = []
        for one in settlements:
            held = quantity_at(one.at, holding.quantity, trades)
            price = self._market.required(symbol) if held else ZERO
            ledger, paid = ledger.funded(symbol, payment(held, price, one.rate))
            funded = replace(funded, until=one.at, paid=funded.paid + paid)
            if paid:
                payments.append(Payment(symbol=symbol, at=one.at, amount=-paid))
            if held:
                self._context.log.bind(symbol=symbol).info(
                    "funding of {:%Y-%m-%d %H:%M} UTC: {} {} {}", one.at, "paid" if paid > 0 else "received",
                    abs(paid), self._options.settle,
                )  # fmt: skip
        if not holding.quantity and not any(at > funded.until for at, _ in trades if funded.until):
            funded = replace(funded, until=None)  # flat for good: there is nothing to settle any more
        self._commit(ledger, None, {symbol: funded}, payments)
        self._observed()

    def _begin_funding(self) -> None:
        """Settle from now on what is held without a date; forget dates while prices are not live."""
        held = [symbol for symbol, holding in self._ledger.holdings.items() if holding.quantity]
        now = self._context.clock.now()
        if self._live is None:
            changed = {symbol: replace(one, until=None) for symbol, one in self._funded.items() if one.until}
        else:
            changed = {
                symbol: first for symbol in held for first in self._first_funding(symbol, now).values()
            }
        self._commit(self._ledger, None, changed)

    def _first_funding(self, symbol: str, at: datetime) -> Mapping[str, Funded]:
        """Return the date from which a symbol's funding is settled, if it has none yet."""
        funded = self._funded.get(symbol, Funded())
        if self._live is None or funded.until is not None:
            return {}
        self._live.opened()
        return {symbol: replace(funded, until=at)}

    def executed_orders(self) -> list[ExecutedOrder]:
        """Give every order that is still known, oldest first."""
        return self._opened.orders()

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise NotReady("the paper account is not open")
        return self._store

    def _instrument(self, symbol: str) -> Instrument | None:
        if symbol not in self._offers:  # with live prices: until the exchange's list is there
            self._offers[symbol] = instrument(symbol, self._options.settle, self._options.instruments)
        return self._offers[symbol]

    def _offered(self, symbol: str) -> Instrument:
        found = self._instrument(symbol)
        if found is None:
            raise OrderRejected(
                f"{symbol} is not offered: add accounts.{self._context.name}.instruments.{symbol} "
                'with its quantity_step to settings.toml (for example { quantity_step = "0.1" })',
                code="unknown_symbol",
            )
        return found

    def _observed(self) -> Ledger:
        """Value the positions at present prices; a liquidation that follows is committed at once."""
        _ = self._opened  # an account that is not open knows nothing, which is not the same as flat
        if self._live is not None and self._margins is not self._live.margins:
            self._margins, self._checked, self._shown = self._live.margins, None, None
        seen = self._ledger.marked(self._market.moved(self._ledger.holdings))
        if seen is self._checked:
            return seen
        seen = self._trigger(seen)
        after, liquidations = seen.liquidated(self._margins, self._checked)
        if liquidations:
            gone = {
                lost.symbol: self._funded[lost.symbol] for lost in liquidations if lost.symbol in self._funded
            }
            self._commit(after, None, {symbol: replace(one, until=None) for symbol, one in gone.items()})
            for lost in liquidations:
                self._context.log.bind(symbol=lost.symbol).warning(
                    f"position of {lost.quantity} liquidated at {lost.mark}: "
                    f"{lost.loss} {self._options.settle} lost"
                )
        self._ledger = self._checked = after
        return after

    def _commit(
        self,
        after: Ledger,
        order: ExecutedOrder | None = None,
        funded: Mapping[str, Funded] | None = None,
        payments: Sequence[Payment] = (),
    ) -> None:
        if order is not None or funded or after != self._ledger:
            self._opened.save(self._ledger, after, order, funded, payments)
        self._ledger = after
        self._funded |= funded or {}

    def _report(self, order: ExecutedOrder) -> OrderReport:
        return replace(order.report(), fee_currency=self._options.settle)

    def _executed(self, order: OrderRequest, fill: Fill, at: datetime) -> ExecutedOrder:
        return ExecutedOrder(
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            reduce_only=order.reduce_only,
            quantity=abs(fill.quantity),
            price=fill.price,
            fee=fill.fee,
            realised=fill.realised,
            at=at,
        )

    def _show(self, ledger: Ledger) -> None:
        """Bring the positions up to date. Of isolated ones only those that changed can look different."""
        if ledger is self._shown:
            return
        known = self._shown.holdings if self._shown is not None else {}
        for symbol, holding in ledger.holdings.items():
            if holding is not known.get(symbol) or holding.margin_mode is MarginMode.CROSS:
                self._positions[symbol] = self._position(ledger, holding)
        self._shown = ledger

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
            liquidation_price=ledger.liquidation_price(holding.symbol, self._margins),
        )
