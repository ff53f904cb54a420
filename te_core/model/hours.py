"""Hours of the week in which positions are not increased."""

from __future__ import annotations

from dataclasses import dataclass

DAY = 24 * 60
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Spans of the week in one time zone."""

    text: str
    """As the operator wrote them."""
    spans: tuple[tuple[int, int], ...]
    """Start and end in minutes since Monday 00:00, each 0 … 10080; the end is exclusive."""
    zone: str = "UTC"
    """A name from the IANA time zone database."""
