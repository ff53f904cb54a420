"""Refusals of the last 24 hours: alerts by source, orders by account; in memory, initialised from the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from te_core.clock import Clock
from te_core.journal.journal import Journal
from te_core.rules.day_count import DAY, DayCount

NONE = DayCount()


class Refusals:
    """One per engine. Refusals that the journal no longer contains at the start are not counted."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        since = clock.now() - DAY
        self._clock = clock
        self._alerts = _counted(journal.refused_since(since))
        self._orders = _counted(journal.rejected_since(since))

    def alert(self, source: str) -> None:
        """Count an alert that a source refused."""
        self._alerts[source] = self._alerts.get(source, NONE).adding(self._clock.now())

    def order(self, book: str) -> None:
        """Count an order that an exchange rejected."""
        self._orders[book] = self._orders.get(book, NONE).adding(self._clock.now())

    def alerts_of(self, source: str) -> int:
        """Return how many alerts a source refused in 24 hours."""
        return self._alerts.get(source, NONE).within_a_day(self._clock.now())

    def orders_of(self, book: str) -> int:
        """Return how many orders of an account were rejected in 24 hours."""
        return self._orders.get(book, NONE).within_a_day(self._clock.now())


def _counted(times: Mapping[str, Sequence[datetime]]) -> dict[str, DayCount]:
    return {name: DayCount.of(found) for name, found in times.items()}
