"""Records of an account's money: fills, cash flows, samples of its value, tallies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from te_core.model.order import Side

ZERO = Decimal(0)


class FlowKind(StrEnum):
    """Why the balance changed without an order."""

    FUNDING = "funding"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    UNEXPLAINED = "unexplained"
    """The balance jumped without a reported reason: most likely a transfer."""

    @property
    def trading(self) -> bool:
        """Whether it counts as trading profit or loss."""
        return self is FlowKind.FUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlow:
    """A payment as an exchange reports it."""

    key: str
    """The exchange's id of the payment, or anything else that is the same on every read."""
    kind: FlowKind
    amount: Decimal
    """In the account's currency; positive if received."""
    at: datetime
    symbol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A payment as journaled; ``account`` is a book."""

    account: str
    key: str
    kind: FlowKind
    amount: Decimal
    at: datetime
    symbol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """The fill of one of our orders, and its cost. None: the exchange did not report it."""

    client_order_id: str
    account: str
    """A book."""
    symbol: str
    side: Side
    quantity: Decimal
    """In base units, unsigned."""
    at: datetime
    """When the outcome was learnt."""
    price: Decimal | None = None
    """The average; never a reference price."""
    fee: Decimal | None = None
    """Paid; negative for a rebate."""
    fee_currency: str = ""
    realised: Decimal | None = None
    """Profit before the fee, as reported by the exchange."""
    gained: Decimal | None = None
    """Profit before the fee, by average cost."""
    shares: Mapping[str, Decimal]
    """Each source's share in the target that was ordered, by absolute contribution; they add up to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EquitySample:
    """An account's value at one time. None: unknown."""

    account: str
    """A book."""
    at: datetime
    wallet: Decimal
    total: Decimal
    free: Decimal | None = None
    unrealised: Decimal | None = None
    gross: Decimal | None = None
    """Absolute value of all positions at the last known prices."""
    net: Decimal | None = None
    """Signed value of all positions at the last known prices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The result of a symbol of an account since it was first seen, as of the end of an hour.

    Amounts are in the account's currency. The amount of a period is the difference of two tallies.
    """

    account: str
    """A book."""
    symbol: str
    """Empty for the whole account, whose sums are those of all its symbols."""
    hour: int
    """Hours since 1970."""
    at: datetime
    result: Decimal = ZERO
    """The trading result: realised + unrealised + funding - fees; for a whole account, by its value."""
    realised: Decimal = ZERO
    """By average cost, before fees."""
    unrealised: Decimal = ZERO
    """Of the position, at the last seen price."""
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    """Received; negative if paid."""
    turnover: Decimal = ZERO
    fills: int = 0
    unpriced: int = 0
    """Fills whose price, or whose part of the profit, was not reported and is left out."""
    unknown_fees: int = 0
    """Fills whose fee was not reported or is in another currency, and is left out."""
    others: int = 0
    """Changes of the position that none of our orders made."""
    quantity: Decimal = ZERO
    """The position; zero for a whole account."""
    unvalued: Decimal = ZERO
    """The part of ``quantity`` without a known price."""
    cost: Decimal = ZERO
    """What the rest of ``quantity`` was opened for, with its sign."""
    counted: Decimal = ZERO
    """For a whole account: its explained result as of the last valuation."""
    shares: Mapping[str, Decimal] = field(default_factory=dict)
    """Each source's share in the position."""
    earned: Mapping[str, Decimal] = field(default_factory=dict)
    """By source: realised, unrealised and funding. An empty name: no source."""
    paid: Mapping[str, Decimal] = field(default_factory=dict)
    """Fees by source."""
