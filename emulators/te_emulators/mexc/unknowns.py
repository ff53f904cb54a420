"""What nobody has established about MEXC: both forms of each, to be tested with either."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Duplicates(StrEnum):
    """What becomes of a second order with one externalOid."""

    SAME = "same"
    """The first order's id is returned and nothing executed; documented for batches, unknown for single orders."""
    REFUSED = "refused"
    """As "Repeated requests" (603)."""
    EXECUTED = "executed"
    """Once more."""


@dataclass(kw_only=True)
class Unknowns:
    """May be changed while the emulator runs.

    ``missing_order_is_null``: an unknown order is a success without data, not error 2040.
    ``close_needs_position_id``: one-way accounts refuse sides 2 and 4 without positionId.
    ``market_types``: order types that are taken for market orders; others of 5 and 6 are refused.
    ``cross_leverage_changes``: an open cross position's leverage may change.
    ``http_status_follows_code``: refusals of the service come with HTTP 401, 403, 429 or 5xx instead of 200.
    """

    duplicates: Duplicates = Duplicates.SAME
    missing_order_is_null: bool = False
    close_needs_position_id: bool = False
    market_types: frozenset[int] = frozenset({5, 6})
    cross_leverage_changes: bool = True
    http_status_follows_code: bool = False
