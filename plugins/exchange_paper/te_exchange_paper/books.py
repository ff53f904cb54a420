"""The books of a paper account: its file and ledger, and every change that orders, prices, stops and funding make.

No method waits, so each change is atomic: it is committed to the file before anybody sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from te_core.api import AccountContext, FundingRate, NotReady, OrderRequest, StopRequest
from te_exchange_paper.funding import Funded, Payment, payment, quantity_at
from te_exchange_paper.holding import ZERO
from te_exchange_paper.instruments import OfferedInstruments
from te_exchange_paper.ledger import Fill, Ledger
from te_exchange_paper.live import LiveMarket, MakeData
from te_exchange_paper.maintenance import Maintenance, Margins
from te_exchange_paper.market import Market, fill_price
from te_exchange_paper.options import PaperOptions
from te_exchange_paper.stops import PaperStop, triggered
from te_exchange_paper.store import ExecutedOrder, Store

FILE_NAME = "paper.sqlite3"


class Books:
    """Ledger, stops and funding of one account, and the prices that they are valued at."""

    def __init__(self, context: AccountContext[PaperOptions], make_data: MakeData) -> None:
        self._context = context
        self._options = context.options
        self.live = LiveMarket(context, self, make_data) if context.options.prices_from is not None else None
        self.market = Market(
            account=context.name,
            fixed=context.options.prices,
            signal_price=context.signal_price,
            live=self.live.quote if self.live else None,
        )
        self.instruments = OfferedInstruments(
            context.name, context.options.settle, context.options.instruments
        )
        self.margins = Margins(Maintenance.flat(context.options.maintenance_margin))
        self.ledger = Ledger(wallet=ZERO, holdings={})
        self.funded: dict[str, Funded] = {}
        self.stops: dict[str, PaperStop] = {}
        """By client order id; ended ones too."""
        self.stop_share = Decimal(1)
        """Share of the next triggered stop that is filled; less than 1 in tests only."""
        self._store: Store | None = None
        self._checked: Ledger | None = None
        """The newest ledger for which nothing had to be liquidated."""

    # -- the file

    def open(self) -> None:
        """Open the account's file, or create it. Raises ``ConfigError`` if it is damaged or too new."""
        self.close()
        store = Store(self._context.state_dir / FILE_NAME)
        try:
            self.ledger, opened_with = store.load(self._options.balance)
            self.funded = store.load_funding()
            self.stops = store.load_stops()
        except BaseException:
            store.close()
            raise
        self._checked = None
        self._store = store
        if opened_with != self._options.balance:
            self._context.log.warning(
                f"balance = {self._options.balance} is not applied: this account was opened with {opened_with} "
                f"and keeps its wallet of {self.ledger.wallet}. To start over, stop the engine and delete "
                f"{store.path}"
            )
        self._begin_funding()

    def close(self) -> None:
        """Close the account's file."""
        if self._store is not None:
            self._store.close()
            self._store = None

    @property
    def is_open(self) -> bool:
        """Whether the account's file is open."""
        return self._store is not None

    @property
    def store(self) -> Store:
        """The open file. Raises ``NotReady`` while it is closed."""
        if self._store is None:
            raise NotReady("the paper account is not open")
        return self._store

    # -- prices

    def mark(self) -> Ledger:
        """Value the positions at current prices, and fill stops and liquidate what those prices trigger."""
        _ = self.store  # an account that is not open knows nothing, which is not the same as flat
        if self.live is not None and self.margins is not self.live.margins:
            self.margins, self._checked = self.live.margins, None
        marked = self.ledger.marked(self.market.moved(self.ledger.holdings))
        if marked is self._checked:
            return marked
        marked = self._trigger_stops(marked)
        after, liquidations = marked.liquidated(self.margins, self._checked)
        if liquidations:
            gone = {
                lost.symbol: self.funded[lost.symbol] for lost in liquidations if lost.symbol in self.funded
            }
            self.commit(after, None, {symbol: replace(one, until=None) for symbol, one in gone.items()})
            for lost in liquidations:
                self._context.log.bind(symbol=lost.symbol).warning(
                    f"position of {lost.quantity} liquidated at {lost.mark}: "
                    f"{lost.loss} {self._options.settle} lost"
                )
        self.ledger = self._checked = after
        return after

    def commit(
        self,
        after: Ledger,
        order: ExecutedOrder | None = None,
        funded: Mapping[str, Funded] | None = None,
        payments: Sequence[Payment] = (),
    ) -> None:
        """Write a change to the file, then apply it."""
        if order is not None or funded or after != self.ledger:
            self.store.save(self.ledger, after, order, funded, payments)
        self.ledger = after
        self.funded |= funded or {}

    # -- orders

    def execute(self, order: OrderRequest, quantity: Decimal, at: datetime) -> ExecutedOrder:
        """Fill a signed quantity of an order now. Raises as ``Ledger.traded`` and ``Ledger.require_safe``."""
        after, fill = self._fill(self.mark(), order, quantity, self.market.required(order.symbol))
        if not order.reduce_only:
            after.require_safe(order.symbol, self.margins)
        executed = _executed(order, fill, at, reduce_only=order.reduce_only)
        self.commit(after, executed, self._first_funding(order.symbol, at))
        return executed

    def _fill(
        self, ledger: Ledger, order: OrderRequest | StopRequest | PaperStop, quantity: Decimal, mark: Decimal
    ) -> tuple[Ledger, Fill]:
        taken = self.market.taken(order.symbol, order.side)
        tick = self.instruments.require(order.symbol).price_tick
        return ledger.traded(
            symbol=order.symbol,
            quantity=quantity,
            price=fill_price(taken, order.side, self._options.slippage, tick),
            mark=mark,
            fee_rate=self._options.fee,
        )

    # -- stops

    def resting_stops(self) -> list[PaperStop]:
        """Return the resting stops, oldest first."""
        return [stop for stop in self.stops.values() if not stop.ended]

    def add_stop(self, stop: PaperStop) -> None:
        """Store a new stop."""
        self._save_stop(stop)
        self._checked = None  # the next valuation checks the stops, too

    def end_stop(self, stop: PaperStop, reason: str) -> None:
        """Store why a stop no longer rests."""
        self._save_stop(replace(stop, ended=reason))

    def _save_stop(self, stop: PaperStop) -> None:
        self.store.save_stop(stop)
        self.stops[stop.client_order_id] = stop

    def _trigger_stops(self, ledger: Ledger) -> Ledger:
        """Fill the stops that current prices have triggered."""
        marks = {symbol: one.mark for symbol, one in ledger.holdings.items() if one.quantity}
        for stop in triggered(self.stops.values(), marks):
            holding = ledger.holding(stop.symbol)
            if holding.quantity * -stop.side.sign <= 0:
                self.end_stop(stop, "nothing to reduce")
                continue
            quantity = stop.side.sign * self.triggered_quantity(stop, abs(holding.quantity))
            after, fill = self._fill(ledger, stop, quantity, marks[stop.symbol])
            executed = _executed(stop, fill, self._context.clock.now(), reduce_only=True)
            ended = replace(stop, ended="filled")
            self.store.save(self.ledger, after, executed, stop=ended)
            self.stops[stop.client_order_id] = ended
            self.ledger = ledger = after
            self._context.log.bind(symbol=stop.symbol).info(
                f"{stop.kind} at {stop.trigger:f}: {quantity:f} at {fill.price:f}"
            )
        return ledger

    def triggered_quantity(self, stop: PaperStop, held: Decimal) -> Decimal:
        """Return how much of a triggered stop is filled, at most the position."""
        share, self.stop_share = self.stop_share, Decimal(1)
        step = self.instruments.require(stop.symbol).quantity_step
        part = stop.quantity * share // step * step if share < 1 else stop.quantity
        return min(part, held)

    # -- funding

    def funded_until(self) -> Mapping[str, datetime]:
        """Return until when funding is charged, for the symbols that are or were held since."""
        return {symbol: one.until for symbol, one in self.funded.items() if one.until is not None}

    def charge_funding(self, symbol: str, rates: Sequence[FundingRate]) -> None:
        """Charge each rate on the position at its time, at the current mark price; all in one transaction.

        Raises ``NotReady`` if no price is known or the disk refuses; then nothing was charged.
        """
        ledger, funded = self.mark(), self.funded[symbol]
        if funded.until is None:
            return
        holding, trades = ledger.holding(symbol), self.store.trades_since(symbol, funded.until)
        payments = []
        for one in rates:
            held = quantity_at(one.at, holding.quantity, trades)
            price = self.market.required(symbol) if held else ZERO
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
            funded = replace(funded, until=None)  # flat since then: nothing left to charge
        self.commit(ledger, None, {symbol: funded}, payments)
        self.mark()

    def _begin_funding(self) -> None:
        """Charge held symbols without a date from now on; forget the dates while prices are not live."""
        now = self._context.clock.now()
        if self.live is None:
            changed = {symbol: replace(one, until=None) for symbol, one in self.funded.items() if one.until}
        else:
            held = [symbol for symbol, holding in self.ledger.holdings.items() if holding.quantity]
            changed = {
                symbol: first for symbol in held for first in self._first_funding(symbol, now).values()
            }
        self.commit(self.ledger, None, changed)

    def _first_funding(self, symbol: str, at: datetime) -> Mapping[str, Funded]:
        """Return the date from which a symbol's funding is charged, if it has none yet."""
        funded = self.funded.get(symbol, Funded())
        if self.live is None or funded.until is not None:
            return {}
        self.live.position_opened()
        return {symbol: replace(funded, until=at)}


def _executed(
    order: OrderRequest | PaperStop, fill: Fill, at: datetime, *, reduce_only: bool
) -> ExecutedOrder:
    return ExecutedOrder(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        reduce_only=reduce_only,
        quantity=abs(fill.quantity),
        price=fill.price,
        fee=fill.fee,
        realised=fill.realised,
        at=at,
    )
