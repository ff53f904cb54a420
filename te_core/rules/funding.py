"""Decides whether a funding payment is too near and too large for the side that pays it to be increased."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from te_core.model.funding import FundingGuard, FundingRate
from te_core.rules.hours import Quiet


def guarded(guards: Iterable[FundingGuard], funding: FundingRate, side: int, now: datetime) -> Quiet | None:
    """Return why ``side`` (1 long, -1 short) must not be increased now, and until when; None if it may be."""
    pays = funding.rate * side
    for guard in guards:
        if pays > guard.rate and funding.at - guard.before <= now < funding.at:
            return Quiet(
                why=f"no increases before a funding of {pays:.4%} at {funding.at:%H:%M} UTC: "
                f"funding_guard is {guard.rate:.4%}",
                until=funding.at,
            )
    return None
