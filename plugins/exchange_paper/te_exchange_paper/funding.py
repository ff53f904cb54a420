"""Funding: which payments fall to a position, and how large they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from te_exchange_paper.holding import ZERO, money

_HALF_A_MINUTE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingSettlement:
    """A funding time and its rate, a share of the value. Longs pay shorts when it is positive."""

    at: datetime
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Funded:
    """How far a symbol's funding is settled.

    ``until``: None when there is nothing to settle. ``paid``: the sum so far, less what was received.
    """

    until: datetime | None = None
    paid: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One funding payment of a position; ``amount`` is above zero when it was received. ``number`` 0: not kept yet."""

    symbol: str
    at: datetime
    amount: Decimal
    number: int = 0


def on_the_minute(at: datetime) -> datetime:
    """Round to the nearest minute: some exchanges date one payment differently by milliseconds from place to place."""
    return (at + _HALF_A_MINUTE).replace(second=0, microsecond=0)


def due(
    until: datetime, *, past: Iterable[FundingSettlement], announced: FundingSettlement | None, now: datetime
) -> tuple[FundingSettlement, ...]:
    """Return the settlements after ``until``, up to now, oldest first, each once.

    What the history says counts before what was announced.
    """
    stated = [announced, *past] if announced is not None else [*past]
    by_time = {on_the_minute(one.at): one.rate for one in stated}
    return tuple(FundingSettlement(at=at, rate=by_time[at]) for at in sorted(by_time) if until < at <= now)


def quantity_at(time: datetime, quantity: Decimal, trades: Iterable[tuple[datetime, Decimal]]) -> Decimal:
    """Return the signed quantity that was held at a moment: what is held now without what was traded since."""
    return quantity - sum((traded for at, traded in trades if at > time), ZERO)


def payment(quantity: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    """Return what the holder of a signed quantity pays; below zero: receives."""
    return money(quantity * price * rate)
