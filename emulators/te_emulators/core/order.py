"""Orders: requests and their outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from te_emulators.core.modes import MarginMode, PositionSide, Side

ZERO = Decimal(0)


class OrderType(StrEnum):
    """Market orders fill at the quote; limit orders rest unless they cross it."""

    MARKET = "market"
    LIMIT = "limit"


class TimeInForce(StrEnum):
    """How long a limit order stays."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    POST_ONLY = "PostOnly"


class OrderStatus(StrEnum):
    """The state of an order."""

    NEW = "new"
    PARTIALLY_FILLED = "partially filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    """Possibly after a partial fill: see ``Order.filled``."""
    REJECTED = "rejected"
    """Accepted first and rejected afterwards."""

    @property
    def open(self) -> bool:
        """Return whether it may still be filled or cancelled."""
        return self in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED}


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderRequest:
    """An order as the wire layer parsed it; sizes in contracts, prices in quote coin."""

    symbol: str
    side: Side
    size: Decimal
    type: OrderType = OrderType.MARKET
    price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    position_side: PositionSide = PositionSide.NET
    """NET in one-way mode. In hedge mode a buy of LONG opens and a sell of LONG closes."""
    client_id: str | None = None
    margin_mode: MarginMode | None = None
    """None: the contract's setting."""
    leverage: Decimal | None = None
    """None: the contract's setting; otherwise becomes the setting if the order opens."""
    close_all: bool = False
    """Close the whole position, whatever ``size`` says."""
    trigger: Decimal | None = None
    """It rests until the trigger price passes this."""
    rising: bool = False
    """Whether the trigger is passed by a rising price."""

    def passed(self, price: Decimal) -> bool:
        """Return whether a price triggers it."""
        if self.trigger is None:
            return True
        return price >= self.trigger if self.rising else price <= self.trigger


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """One fill. ``closed`` is the part that reduced a position; ``profit`` its profit before fees."""

    execution_id: str
    order_id: str
    size: Decimal
    price: Decimal
    fee: Decimal
    closed: Decimal
    profit: Decimal
    maker: bool
    at_ms: int


@dataclass(kw_only=True, slots=True)
class Order:
    """An accepted order."""

    order_id: str
    request: OrderRequest
    size: Decimal
    """As accepted: a reduce-only order is cut to the position."""
    margin_mode: MarginMode
    leverage: Decimal
    status: OrderStatus = OrderStatus.NEW
    filled: Decimal = ZERO
    value: Decimal = ZERO
    """Filled value in quote coin."""
    contract_size: Decimal = Decimal(1)
    coin: str = "USDT"
    """Quote coin of its contract."""
    fee: Decimal = ZERO
    profit: Decimal = ZERO
    reason: str = ""
    """Why it was cancelled or rejected."""
    liquidation: bool = False
    untriggered: bool = False
    """It rests until its trigger is passed."""
    created_ms: int = 0
    updated_ms: int = 0
    sequence: int = 0

    @property
    def average(self) -> Decimal | None:
        """Average price of what is filled."""
        return self.value / (self.filled * self.contract_size) if self.filled else None

    @property
    def remaining(self) -> Decimal:
        """Return what is not filled."""
        return self.size - self.filled


@dataclass(frozen=True, kw_only=True, slots=True)
class FillPlan:
    """How an accepted order is filled; faults choose one, the default fills everything at once.

    The ``immediate`` fraction (0..1) is filled at once. The rest is cancelled, unless ``rest`` is set: then it stays
    open until ``Exchange.fill`` is called, or for a number of further requests or seconds. With ``rejected`` the order
    is accepted and then rejected with that reason.
    """

    immediate: Decimal = Decimal(1)
    rest: bool = False
    after_requests: int | None = None
    after_seconds: float | None = None
    rejected: str | None = None


FILL_ALL = FillPlan()
