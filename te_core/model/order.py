"""Orders: what is asked for, what was journaled, what became of it."""

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
        """Side that moves a position by a signed, non-zero quantity."""
        return cls.BUY if quantity > 0 else cls.SELL

    @property
    def sign(self) -> int:
        """+1 for buy, -1 for sell."""
        return 1 if self is Side.BUY else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOrderIdForm:
    """The client order ids that an exchange accepts. Raises ``ValueError`` for a form that cannot keep ids apart.

    The default is right for every known exchange that accepts letters and digits and keeps their case: as many values
    as 15 bytes have, in 22 characters.
    """

    length: int = 22
    alphabet: str = string.digits + string.ascii_letters
    """Characters after the prefix; ``string.digits`` where ids are numbers."""
    prefix: str = "7e"
    """How ids begin, by which the engine recognises those of another installation."""

    def __post_init__(self) -> None:
        """Refuse forms with too few ids: two orders must never have the same."""
        if len(set(self.alphabet)) != len(self.alphabet) or not self.prefix.isalnum():
            raise ValueError("client order ids: alphabet repeats a character, or prefix is not alphanumeric")
        if len(self.alphabet) ** max(self.length - len(self.prefix), 0) < FEWEST_IDS:
            raise ValueError(
                f"client order ids: {self.length} characters of {len(self.alphabet)} are too few to never repeat one"
            )


FEWEST_IDS = 10**15
"""Ids that a form has to have: among 100,000 orders, two then share one with a probability of 0.0005 %."""
HEX_IDS = ClientOrderIdForm(length=32, alphabet=string.digits + "abcdef")
"""128 bits in hexadecimal digits. All ids had this form up to release 0.1."""


class OrderStatus(StrEnum):
    """State of an order at the exchange. OPEN: may still fill. The others are final."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """One market order. ``quantity`` is unsigned, in base units, a multiple of the instrument's step.

    ``leverage`` and ``margin_mode`` are what the position shall have; exchanges that carry them in the order
    use them, the others have been set before. ``reference_price`` is the present price when it was planned, or its
    goal's where none was known.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    reduce_only: bool
    leverage: int
    margin_mode: MarginMode
    reference_price: Decimal


class StopKind(StrEnum):
    """What a stop order is for."""

    LOSS = "stop loss"
    PROFIT = "take profit"


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """One reduce-only market order that rests until the mark price, else the last price, passes ``trigger``.

    ``quantity`` is unsigned, in base units, a multiple of the instrument's step; ``trigger`` one of its price tick.
    ``leverage`` and ``margin_mode`` are those of the position, for exchanges that carry them in every order.
    """

    client_order_id: str
    symbol: str
    kind: StopKind
    side: Side
    quantity: Decimal
    trigger: Decimal
    leverage: int
    margin_mode: MarginMode

    @property
    def rising(self) -> bool:
        """Whether the price triggers it by rising to ``trigger``; otherwise by falling to it."""
        return (self.side is Side.BUY) == (self.kind is StopKind.LOSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingStop:
    """A stop order that rests at the exchange, untriggered. ``client_order_id``: empty for one without."""

    client_order_id: str
    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BestPrice:
    """The best price for a position since it was opened, by which its stop trails. ``side``: the position's."""

    account: str
    symbol: str
    side: Side
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What the exchange says of an order. ``filled``: base units, unsigned; None where not said yet."""

    client_order_id: str
    status: OrderStatus
    filled: Decimal | None = None
    average_price: Decimal | None = None
    fee: Decimal | None = None
    """Paid so far, below zero for a rebate."""
    fee_currency: str = ""
    realised: Decimal | None = None
    """Profit without the fee of what it closed."""
    reason: str = ""


class IntentState(StrEnum):
    """State of a journaled intent. OPEN: its outcome is not known yet. The others are settled."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    REFUSED = "refused"
    """Our own limits refused it; it never left."""
    UNSENT = "unsent"
    """It certainly did not reach the exchange; its id is used up all the same."""
    LOST = "lost"
    """Not found after the exchange's receive window: it was never executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One order of a plan, journaled before it is sent (I3).

    ``client_order_id`` follows from journal, account, symbol, revision, step and chunk, in the exchange's form.
    ``cause``, ``caused_at``: what made it necessary, and when that came; None where an earlier version recorded it.
    ``stop``: what kind of stop it is, None for an order of a plan; the trigger is then its ``reference_price``.
    """

    client_order_id: str
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
    caused_at: datetime | None = None
    stop: StopKind | None = None

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
