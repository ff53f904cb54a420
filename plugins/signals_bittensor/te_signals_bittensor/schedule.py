"""When to fetch: regularly, sooner when the feed asks for it, but never before the back-off ends."""

from __future__ import annotations

FIRST = 1.0
"""Seconds between a fetch that the feed asked for and the next such one; doubled for each further one in a row."""


class Schedule:
    """Times are monotonic seconds. ``interval``: seconds between two fetches that nobody asks for.

    What the feed asks for first is fetched at once. One that asks without end (it is closed at once, it skips
    numbers) gets no more in the long run than it would without asking.
    """

    def __init__(self, now: float, *, interval: float) -> None:
        self._interval = interval
        self._due = self._soonest = now
        self._wish = 0.0

    def next(self, *, asked: bool) -> float:
        """Give when to fetch next; ``asked``: the feed asks."""
        return self._soonest if asked else self._due

    def fetched(self, began: float, pause: float, *, asked: bool, failed: bool) -> None:
        """Note a fetch, from whose beginning ``pause`` seconds are to pass."""
        self._wish = min(max(2 * self._wish, FIRST), self._interval) if asked else 0.0
        self._due = began + pause
        self._soonest = self._due if failed else min(self._due, began + self._wish)
