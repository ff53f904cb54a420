"""What orders and time did to an account's money: fills, flows, samples of its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from te_core.model.order import Side

ZERO = Decimal(0)


class FlowKind(StrEnum):
    """Why money came or went without an order."""

    FUNDING = "funding"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    UNEXPLAINED = "unexplained"
    """The balance jumped and nobody said why: most likely a transfer."""

    @property
    def trading(self) -> bool:
        """Whether it is part of what trading earned or lost."""
        return self is FlowKind.FUNDING


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlow:
    """A payment as an exchange reports it. ``amount``: in the account's currency, above zero when it was received.

    ``key``: the exchange's number of it, or what else is the same however often it is read.
    """

    key: str
    kind: FlowKind
    amount: Decimal
    at: datetime
    symbol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A payment as it is journaled; ``account`` is a book."""

    account: str
    key: str
    kind: FlowKind
    amount: Decimal
    at: datetime
    symbol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """What one order of ours was filled at, and what that cost. None where the exchange did not say.

    ``account``: a book. ``quantity``: base units, unsigned. ``price``: the average, never a reference price. ``fee``:
    paid, below zero for a rebate. ``realised``: profit without the fee, as the exchange states it; ``gained``: the
    same by average cost. ``shares``: of each source in the target that it was ordered for; they add up to 1 of what
    the sources moved, whatever their sign. ``at``: when its outcome was learnt.
    """

    client_order_id: str
    account: str
    symbol: str
    side: Side
    quantity: Decimal
    at: datetime
    price: Decimal | None = None
    fee: Decimal | None = None
    fee_currency: str = ""
    realised: Decimal | None = None
    gained: Decimal | None = None
    shares: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class EquitySample:
    """An account's value at a moment; ``account`` is a book. Exposures and unrealised profit: None if not known.

    ``gross`` and ``net``: worth of all positions without and with their signs, at the last known prices.
    """

    account: str
    at: datetime
    wallet: Decimal
    total: Decimal
    free: Decimal | None = None
    unrealised: Decimal | None = None
    gross: Decimal | None = None
    net: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a symbol of an account came to since it was first seen, as it stood last in an hour.

    ``account``: a book. ``symbol``: empty for the whole account, whose sums are those of all its symbols. ``hour``:
    counted from 1970. Amounts are in the account's currency. A period's share of a sum is the difference of two.
    """

    account: str
    symbol: str
    hour: int
    at: datetime
    result: Decimal = ZERO
    """What trading came to: realised + unrealised + funding - fees; of a whole account what its value says."""
    realised: Decimal = ZERO
    """By average cost, before fees."""
    unrealised: Decimal = ZERO
    """Of what is held, at the price seen last."""
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    """Received, below zero for paid."""
    turnover: Decimal = ZERO
    fills: int = 0
    unpriced: int = 0
    """Fills whose price, or whose part in the profit, nobody told: it is left out."""
    unknown_fees: int = 0
    """Fills whose fee was not told, or in another currency: it is left out."""
    others: int = 0
    """Changes of the position that no order of ours made."""
    quantity: Decimal = ZERO
    """What is held; zero for a whole account."""
    unvalued: Decimal = ZERO
    """The part of it that no price is known of."""
    cost: Decimal = ZERO
    """What the rest was opened for, with the sign of the quantity."""
    counted: Decimal = ZERO
    """Of a whole account: what its sums came to when its value was seen last."""
    shares: Mapping[str, Decimal] = field(default_factory=dict)
    """Of each source in what is held."""
    earned: Mapping[str, Decimal] = field(default_factory=dict)
    """By source: realised, unrealised and funding. An empty name: nobody's."""
    paid: Mapping[str, Decimal] = field(default_factory=dict)
    """Fees by source."""
