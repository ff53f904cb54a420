"""What orders and time did to an account's money: fills, flows, samples of its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from te_core.model.order import Side


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
    paid, below zero for a rebate. ``realised``: profit without the fee, as the exchange states it. ``shares``: of each
    source in the target that it was ordered for; they add up to 1 of what the sources moved, whatever their sign.
    ``at``: when its outcome was learnt.
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
    shares: Mapping[str, Any]


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
