"""Common parts of the small stand-ins: contracts, errors by code, and parsing of orders."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

from te_emulators.core import errors
from te_emulators.core.account import Account
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.exchange import Exchange
from te_emulators.core.faults import FaultScript
from te_emulators.core.instrument import Instrument
from te_emulators.core.limits import RateLimits, Standing
from te_emulators.core.modes import MarginMode, PositionMode, Side
from te_emulators.core.order import Order, OrderRequest, OrderStatus
from te_emulators.core.position import Position
from te_emulators.core.rules import Rules
from te_emulators.wire.call import Call, Reply, Route, json_reply
from te_emulators.wire.server import WireServer

D = Decimal
CONTRACTS = {
    # price, size of a step, largest market order (both in base coin), tick, highest leverage
    "BTC": ("50000", "0.001", "120", "0.1", "100"),
    "ETH": ("3000", "0.01", "2000", "0.01", "100"),
    "SOL": ("150", "1", "3000", "0.01", "50"),
    "DOGE": ("0.12", "10", "200000", "0.00001", "50"),
}
"""Smaller limits than at the real exchanges, so that orders must be split into chunks."""


def contracts(name: Callable[[str], str], size: Mapping[str, str]) -> list[Instrument]:
    """Contracts of an exchange: ``name`` of a base coin, ``size`` of one contract of it in base coin (default 1)."""
    found = []
    for base, (price, step, largest, tick, leverage) in CONTRACTS.items():
        contract = D(size.get(base, "1"))
        found.append(
            Instrument(
                symbol=name(base),
                base=base,
                price=D(price),
                contract_size=contract,
                size_step=D(step) / contract,
                min_size=D(step) / contract,
                max_market_size=D(largest) / contract,
                max_limit_size=2 * D(largest) / contract,
                min_notional=D(5),
                tick=D(tick),
                max_leverage=D(leverage),
            )
        )
    return found


class StandIn(WireServer):
    """One exchange's protocol."""

    codes: ClassVar[Mapping[type[errors.DomainError], tuple[str, int]]]
    """Its code and HTTP status for each error that the plugin may see."""
    unknown: ClassVar[tuple[str, int]]
    texts: ClassVar[Mapping[str, str]] = {}
    """The exchange's text for a code, if that matters."""

    def __init__(
        self,
        *,
        faults: FaultScript | None = None,
        latency: float = 0.0,
        clock: ExchangeClock | None = None,
        limits: RateLimits | None = None,
    ) -> None:
        exchange = Exchange(self.contracts(), rules=Rules(unique_client_ids=False), clock=clock)
        super().__init__(exchange, limits=limits or RateLimits(()), faults=faults, latency=latency)

    @abstractmethod
    def contracts(self) -> Iterable[Instrument]:
        """Return the contracts that are traded."""

    @abstractmethod
    def refusal(self, code: str, text: str, status: int) -> Reply:
        """Return a refusal."""

    @abstractmethod
    def contract_row(self, found: Instrument) -> dict[str, object]:
        """One row of the list of contracts."""

    @abstractmethod
    def ticker_row(self, found: Instrument) -> dict[str, object]:
        """One row of the list of prices."""

    @abstractmethod
    def position_row(self, account: Account, position: Position) -> dict[str, object]:
        """One row of the list of positions."""

    @abstractmethod
    def order_row(self, order: Order) -> dict[str, object]:
        """One row of a list of orders."""

    def failure(self, call: Call, error: errors.DomainError) -> Reply:
        """Return the code of the nearest kind of error."""
        for kind in type(error).__mro__:
            if kind in self.codes:
                code, status = self.codes[kind]
                return self.refusal(code, self.texts.get(code, error.text), status)
        return self.refusal(self.unknown[0], error.text, self.unknown[1])

    def rate_limited(self, call: Call, standing: Standing | None) -> Reply:
        """Too many requests."""
        code, status = self.codes[errors.RateLimited]
        return self.refusal(code, "Too many requests", status)

    def maintenance(self, call: Call) -> Reply:
        """Closed."""
        return json_reply({"message": "under maintenance"}, status=503)

    # --- handlers --------------------------------------------------------------------------------------------------

    def instruments(self, call: Call) -> list[dict[str, object]]:
        """All contracts."""
        del call
        return [self.contract_row(found) for found in self.exchange.market.instruments.values()]

    def tickers(self, call: Call) -> list[dict[str, object]]:
        """All prices."""
        del call
        return [self.ticker_row(found) for found in self.exchange.market.instruments.values()]

    def positions(self, call: Call) -> list[dict[str, object]]:
        """Positions that are not flat."""
        return [self.position_row(call.account, held) for held in call.account.held()]

    def orders(self, call: Call, wanted: Callable[[Order], bool]) -> list[dict[str, object]]:
        """Orders, newest first."""
        return [self.order_row(order) for order in reversed(call.account.orders.values()) if wanted(order)]

    def place(
        self,
        call: Call,
        *,
        symbol: str,
        size: Decimal,
        reduce_only: bool,
        client_id: str | None,
        mode: MarginMode | None = None,
    ) -> Order:
        """Carry out an order; ``size`` is signed contracts."""
        request = OrderRequest(
            symbol=self.exchange.market.instrument(symbol).symbol,
            side=Side.BUY if size > 0 else Side.SELL,
            size=abs(size),
            reduce_only=reduce_only,
            client_id=client_id,
            margin_mode=mode,
        )
        return self.exchange.place(call.account, request, call.plan)


def get(path: str, kind: str, handler: Callable[[Call], object], *, private: bool = True) -> Route:
    """A reading route."""
    return Route(method="GET", path=path, kind=kind, handler=handler, private=private)


def post(path: str, kind: str, handler: Callable[[Call], object]) -> Route:
    """A changing route."""
    return Route(method="POST", path=path, kind=kind, handler=handler, permission="trade")


def hedged(account: Account) -> bool:
    """Return whether the account is in hedge mode."""
    return account.default_position_mode is PositionMode.HEDGE


def open_status(order: Order, names: Sequence[str]) -> str:
    """The status by ``names``: open, partly filled, filled, cancelled."""
    known = {
        OrderStatus.NEW: names[0],
        OrderStatus.PARTIALLY_FILLED: names[1],
        OrderStatus.FILLED: names[2],
    }
    return known.get(order.status, names[3])
