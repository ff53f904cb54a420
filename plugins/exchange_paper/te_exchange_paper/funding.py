"""Compute funding: which rates apply to a position, and what they cost. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from te_core.api import FundingRate
from te_exchange_paper.holding import ZERO, money

_HALF_A_MINUTE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Funded:
    """How far a symbol's funding has been charged."""

    until: datetime | None = None
    """None if there is nothing to charge."""
    paid: Decimal = ZERO
    """The sum so far; what was received counts negative."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One funding payment of a position."""

    symbol: str
    at: datetime
    amount: Decimal
    """Positive if it was received."""
    number: int = 0
    """0 until it is stored."""


def on_the_minute(at: datetime) -> datetime:
    """Round to the nearest minute: some exchanges date the same payment differently by milliseconds."""
    return (at + _HALF_A_MINUTE).replace(second=0, microsecond=0)


def rates_due(
    until: datetime, *, past: Iterable[FundingRate], announced: FundingRate | None, now: datetime
) -> tuple[FundingRate, ...]:
    """Return the rates after ``until``, up to now, oldest first, each once.

    The history takes precedence over what was announced.
    """
    stated = [announced, *past] if announced is not None else [*past]
    by_time = {on_the_minute(one.at): one.rate for one in stated}
    return tuple(FundingRate(at=at, rate=by_time[at]) for at in sorted(by_time) if until < at <= now)


def quantity_at(at: datetime, quantity: Decimal, trades: Iterable[tuple[datetime, Decimal]]) -> Decimal:
    """Return the signed quantity held at a time: the present one without what was traded since."""
    return quantity - sum((traded for traded_at, traded in trades if traded_at > at), ZERO)


def payment(quantity: Decimal, price: Decimal, rate: Decimal) -> Decimal:
    """Return what the holder of a signed quantity pays; negative: receives."""
    return money(quantity * price * rate)
