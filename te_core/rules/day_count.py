"""Counts how often something happened within the last 24 hours, in bounded space. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

DAY = timedelta(days=1)
SPAN = 600
"""Seconds that are counted together: a count covers the last 24 hours, plus up to ten minutes."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """Counts per span of time, oldest first: at most 146 spans, however much happens."""

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, times: Iterable[datetime]) -> DayCount:
        """Return the count of some times."""
        counted: dict[int, int] = {}
        for at in times:
            span = _span(at)
            counted[span] = counted.get(span, 0) + 1
        return cls(tuple(sorted(counted.items())))

    def adding(self, at: datetime) -> DayCount:
        """Return the count with one more, without spans that are too old by then."""
        span, oldest = _span(at), _span(at - DAY)
        kept = [one for one in self.spans if one[0] >= oldest]
        if kept and kept[-1][0] == span:
            return DayCount((*kept[:-1], (span, kept[-1][1] + 1)))
        return DayCount(tuple(sorted([*kept, (span, 1)])))

    def within_a_day(self, now: datetime) -> int:
        """Return how often it happened in the last 24 hours."""
        oldest = _span(now - DAY)
        return sum(count for span, count in self.spans if span >= oldest)


def _span(at: datetime) -> int:
    return int(at.timestamp()) // SPAN
