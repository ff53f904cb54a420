"""The paper account as the engine sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from te_core.api import (
    AccountContext,
    AccountIdentity,
    DuplicateClientOrderId,
    Equity,
    ExchangeAccount,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    Position,
)
from te_exchange_paper.admission import admitted
from te_exchange_paper.holding import ZERO, Holding
from te_exchange_paper.instruments import instrument
from te_exchange_paper.ledger import Fill, Ledger
from te_exchange_paper.market import Market, fill_price
from te_exchange_paper.options import PaperOptions
from te_exchange_paper.store import ExecutedOrder, Store

FILE_NAME = "paper.sqlite3"


class PaperAccount(ExchangeAccount):
    """Fills market orders at once, at the known price made worse by the slippage.

    No method waits for anything, so each runs as a whole: an order is committed to the file before it is
    answered, and is never in doubt. Every call first looks at the prices and liquidates what they no longer
    carry.
    """

    def __init__(self, context: AccountContext[PaperOptions]) -> None:
        self._context = context
        self._options = context.options
        self._market = Market(
            account=context.name, fixed=context.options.prices, signal_price=context.signal_price
        )
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

    async def close(self) -> None:
        """Close the account's file."""
        self._release()

    def _release(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    async def identity(self) -> AccountIdentity:
        """Return the section's name, as the account's file belongs to it."""
        return AccountIdentity(host="paper", uid=self._context.name)

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Give the instruments of those symbols that the table or the settings have."""
        offered = {symbol: self._instrument(symbol) for symbol in symbols}
        return {symbol: found for symbol, found in offered.items() if found is not None}

    async def equity(self) -> Known[Equity]:
        """Give wallet, total with unrealised profit, and what is free as margin; in settle currency."""
        ledger = self._observed()
        value = Equity(
            wallet=ledger.wallet, total=ledger.wallet + ledger.unrealised, free=max(ledger.free, ZERO)
        )
        return Known(value=value, as_of=self._context.clock.now())

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Give every position, and the flat symbols whose leverage or margin mode was set."""
        self._show(self._observed())
        return Known(value=dict(self._positions), as_of=self._context.clock.now())

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Give the price of each symbol: the fixed one, else the newest that a signal stated."""
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
        self._commit(ledger.levered(symbol, leverage, margin_mode, self._options.maintenance_margin))

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
        price = fill_price(market, order.side, self._options.slippage, offered.price_tick)
        after, fill = ledger.traded(
            symbol=order.symbol,
            quantity=admitted(order, ledger.holding(order.symbol), offered, market),
            price=price,
            mark=market,
            fee_rate=self._options.fee,
        )
        if not order.reduce_only:
            after.require_safe(order.symbol, self._options.maintenance_margin)
        executed = self._executed(order, fill, at)
        self._commit(after, executed)
        return executed.report()

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Look up a filled order; refused ones leave no trace. The newest ten thousand are known."""
        order = self._opened.order(client_order_id)
        return order.report() if order is not None and order.symbol == symbol else None

    def executed_orders(self) -> list[ExecutedOrder]:
        """Give every order that is still known, oldest first."""
        return self._opened.orders()

    @property
    def _opened(self) -> Store:
        if self._store is None:
            raise NotReady("the paper account is not open")
        return self._store

    def _instrument(self, symbol: str) -> Instrument | None:
        if symbol not in self._offers:
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
        seen = self._ledger.marked(self._market.moved(self._ledger.holdings))
        if seen is self._checked:
            return seen
        after, liquidations = seen.liquidated(self._options.maintenance_margin, self._checked)
        if liquidations:
            self._commit(after)
            for lost in liquidations:
                self._context.log.bind(symbol=lost.symbol).warning(
                    f"position of {lost.quantity} liquidated at {lost.mark}: "
                    f"{lost.loss} {self._options.settle} lost"
                )
        self._ledger = self._checked = after
        return after

    def _commit(self, after: Ledger, order: ExecutedOrder | None = None) -> None:
        if order is not None or after != self._ledger:
            self._opened.save(self._ledger, after, order)
        self._ledger = after

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
            liquidation_price=ledger.liquidation_price(holding.symbol, self._options.maintenance_margin),
        )
