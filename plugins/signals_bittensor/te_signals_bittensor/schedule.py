"""When to fetch: regularly, sooner if the feed requests it, but never before the back-off ends. Pure."""

from __future__ import annotations

FIRST = 1.0
"""Seconds between two fetches that the feed requested; doubled for each further one in a row."""


class Schedule:
    """When to fetch next. Times are monotonic seconds; ``interval`` is the pause between two regular fetches.

    The first fetch that the feed requests is due at once. A feed that requests without end (its connection closes at
    once, or it skips numbers) causes no more fetches in the long run than the interval does.
    """

    def __init__(self, now: float, *, interval: float) -> None:
        self._interval = interval
        self._due = self._soonest = now
        self._feed_pause = 0.0

    def next(self, *, requested: bool) -> float:
        """Return when to fetch next. ``requested``: whether the feed requests a fetch."""
        return self._soonest if requested else self._due

    def fetched(self, began: float, pause: float, *, requested: bool, failed: bool) -> None:
        """Schedule the next fetch, ``pause`` seconds after this one began."""
        self._feed_pause = min(max(2 * self._feed_pause, FIRST), self._interval) if requested else 0.0
        self._due = began + pause
        self._soonest = self._due if failed else min(self._due, began + self._feed_pause)
