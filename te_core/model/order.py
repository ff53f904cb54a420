"""Orders: requests, journaled intents, and their outcomes."""

from __future__ import annotations

import string
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from te_core.model.cause import Cause
from te_core.model.position import MarginMode


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @classmethod
    def of(cls, quantity: Decimal) -> Side:
        """Return the side that changes a position by a signed, non-zero quantity."""
        return cls.BUY if quantity > 0 else cls.SELL

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOrderIdForm:
    """The format of the client order ids that an exchange accepts. Raises ``ValueError`` if it has too few ids.

    The default suits every known exchange that accepts letters and digits and preserves their case: as many values
    as 15 bytes have, in 22 characters.
    """

    length: int = 22
    alphabet: str = string.digits + string.ascii_letters
    """Characters after the prefix; ``string.digits`` if ids are numbers."""
    prefix: str = "7e"
    """The start of every id, by which the engine recognises those of other installations."""

    def __post_init__(self) -> None:
        """Reject formats with too few ids: two orders must never share one."""
        if len(set(self.alphabet)) != len(self.alphabet) or not self.prefix.isalnum():
            raise ValueError("client order ids: alphabet repeats a character, or prefix is not alphanumeric")
        if len(self.alphabet) ** max(self.length - len(self.prefix), 0) < FEWEST_IDS:
            raise ValueError(
                f"client order ids: {self.length} characters of {len(self.alphabet)} are too few to never repeat one"
            )


FEWEST_IDS = 10**15
"""Minimum number of ids of a format: among 100,000 orders, two then share one with a probability of 0.0005 %."""
HEX_IDS = ClientOrderIdForm(length=32, alphabet=string.digits + "abcdef")
"""128 bits in hexadecimal digits. All ids had this format up to release 0.1."""


class OrderStatus(StrEnum):
    """State of an order at the exchange. OPEN: may still fill. The other states are final."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One market order."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    """Unsigned, in base units, a multiple of the instrument's step."""
    reduce_only: bool
    leverage: int
    """The leverage that the position should have; set beforehand, unless the exchange takes it from the order."""
    margin_mode: MarginMode
    """The margin mode that the position should have; likewise."""
    reference_price: Decimal
    """The current price when the order was planned, or its goal's if none was known."""


class StopKind(StrEnum):
    """What a stop order is for."""

    LOSS = "stop loss"
    PROFIT = "take profit"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """One reduce-only market order that rests until the mark price (else the last price) passes ``trigger``."""

    client_order_id: str
    symbol: str
    kind: StopKind
    side: Side
    quantity: Decimal
    """Unsigned, in base units, a multiple of the instrument's step."""
    trigger: Decimal
    """A multiple of the instrument's price tick."""
    leverage: int
    """The position's, like ``margin_mode``, for exchanges that take them from every order."""
    margin_mode: MarginMode

    @property
    def rising(self) -> bool:
        """Whether a rising price triggers it; otherwise a falling price."""
        return (self.side is Side.BUY) == (self.kind is StopKind.LOSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingStop:
    """An untriggered stop order at the exchange."""

    client_order_id: str
    """Empty if it has none."""
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPrice:
    """The best price for a position since it was opened; its trailing stop follows it."""

    account: str
    symbol: str
    side: Side
    """The position's."""
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """The exchange's report on an order. None: not reported (yet)."""

    client_order_id: str
    status: OrderStatus
    filled: Decimal | None = None
    """In base units, unsigned."""
    average_price: Decimal | None = None
    fee: Decimal | None = None
    """Paid so far; negative for a rebate."""
    fee_currency: str = ""
    realised: Decimal | None = None
    """Profit before the fee on what it closed."""
    reason: str = ""


class IntentState(StrEnum):
    """State of a journaled intent. OPEN: its outcome is not known yet. The other states are final."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    REFUSED = "refused"
    """Our own limits refused it; it was never sent."""
    UNSENT = "unsent"
    """It certainly did not reach the exchange; its id is used up nevertheless."""
    LOST = "lost"
    """Not found after the exchange's receive window: it was never executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One order of a plan, journaled before it is sent (I3).

    For a stop, ``reference_price`` is its trigger.
    """

    client_order_id: str
    """Derived from journal, account, symbol, revision, step and chunk, in the exchange's format."""
    account: str
    symbol: str
    revision: int
    step: int
    chunk: int
    side: Side
    quantity: Decimal
    reduce_only: bool
    leverage: int
    margin_mode: MarginMode
    reference_price: Decimal
    created_at: datetime
    cause: Cause | None = None
    """What made it necessary; None if an earlier version recorded it."""
    caused_at: datetime | None = None
    """When the cause occurred; None if an earlier version recorded it."""
    stop: StopKind | None = None
    """The kind of stop; None for an order of a plan."""

    def stop_request(self) -> StopRequest:
        """Return the stop order that this intent sends."""
        assert self.stop is not None
        return StopRequest(
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            kind=self.stop,
            side=self.side,
            quantity=self.quantity,
            trigger=self.reference_price,
            leverage=self.leverage,
            margin_mode=self.margin_mode,
        )

    def request(self) -> OrderRequest:
        """Return the order that this intent sends."""
        return OrderRequest(
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            reduce_only=self.reduce_only,
            leverage=self.leverage,
            margin_mode=self.margin_mode,
            reference_price=self.reference_price,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """The known outcome of an intent."""

    client_order_id: str
    state: IntentState
    at: datetime
    filled: Decimal | None = None
    average_price: Decimal | None = None
    reason: str = ""
