"""What a perpetual pays its other side from time to time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRate:
    """A rate, as a share of the position's value, and when it is or was paid. Longs pay when it is positive."""

    at: datetime
    rate: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingGuard:
    """Which funding keeps positions that would pay it from being increased, and for how long before it is paid.

    ``rate``: as a share of the position's value, above zero.
    """

    rate: Decimal
    before: timedelta
