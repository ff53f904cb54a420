"""An in-memory exchange account that fills every order at once at its price, for tests of the engine and of sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from te_core.clock import Clock
from te_core.contracts.exchange import ExchangeAccount
from te_core.errors import DuplicateClientOrderId
from te_core.model.instrument import Instrument
from te_core.model.order import OrderReport, OrderRequest, OrderStatus
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Known

ZERO = Decimal(0)


class FakeAccount(ExchangeAccount):
    """An account whose public attributes a test may change at any time, as other traders and the market do."""

    def __init__(self, clock: Clock, *, equity: str = "10000", **prices: str) -> None:
        self.clock = clock
        self.equity_value = Decimal(equity)
        self.price: dict[str, Decimal] = {symbol: Decimal(price) for symbol, price in prices.items()}
        self.held: dict[str, Position] = {}
        self.orders: dict[str, OrderReport] = {}
        self.requests: list[OrderRequest] = []
        self.calls: list[str] = []
        self.instrument_of: Callable[[str], Instrument] = lambda symbol: Instrument(
            symbol=symbol, quantity_step=Decimal("0.001"), minimum_quantity=Decimal("0.001")
        )

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity held of a symbol, in base units."""
        position = self.held.get(symbol)
        return position.quantity if position else ZERO

    def hold(self, symbol: str, quantity: str) -> None:
        """Set a position to a quantity by hand, as the user would at the exchange."""
        self._set(symbol, Decimal(quantity))

    def _set(self, symbol: str, quantity: Decimal) -> None:
        old = self.held.get(symbol) or Position(symbol=symbol, quantity=ZERO)
        self.held[symbol] = replace(old, quantity=quantity, entry_price=self.price.get(symbol))

    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return an instrument for every symbol that has a price."""
        self.calls.append("instruments")
        return {symbol: self.instrument_of(symbol) for symbol in symbols if symbol in self.price}

    async def equity(self) -> Known[Equity]:
        """Return the same value for wallet and total."""
        self.calls.append("equity")
        return Known(value=Equity(wallet=self.equity_value, total=self.equity_value), as_of=self.clock.now())

    async def positions(self) -> Known[Mapping[str, Position]]:
        """Return all positions."""
        self.calls.append("positions")
        return Known(value=dict(self.held), as_of=self.clock.now())

    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Return the prices that are known."""
        self.calls.append("prices")
        found = {symbol: self.price[symbol] for symbol in symbols if symbol in self.price}
        return Known(value=found, as_of=self.clock.now())

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Store leverage and margin mode with the position."""
        self.calls.append(f"leverage {leverage}")
        old = self.held.get(symbol) or Position(symbol=symbol, quantity=ZERO)
        self.held[symbol] = replace(old, leverage=Decimal(leverage), margin_mode=margin_mode)

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Fill the order completely."""
        self.calls.append("order")
        return self.fill(order)

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        """Execute a share of an order (0 … 1); a reduce-only order never goes beyond flat.

        Raise `DuplicateClientOrderId` if the id was used before.
        """
        if order.client_order_id in self.orders:
            raise DuplicateClientOrderId("seen before")
        self.requests.append(order)
        held = self.quantity(order.symbol)
        wanted = order.quantity * share
        if order.reduce_only:
            wanted = min(wanted, max(-held * order.side.sign, ZERO))
        self._set(order.symbol, held + order.side.sign * wanted)
        status = OrderStatus.FILLED if wanted == order.quantity else OrderStatus.CANCELLED
        report = OrderReport(
            client_order_id=order.client_order_id,
            status=status,
            filled=wanted,
            average_price=self.price.get(order.symbol),
        )
        self.orders[order.client_order_id] = report
        return report

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return the report of an order, or None if its id is unknown."""
        del symbol
        self.calls.append("find")
        return self.orders.get(client_order_id)
