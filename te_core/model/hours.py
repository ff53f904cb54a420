"""Hours of the week in which positions are not increased."""

from __future__ import annotations

from dataclasses import dataclass

DAY = 24 * 60
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Spans of the week in one time zone. ``text``: as the operator wrote them.

    ``spans``: minutes since Monday 00:00, from and to, each 0 … 10080; the end is not part of it.
    ``zone``: a name of the IANA time zone database.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    zone: str = "UTC"
