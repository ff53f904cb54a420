"""Unknown behaviour of MEXC: both forms of each, to be tested with either."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Duplicates(StrEnum):
    """The treatment of a second order with the same externalOid."""

    SAME = "same"
    """The first order's id is returned and nothing executed; documented for batches, unknown for single orders."""
    REFUSED = "refused"
    """Refused as "Repeated requests" (603)."""
    EXECUTED = "executed"
    """Executed again."""


@dataclass(kw_only=True)
class Unknowns:
    """May be changed while the emulator runs."""

    duplicates: Duplicates = Duplicates.SAME
    missing_order_is_null: bool = False
    """An unknown order is a success without data, not error 2040."""
    close_needs_position_id: bool = False
    """One-way accounts refuse sides 2 and 4 without positionId."""
    market_types: frozenset[int] = frozenset({5, 6})
    """Order types that count as market orders; others of 5 and 6 are refused."""
    cross_leverage_changes: bool = True
    """An open cross position's leverage may change."""
    http_status_follows_code: bool = False
    """Refusals of the service come with HTTP 401, 403, 429 or 5xx instead of 200."""
