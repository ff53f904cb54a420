"""Funding: the periodic payments between the two sides of a perpetual."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    """A funding rate, and when it is or was paid."""

    at: datetime
    rate: Decimal
    """As a share of the position's value; longs pay if it is positive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingGuard:
    """Blocks increases of positions that would pay a large funding, for some time before the payment."""

    rate: Decimal
    """The rate above which it applies, as a share of the position's value, > 0."""
    before: timedelta
    """How long before the payment it applies."""
